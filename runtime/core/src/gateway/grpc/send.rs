//! The sending half of a call: headers, messages, trailers.

use super::status;
use crate::base::{clock, fault::Fault};
use crate::gateway::{Client, requests::stages::Told, settings::Patience};
use crate::wire::oip_proto::answer::Pieces;
use bytes::Bytes;
use h2::{SendStream, server::SendResponse};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use std::future::poll_fn;

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");
const ACCEPTS: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// A message up to this length is handed to the connection whole, whatever the client's window: to ask for the window
/// costs, and so much may lie there for each stream whose client does not read. A longer one follows the window.
const UNPACED: usize = 4 << 10;

/// The client is gone, or reads nothing: whatever is left of the answer is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

impl From<h2::Error> for Gone {
    fn from(_: h2::Error) -> Gone {
        Gone
    }
}

fn head(room: usize) -> Response<()> {
    let mut headers = HeaderMap::with_capacity(room);
    headers.insert(header::CONTENT_TYPE, CONTENT_TYPE);
    let mut head = Response::new(());
    *head.headers_mut() = headers;
    head
}

/// The whole answer of a unary call.
pub(super) async fn answer(
    client: &Client,
    respond: &mut SendResponse<Bytes>,
    told: Option<Told>,
    pieces: Pieces,
) -> Result<(), Gone> {
    let mut stream = open(respond, told)?;
    messages(client, &mut stream, pieces).await?;
    Ok(stream.send_trailers(status::ok())?)
}

/// A call that failed before it sent anything: headers and trailers are one frame.
pub(super) fn fail(respond: &mut SendResponse<Bytes>, fault: &Fault) -> Result<(), Gone> {
    ended(respond, |headers| status::write(fault, headers))
}

/// The same with a code that no fault has.
pub(super) fn fail_as(respond: &mut SendResponse<Bytes>, code: status::Code, note: &str) -> Result<(), Gone> {
    ended(respond, |headers| status::write_as(code, note, headers))
}

fn ended(respond: &mut SendResponse<Bytes>, write: impl FnOnce(&mut HeaderMap)) -> Result<(), Gone> {
    let mut head = head(4);
    write(head.headers_mut());
    head.headers_mut().insert(ACCEPTS, HeaderValue::from_static("identity, deflate, gzip"));
    respond.send_response(head, true)?;
    Ok(())
}

/// What is not gRPC is answered in plain HTTP.
pub(super) fn refuse(respond: &mut SendResponse<Bytes>, status: StatusCode) -> Result<(), Gone> {
    let mut head = Response::new(());
    *head.status_mut() = status;
    respond.send_response(head, true)?;
    Ok(())
}

/// Begins an answer of one message or of many.
pub(super) fn open(respond: &mut SendResponse<Bytes>, told: Option<Told>) -> Result<SendStream<Bytes>, Gone> {
    let mut head = head(2);
    if let Some(told) = told {
        told.write(head.headers_mut());
    }
    Ok(respond.send_response(head, false)?)
}

/// Sends one message, as fast as the client's window opens; one that stays shut, or opens too slowly, ends the call.
pub(super) async fn messages(
    client: &Client,
    stream: &mut SendStream<Bytes>,
    pieces: Pieces,
) -> Result<(), Gone> {
    if len(&pieces) > UNPACED {
        // Boxed: to wait for the window takes room, which would make every call's future larger.
        return Box::pin(part(client, stream, pieces)).await;
    }
    for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
        stream.send_data(piece, false)?;
    }
    Ok(())
}

fn len(pieces: &Pieces) -> usize {
    pieces.iter().map(Bytes::len).sum()
}

/// The same for a message of many: they follow the window, however short they are, for there is no end to them.
pub(super) async fn part(
    client: &Client,
    stream: &mut SendStream<Bytes>,
    pieces: Pieces,
) -> Result<(), Gone> {
    let mut left = len(&pieces);
    let mut patience = None;
    for mut piece in pieces {
        while !piece.is_empty() {
            if stream.capacity() == 0 {
                stream.reserve_capacity(left);
            }
            if stream.capacity() == 0 {
                let patience = patience.get_or_insert_with(|| Patience::new(client.gateway.limits()));
                let is_short = client.is_short_of_unread();
                let until = patience.wait(clock::now(), is_short).map_err(|_| Gone)?;
                let opened = poll_fn(|cx| stream.poll_capacity(cx));
                let opened = tokio::time::timeout_at(clock::instant(until), opened).await;
                let Ok(Some(Ok(_))) = opened else { return Err(Gone) };
            }
            let part = piece.split_to(piece.len().min(stream.capacity()));
            left -= part.len();
            if let Some(patience) = &mut patience {
                patience.came(part.len());
            }
            if !part.is_empty() {
                stream.send_data(part, false)?;
            }
        }
    }
    Ok(())
}
