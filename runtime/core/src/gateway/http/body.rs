//! A request's body on its way into memory: reserved first, read after, never longer than was reserved.

use crate::base::clock;
use crate::base::fault::{Fault, Kind};
use crate::gateway::memory::growing::Growing;
use crate::gateway::settings::Patience;
use crate::gateway::{Client, Reserved};
use crate::wire::labels;
use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::Poll;
use tokio::time::Sleep;

/// One part of the body, waited for as long as `patience` has it. A timer is made only if there is a wait.
async fn next(client: &Client, body: &mut Incoming, patience: &mut Patience) -> Result<Option<Bytes>, Fault> {
    let mut sleep: Option<Pin<Box<Sleep>>> = None;
    loop {
        let part = poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Ready(part) => Poll::Ready(Ok(part)),
            Poll::Pending => {
                let sleep = match &mut sleep {
                    Some(sleep) => sleep,
                    none => none.insert(Box::pin(tokio::time::sleep_until(clock::instant(
                        patience.wait(clock::now(), client.is_short())?,
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
            Some(Err(error)) => return Err(broken(&error)),
        }
    }
}

/// A chunk that cannot be told is wrong; everything else is a client that left.
fn broken(error: &hyper::Error) -> Fault {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    match cause.map(io::Error::kind) {
        Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => {
            Fault::invalid(format!("the request's body cannot be read: {error}"))
        }
        Some(_) | None => Fault::new(Kind::Cancelled, format!("the request's body broke off: {error}")),
    }
}

/// The whole body of labels, of which there are `most` bytes at most.
pub(super) async fn read_within(
    client: &Client,
    mut body: Incoming,
    most: usize,
) -> Result<(Reserved, Bytes), Fault> {
    if body.size_hint().lower() > most as u64 {
        return Err(labels::too_long());
    }
    let mut patience = Patience::new(client.gateway.limits());
    let (mut growing, mut came) = (Growing::new(client)?, 0_usize);
    while let Some(part) = next(client, &mut body, &mut patience).await? {
        came = came.saturating_add(part.len());
        if came > most {
            return Err(labels::too_long());
        }
        growing.push(&part)?;
    }
    Ok(growing.freeze())
}

/// The whole body, as it came.
pub(super) async fn read(client: &Client, mut body: Incoming) -> Result<(Reserved, Bytes), Fault> {
    let mut patience = Patience::new(client.gateway.limits());
    let Some(len) = body.size_hint().exact() else {
        let mut growing = Growing::new(client)?;
        while let Some(part) = next(client, &mut body, &mut patience).await? {
            growing.push(&part)?;
        }
        return Ok(growing.freeze());
    };
    let mut arriving = client.reserve(usize::try_from(len).unwrap_or(usize::MAX))?;
    while let Some(part) = next(client, &mut body, &mut patience).await? {
        arriving.push(&part)?;
    }
    if arriving.missing() > 0 {
        return Err(Fault::new(Kind::Cancelled, "the request's body ended before its Content-Length"));
    }
    Ok(arriving.freeze())
}
