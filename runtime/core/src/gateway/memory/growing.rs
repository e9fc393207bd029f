//! A body whose length nobody announced: reserved as it grows.

use super::{admission::Reserved, arriving::Arriving, client::Client};
use crate::base::{fault::Fault, inference::Input};
use crate::wire::compress;
use bytes::Bytes;
use std::ops::Range;

/// What a body of unknown length gets first; it doubles from there.
const FIRST: usize = 64 << 10;

/// A buffer that grows by being copied into one of twice the size. Both count while both are there.
pub(in crate::gateway) struct Growing<'a> {
    client: &'a Client,
    body: Arriving,
}

impl Growing<'_> {
    pub(in crate::gateway) fn new(client: &Client) -> Result<Growing<'_>, Fault> {
        let body = client.reserve(FIRST.min(client.gateway.limits().body_bytes))?;
        Ok(Growing { client, body })
    }

    pub(in crate::gateway) fn push(&mut self, chunk: &[u8]) -> Result<(), Fault> {
        if chunk.len() > self.body.missing() {
            let held = self.body.len();
            let need = held.saturating_add(chunk.len());
            let most = self.client.gateway.limits().body_bytes;
            // Beyond the limit `reserve` says so.
            let wider = self.client.reserve(need.max(most.min(held.saturating_mul(2))))?;
            let (_held, old) = std::mem::replace(&mut self.body, wider).freeze();
            self.body.push(&old)?;
        }
        self.body.push(chunk)
    }

    pub(in crate::gateway) fn freeze(self) -> (Reserved, Bytes) {
        self.body.freeze()
    }
}

/// Where a body lies, for [`widen`]: holding the body itself would cost a request an allocation.
pub(in crate::gateway) fn place(body: &Bytes) -> Range<usize> {
    let start = body.as_ptr().addr();
    start..start + body.len()
}

/// The right to the memory of a request that was read: its body's, and that of tensors which were written out of it
/// rather than left where they came. Most are no larger than the text they came as, and cost nothing here.
pub(in crate::gateway) fn widen(
    mut reserved: Reserved,
    body: &Range<usize>,
    inputs: &[Input],
) -> Result<Reserved, Fault> {
    let (mut written, mut left) = (0_usize, 0_usize);
    for data in inputs.iter().map(|input| &input.tensor.data) {
        let sum = if body.contains(&data.as_ptr().addr()) { &mut left } else { &mut written };
        *sum = sum.saturating_add(data.len());
    }
    // A single view keeps all of the body.
    let held = if left > 0 { written.saturating_add(body.len()) } else { written };
    if held > reserved.len() {
        reserved.grow(held - reserved.len())?;
    }
    Ok(reserved)
}

/// Packed bytes that are unpacked while their sum is not known: they become four megabytes at most.
const UNWEIGHED: usize = 4 << 10;

/// The whole body, decompressed.
///
/// Of a longer one it is found out first how long it will be, at the price of unpacking it twice: one that is too long
/// then takes no memory at all, and one that is not is never copied. Growing held three times what came of it.
pub(in crate::gateway) fn inflate(client: &Client, body: &[u8]) -> Result<(Reserved, Bytes), Fault> {
    let most = client.gateway.limits().body_bytes;
    if body.len() <= UNWEIGHED {
        let mut growing = Growing::new(client)?;
        compress::inflate(body, most, |piece| growing.push(piece))?;
        return Ok(growing.freeze());
    }
    let mut len = 0;
    compress::inflate(body, most, |piece| {
        len += piece.len();
        Ok(())
    })?;
    let mut whole = client.reserve(len)?;
    compress::inflate(body, most, |piece| whole.push(piece))?;
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{
        datatype::Datatype,
        fault::Kind,
        tensor::{Shape, Tensor},
    };
    use crate::gateway::{Gateway, GatewaySettings, Limits};
    use crate::wire::compress::Coding;
    use std::sync::Arc;

    #[test]
    fn what_inflates_is_reserved_as_it_grows_or_weighed_first() {
        let gateway = |in_flight_bytes, body_bytes| {
            let limits = Limits { in_flight_bytes, body_bytes, ..Limits::default() };
            Gateway::new(GatewaySettings { limits, ..GatewaySettings::default() }).unwrap()
        };
        let inflate = |gateway: &Arc<Gateway>, packed: &[u8]| {
            inflate(&Client::new(Arc::clone(gateway)), packed).map(|(reserved, body)| {
                assert!(gateway.ledger.taken() >= body.len());
                drop(reserved);
                body
            })
        };
        // Whether it is weighed, and how much is held while it grows: the last buffer, and the one of half its size
        // that is copied into it.
        for (len, weighed, held) in [(256_usize << 10, false, 512_usize << 10), (8 << 20, true, 8 << 20)] {
            let zeros = vec![0; len];
            let packed = compress::deflate([&zeros[..]].into_iter(), Coding::Gzip).unwrap();
            assert_eq!(packed.len() > UNWEIGHED, weighed, "{}", packed.len());
            let room = gateway(held + Arriving::FIRST, len);
            assert_eq!(inflate(&room, &packed).unwrap().len(), len);
            let (none, small) = (gateway(len - 1, len), gateway(2 * len, len - 1));
            assert_eq!(inflate(&none, &packed).unwrap_err().kind, Kind::Overloaded);
            assert_eq!(inflate(&small, &packed).unwrap_err().kind, Kind::TooLarge);
            assert_eq!([room, none, small].map(|gateway| gateway.ledger.taken()), [0; 3]);
        }
    }

    #[test]
    fn tensors_that_outgrow_their_body_are_reserved() {
        let limits = Limits { in_flight_bytes: 1000, ..Limits::default() };
        let gateway = Gateway::new(GatewaySettings { limits, ..GatewaySettings::default() }).unwrap();
        let body = Bytes::from(vec![1; 100]);
        let input = |data: Bytes| Input {
            name: "x".into(),
            tensor: Tensor { datatype: Datatype::Uint8, shape: Shape::new(), data },
            region: None,
        };
        let (view, written) = (|| input(body.slice(10..20)), |len| input(vec![0; len].into()));
        let table = [
            (vec![view(), view()], Some(100)),
            (vec![written(60), written(40)], Some(100)),
            (vec![written(60), written(80)], Some(140)),
            (vec![written(60), view()], Some(160)),
            (vec![written(901)], Some(901)),
            (vec![written(801), written(200)], None),
        ];
        for (inputs, want) in table {
            let reserved = gateway.ledger.take(if want == Some(901) { 99 } else { 100 }).unwrap();
            match widen(reserved, &place(&body), &inputs) {
                Ok(_held) => assert_eq!(Some(gateway.ledger.taken()), want),
                Err(fault) => assert_eq!((fault.kind, want), (Kind::Overloaded, None)),
            }
            assert_eq!(gateway.ledger.taken(), 0);
        }
    }
}
