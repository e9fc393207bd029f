//! Responses, built in the header map that the request came in: a connection allocates it once.

use super::{chunks::Chunks, status::status};
use crate::base::fault::{Fault, Kind};
use crate::wire::json::text::Append;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

pub(super) type Reply = Response<Chunks>;

/// What is believed about a wait that is longer is of no use to anybody.
const LONGEST_S: u128 = 60;

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// `headers` are the request's; nothing of them stays.
pub(super) fn reply(mut headers: HeaderMap, status: StatusCode, body: Chunks) -> Reply {
    headers.clear();
    headers.insert(header::CONTENT_TYPE, JSON);
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// `{"error": …}` with the status of the fault's kind.
pub(super) fn fault(headers: HeaderMap, fault: &Fault) -> Reply {
    let mut reply = error(headers, status(fault.kind), &fault.note);
    if fault.kind == Kind::Overloaded {
        // Less than a second cannot be said.
        let seconds = fault.retry_after.as_millis().div_ceil(1000).clamp(1, LONGEST_S);
        let seconds = HeaderValue::from(u32::try_from(seconds).unwrap_or(u32::MAX));
        reply.headers_mut().insert(header::RETRY_AFTER, seconds);
    } else if fault.note.starts_with("Unsupported compression type") {
        reply.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate"));
    }
    reply
}

/// Of an address that takes another method.
pub(super) fn not_allowed(headers: HeaderMap, method: &'static str) -> Reply {
    let mut reply = error(headers, StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static(method));
    reply
}

pub(super) fn error(headers: HeaderMap, status: StatusCode, note: &str) -> Reply {
    let mut body = Vec::with_capacity(note.len() + 16);
    body.text("{\"error\":");
    body.string(note);
    body.push(b'}');
    reply(headers, status, Chunks::of(body))
}
