//! Labels over HTTP.

use super::{
    body,
    chunks::Chunks,
    respond::{self, Reply},
};
use crate::base::fault::{Fault, Kind};
use crate::gateway::{Client, labels::Said};
use crate::wire::labels::MOST_BYTES;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use hyper::body::Incoming;

/// The console's answer, or ours with its status.
pub(super) async fn answer(client: &Client, method: &Method, headers: HeaderMap, body: Incoming) -> Reply {
    if *method != Method::POST {
        return respond::not_allowed(headers, "POST");
    }
    match said(client, &headers, body).await {
        Ok(Said { status, retry_after, body }) => {
            let mut reply = respond::reply(headers, status, Chunks::of(body));
            if let Some(wait) = retry_after {
                reply.headers_mut().insert(header::RETRY_AFTER, wait);
            }
            reply
        }
        Err(fault) if fault.kind == Kind::Forbidden => {
            let mut reply = respond::error(headers, StatusCode::UNAUTHORIZED, &fault.note);
            reply.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            reply
        }
        Err(fault) if fault.kind == Kind::TooLarge => {
            respond::error(headers, StatusCode::PAYLOAD_TOO_LARGE, &fault.note)
        }
        Err(fault) => respond::fault(headers, &client.gateway.told(fault, "", None)),
    }
}

async fn said(client: &Client, headers: &HeaderMap, body: Incoming) -> Result<Said, Fault> {
    let sender = client.gateway.let_in(headers)?;
    let (_reserved, labels) = body::read_within(client, body, MOST_BYTES).await?;
    sender.send(labels).await
}
