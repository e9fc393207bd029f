//! A request's body on its way into memory: reserved first, read after, never longer than was reserved.

use crate::base::fault::{Fault, Kind};
use crate::gateway::{Gateway, Reserved};
use crate::mem::body::BodyBuffer;
use crate::wire::compress;
use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::Sleep;

/// What a body of unknown length gets first; it doubles from there.
const FIRST: usize = 64 << 10;

/// A buffer that grows by being copied into one of twice the size. Both count while both are there.
struct Growing<'a> {
    gateway: &'a Gateway,
    reserved: Reserved,
    buffer: BodyBuffer,
}

impl Growing<'_> {
    fn new(gateway: &Gateway) -> Result<Growing<'_>, Fault> {
        let (reserved, buffer) = gateway.reserve(FIRST.min(gateway.limits().body_bytes))?;
        Ok(Growing { gateway, reserved, buffer })
    }

    fn push(&mut self, chunk: &[u8]) -> Result<(), Fault> {
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
}

fn overrun() -> Fault {
    Fault::invalid("the body is longer than its Content-Length says")
}

/// One part of the body, waited for no longer than `limit`. A timer is made only if there is a wait.
async fn next(body: &mut Incoming, limit: Duration) -> Result<Option<Bytes>, Fault> {
    let mut sleep: Option<Pin<Box<Sleep>>> = None;
    loop {
        let part = poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Ready(part) => Poll::Ready(Ok(part)),
            Poll::Pending => {
                let sleep = sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
                sleep.as_mut().poll(cx).map(|()| Err(()))
            }
        });
        match part.await {
            Ok(None) => return Ok(None),
            Ok(Some(Ok(frame))) => match Frame::into_data(frame) {
                Ok(data) => return Ok(Some(data)),
                Err(_trailers) => {}
            },
            Ok(Some(Err(error))) => {
                return Err(Fault::new(Kind::Cancelled, format!("the request's body broke off: {error}")));
            }
            Err(()) => {
                let limit = limit.as_millis();
                let note = format!("no part of the request's body came for {limit} ms: send it faster");
                return Err(Fault::new(Kind::Expired, note));
            }
        }
    }
}

/// The whole body, as it came.
pub(super) async fn read(gateway: &Gateway, mut body: Incoming) -> Result<(Reserved, Bytes), Fault> {
    let limit = Duration::from_millis(gateway.limits().body_timeout_ms);
    let Some(len) = body.size_hint().exact() else {
        let mut growing = Growing::new(gateway)?;
        while let Some(part) = next(&mut body, limit).await? {
            growing.push(&part)?;
        }
        return Ok((growing.reserved, growing.buffer.freeze()));
    };
    let (reserved, mut buffer) = gateway.reserve(usize::try_from(len).unwrap_or(usize::MAX))?;
    while let Some(part) = next(&mut body, limit).await? {
        buffer.push(&part).map_err(|_| overrun())?;
    }
    if buffer.missing() > 0 {
        return Err(Fault::new(Kind::Cancelled, "the request's body ended before its Content-Length"));
    }
    Ok((reserved, buffer.freeze()))
}

/// The whole body, decompressed. What was compressed is given back at once.
pub(super) fn inflate(gateway: &Gateway, body: &[u8]) -> Result<(Reserved, Bytes), Fault> {
    let mut growing = Growing::new(gateway)?;
    compress::inflate(body, gateway.limits().body_bytes, |piece| growing.push(piece))?;
    Ok((growing.reserved, growing.buffer.freeze()))
}
