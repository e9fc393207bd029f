//! A body whose length nobody announced: reserved as it grows.

use super::{Gateway, Reserved};
use crate::base::fault::Fault;
use crate::mem::body::BodyBuffer;
use crate::wire::compress;
use bytes::Bytes;

/// What a body of unknown length gets first; it doubles from there.
const FIRST: usize = 64 << 10;

/// A buffer that grows by being copied into one of twice the size. Both count while both are there.
pub(super) struct Growing<'a> {
    gateway: &'a Gateway,
    reserved: Reserved,
    buffer: BodyBuffer,
}

impl Growing<'_> {
    pub(super) fn new(gateway: &Gateway) -> Result<Growing<'_>, Fault> {
        let (reserved, buffer) = gateway.reserve(FIRST.min(gateway.limits().body_bytes))?;
        Ok(Growing { gateway, reserved, buffer })
    }

    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<(), Fault> {
        if chunk.len() > self.buffer.missing() {
            let held = self.buffer.len();
            let need = held.saturating_add(chunk.len());
            let most = self.gateway.limits().body_bytes;
            // Beyond the limit `reserve` says so.
            let (reserved, mut buffer) = self.gateway.reserve(need.max(most.min(held.saturating_mul(2))))?;
            let old = std::mem::replace(&mut self.buffer, BodyBuffer::with_capacity(0)).freeze();
            buffer.push(&old).map_err(|_| overrun())?;
            (self.reserved, self.buffer) = (reserved, buffer);
        }
        self.buffer.push(chunk).map_err(|_| overrun())
    }

    pub(super) fn freeze(self) -> (Reserved, Bytes) {
        (self.reserved, self.buffer.freeze())
    }
}

fn overrun() -> Fault {
    Fault::internal("a body outgrew its buffer")
}

/// The whole body, decompressed. What was compressed is given back at once.
pub(super) fn inflate(gateway: &Gateway, body: &[u8]) -> Result<(Reserved, Bytes), Fault> {
    let mut growing = Growing::new(gateway)?;
    compress::inflate(body, gateway.limits().body_bytes, |piece| growing.push(piece))?;
    Ok(growing.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::fault::Kind;
    use crate::gateway::{GatewaySettings, Limits};
    use crate::wire::compress::Coding;

    #[test]
    fn what_inflates_is_reserved_as_it_grows() {
        let zeros = vec![0; 1 << 20];
        let packed = compress::deflate([&zeros[..]].into_iter(), Coding::Gzip).unwrap();
        let gateway = |in_flight_bytes, body_bytes| {
            let limits = Limits { in_flight_bytes, body_bytes, ..Limits::default() };
            Gateway::new(GatewaySettings { limits, ..GatewaySettings::default() }).unwrap()
        };
        // The last buffer and the one of half its size that is copied into it.
        let (room, none) = (gateway(3 << 20, 2 << 20), gateway(1 << 20, 2 << 20));
        let (reserved, body) = inflate(&room, &packed).unwrap();
        assert!(body.len() == 1 << 20 && room.ledger.taken() >= body.len());
        drop(reserved);
        let fault = inflate(&none, &packed).unwrap_err();
        assert_eq!((fault.kind, room.ledger.taken(), none.ledger.taken()), (Kind::Overloaded, 0, 0));
        let small = gateway(3 << 20, 1 << 19);
        assert_eq!(inflate(&small, &packed).unwrap_err().kind, Kind::TooLarge);
        assert_eq!(small.ledger.taken(), 0);
    }
}
