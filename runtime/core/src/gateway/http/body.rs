//! A request's body on its way into memory: reserved first, read after, never longer than was reserved.

use crate::base::fault::{Fault, Kind};
use crate::gateway::growing::Growing;
use crate::gateway::{Gateway, Reserved};
use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::Sleep;

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
        return Ok(growing.freeze());
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
