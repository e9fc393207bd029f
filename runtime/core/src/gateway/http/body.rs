//! A request's body on its way into memory: reserved first, read after, never longer than was reserved.

use crate::base::clock;
use crate::base::fault::{Fault, Kind};
use crate::gateway::growing::Growing;
use crate::gateway::settings::Patience;
use crate::gateway::{Gateway, Reserved};
use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use tokio::time::Sleep;

fn overrun() -> Fault {
    Fault::invalid("the body is longer than its Content-Length says")
}

/// One part of the body, waited for as long as `patience` has it. A timer is made only if there is a wait.
async fn next(body: &mut Incoming, patience: &mut Patience) -> Result<Option<Bytes>, Fault> {
    let mut sleep: Option<Pin<Box<Sleep>>> = None;
    loop {
        let part = poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Ready(part) => Poll::Ready(Ok(part)),
            Poll::Pending => {
                let sleep = match &mut sleep {
                    Some(sleep) => sleep,
                    none => none.insert(Box::pin(tokio::time::sleep_until(clock::instant(
                        patience.wait(clock::now())?,
                    )))),
                };
                sleep.as_mut().poll(cx).map(|()| Err(patience.stalled()))
            }
        });
        match part.await? {
            None => return Ok(None),
            Some(Ok(frame)) => match Frame::into_data(frame) {
                Ok(data) => {
                    patience.came(data.len());
                    return Ok(Some(data));
                }
                Err(_trailers) => {}
            },
            Some(Err(error)) => {
                return Err(Fault::new(Kind::Cancelled, format!("the request's body broke off: {error}")));
            }
        }
    }
}

/// The whole body, as it came.
pub(super) async fn read(gateway: &Gateway, mut body: Incoming) -> Result<(Reserved, Bytes), Fault> {
    let mut patience = Patience::new(gateway.limits());
    let Some(len) = body.size_hint().exact() else {
        let mut growing = Growing::new(gateway)?;
        while let Some(part) = next(&mut body, &mut patience).await? {
            growing.push(&part)?;
        }
        return Ok(growing.freeze());
    };
    let (reserved, mut buffer) = gateway.reserve(usize::try_from(len).unwrap_or(usize::MAX))?;
    while let Some(part) = next(&mut body, &mut patience).await? {
        buffer.push(&part).map_err(|_| overrun())?;
    }
    if buffer.missing() > 0 {
        return Err(Fault::new(Kind::Cancelled, "the request's body ended before its Content-Length"));
    }
    Ok((reserved, buffer.freeze()))
}
