//! One call over HTTP/1.1.

use super::{
    body::{Sent, whole},
    pool::{Pool, Taken},
    status,
};
use crate::base::{
    call::{Call, Produced},
    contract::Contract,
    fault::Fault,
};
use crate::link::failure::Failure;
use crate::link::foreign::{access::Keys, address::Address, contract::Place};
use crate::wire::{asking::Asking, json::answered};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tokio::runtime::Handle;

/// Where the JSON ends and bytes of tensors begin.
const JSON_LEN: &str = "inference-header-content-length";
/// Triton takes a path as it stands, and reads no `%5F` in it.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-').remove(b'.').remove(b'~');
/// Of an answer that says why there is none.
const MOST_OF_AN_ERROR: usize = 64 << 10;

/// What calls of one version share.
#[derive(Debug)]
pub(in crate::link::foreign) struct Caller {
    pool: Pool,
    /// Bytes that an answer may have.
    most: usize,
    host: HeaderValue,
    /// The server takes tensors as bytes, and makes them; told by its metadata, before any call.
    pub(super) binary: AtomicBool,
}

/// The whole of an answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Caller {
    pub(in crate::link::foreign) fn new(keys: Keys, on: Handle, most: usize) -> Result<Caller, Fault> {
        let host = HeaderValue::try_from(keys.address().to_string());
        let host =
            host.map_err(|error| Fault::internal(format!("a header with {}: {error}", keys.address())))?;
        Ok(Caller { pool: Pool::new(keys, on), most, host, binary: AtomicBool::new(false) })
    }

    pub(in crate::link::foreign) fn address(&self) -> &Address {
        self.pool.keys.address()
    }

    /// Dropping the future closes the call's connection.
    pub(in crate::link::foreign) async fn infer(
        &self,
        place: &Place,
        asking: &Asking<'_>,
        (call, contract): (&Call, &Contract),
    ) -> Result<Produced, Failure> {
        let written = asking.write_json(self.binary.load(Relaxed)).map_err(Failure::Told)?;
        let mut head = self.head(Method::POST, &format!("{}/infer", path(place)));
        if written.binary {
            head = head
                .header(header::CONTENT_TYPE, "application/octet-stream")
                .header(JSON_LEN, written.json.len());
        } else {
            head = head.header(header::CONTENT_TYPE, "application/json");
        }
        let pieces = std::iter::once(Bytes::from(written.json)).chain(written.blobs);
        let answer = self.ask(head, Sent::new(pieces), self.most).await?;
        if answer.status != StatusCode::OK {
            return Err(Failure::Told(status::fault(answer.status, &answer.body)));
        }
        let json_len = answer.headers.get(JSON_LEN).map(|len| len.to_str().ok()?.parse().ok());
        let json_len = json_len.map_or(Some(answer.body.len()), |len| len).ok_or_else(|| {
            Failure::Told(Fault::internal(format!(
                "the server's answer has a header {JSON_LEN} that is no length"
            )))
        })?;
        answered::answered(&answer.body, json_len, contract, call.rows).map_err(Failure::Told)
    }

    pub(super) fn head(&self, method: Method, path: &str) -> http::request::Builder {
        let head = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.host.clone())
            .header(header::USER_AGENT, concat!("headrace/", env!("CARGO_PKG_VERSION")));
        match &self.pool.keys.token {
            Some(token) => head.header(header::AUTHORIZATION, token.clone()),
            None => head,
        }
    }

    /// The server's answer, whatever its status, of which at most `most` bytes are read.
    pub(super) async fn ask(
        &self,
        head: http::request::Builder,
        body: Sent,
        most: usize,
    ) -> Result<Answer, Failure> {
        let request = head.body(body).map_err(|error| {
            Failure::Told(Fault::internal(format!("a request to {}: {error}", self.address())))
        })?;
        let (head, body, taken) = self.send(request).await?;
        let most = if head.status == StatusCode::OK { most } else { most.min(MOST_OF_AN_ERROR) };
        let body = whole(body, most).await?;
        taken.give_back();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

impl Caller {
    /// A connection that the server has closed meanwhile takes nothing, and then another does.
    async fn send(
        &self,
        mut request: Request<Sent>,
    ) -> Result<(http::response::Parts, Incoming, Taken<'_>), Failure> {
        loop {
            let mut taken = self.pool.take().await?;
            match taken.send().try_send_request(request).await {
                Ok(answer) => {
                    let (head, body) = answer.into_parts();
                    return Ok((head, body, taken));
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) if taken.was_used => request = unsent,
                    Some(_) => return Err(Failure::Unsent(error.into_error().to_string())),
                    None => return Err(Failure::Lost(error.into_error().to_string())),
                },
            }
        }
    }
}

/// Of a version, on any server of the protocol.
pub(super) fn path(place: &Place) -> String {
    let escaped = |text| utf8_percent_encode(text, ESCAPED);
    let model = escaped(&place.model);
    if place.version.is_empty() {
        format!("/v2/models/{model}")
    } else {
        format!("/v2/models/{model}/versions/{}", escaped(&place.version))
    }
}
