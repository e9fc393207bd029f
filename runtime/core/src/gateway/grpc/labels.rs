//! Labels over gRPC: the same as over HTTP, in messages.

use super::{
    body::{Message, Messages},
    call::{Call, unless_reset},
    send,
    status::Code,
};
use crate::base::fault::{Fault, Kind};
use crate::gateway::labels::Said;
use crate::wire::{
    labels::{MOST_BYTES, from_json, to_json, too_long},
    oip_proto::answer::put_prefix,
};
use bytes::{BufMut, Bytes, BytesMut};
use h2::server::SendResponse;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use std::pin::pin;

/// `said` is the call's metadata.
pub(super) async fn take(
    call: Call,
    said: Box<HeaderMap>,
    messages: Messages,
    respond: &mut SendResponse<Bytes>,
) -> Result<(), send::Gone> {
    let asked = pin!(ask(&call, &said, messages.within(MOST_BYTES)));
    let fault = match unless_reset(respond, asked).await? {
        Ok(Said { status: StatusCode::OK, body, .. }) => match message(&body) {
            Ok(message) => {
                return send::answer(&call.client, respond, None, [message].into_iter().collect()).await;
            }
            Err(fault) => fault,
        },
        Ok(refused) => return send::fail_as(respond, code(refused.status), &reason(&refused.body)),
        Err(fault) if fault.kind == Kind::Forbidden => {
            return send::fail_as(respond, Code::Unauthenticated, &fault.note);
        }
        Err(fault) => fault,
    };
    send::fail(respond, &call.gateway().told(fault, "", None))
}

async fn ask(call: &Call, said: &HeaderMap, mut messages: Messages) -> Result<Said, Fault> {
    let sender = call.gateway().let_in(said)?;
    let Message { body, mut reserved, .. } = call.unpack(messages.only().await?).await?;
    let labels = to_json(&body)?;
    if labels.len() > MOST_BYTES {
        return Err(too_long());
    }
    drop(body);
    call.client.extend(&mut reserved, labels.len())?;
    sender.send(labels.into()).await
}

fn message(said: &[u8]) -> Result<Bytes, Fault> {
    let message = from_json(said)?;
    let mut out = BytesMut::with_capacity(5 + message.len());
    put_prefix(&mut out, message.len())?;
    out.put_slice(&message);
    Ok(out.freeze())
}

/// What a status of the console's is in gRPC.
fn code(status: StatusCode) -> Code {
    match status.as_u16() {
        400 | 413 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        408 => Code::DeadlineExceeded,
        409 => Code::FailedPrecondition,
        429 => Code::ResourceExhausted,
        503 => Code::Unavailable,
        _ => Code::Internal,
    }
}

fn reason(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refused {
        error: String,
    }
    serde_json::from_slice(body)
        .map_or_else(|_other| String::from_utf8_lossy(body).into_owned(), |Refused { error }| error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_of_the_consoles_has_its_code_and_its_words() {
        let table = [
            (400, Code::InvalidArgument),
            (413, Code::InvalidArgument),
            (401, Code::Unauthenticated),
            (403, Code::PermissionDenied),
            (408, Code::DeadlineExceeded),
            (409, Code::FailedPrecondition),
            (429, Code::ResourceExhausted),
            (503, Code::Unavailable),
            (500, Code::Internal),
            (404, Code::Internal),
        ];
        for (status, want) in table {
            assert_eq!(code(StatusCode::from_u16(status).unwrap()), want, "{status}");
        }
        assert_eq!(reason(br#"{"error":"no \"room\""}"#), "no \"room\"");
        assert_eq!(reason(b"nothing of ours"), "nothing of ours");
    }
}
