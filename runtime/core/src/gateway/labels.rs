//! Labels that come later. The console keeps them: a gateway lets in who may send some, and hands each body on as it
//! came, so that whatever else is wrong with it is refused in the same words at both doors.

use super::{Gateway, digest::Digest};
use crate::base::fault::{Fault, Kind};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::error::Error;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};

pub(super) const PATH: &str = "/headrace/v1/feedback";
/// Requests that are here at once, read or waiting.
const PLACES: usize = 64;
/// The console joins one after the other; in one process it shares Python's lock with models.
const AT_ONCE: usize = 1;
/// For the turn, and the console's answer.
const PATIENCE: Duration = Duration::from_secs(60);
const MOST_OF_AN_ANSWER: usize = 64 << 10;
const BEARER: &str = "bearer ";

/// Where labels are kept, and what their senders bring.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Desk {
    /// host:port of the console.
    console: String,
    /// Of the token that it asks for, if it does.
    token_sha256: Option<Digest>,
}

#[derive(Debug)]
pub(super) struct Labels {
    places: Semaphore,
    turn: Semaphore,
}

impl Default for Labels {
    fn default() -> Labels {
        Labels { places: Semaphore::new(PLACES), turn: Semaphore::new(AT_ONCE) }
    }
}

/// One who may send labels, and for whom there is room.
#[derive(Debug)]
pub(super) struct Sender<'a> {
    desk: &'a Desk,
    turn: &'a Semaphore,
    host: Option<HeaderValue>,
    authorization: Option<HeaderValue>,
    _place: SemaphorePermit<'a>,
}

/// What the console said, in JSON.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<HeaderValue>,
    pub(super) body: Bytes,
}

impl Desk {
    fn knows(&self, authorization: Option<&HeaderValue>) -> bool {
        let Some(token) = &self.token_sha256 else { return true };
        let brought = authorization.map_or(&[][..], HeaderValue::as_bytes);
        let (scheme, brought) = brought.split_at_checked(BEARER.len()).unwrap_or_default();
        scheme.eq_ignore_ascii_case(BEARER.as_bytes()) && token.fits(brought)
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Said, Box<dyn Error + Send + Sync>> {
        let socket = TcpStream::connect(&self.console).await?;
        let (mut line, connection) = http1::handshake(TokioIo::new(socket)).await?;
        let asked = async move {
            let (head, body) = line.send_request(request).await?.into_parts();
            let body = Limited::new(body, MOST_OF_AN_ANSWER).collect().await?.to_bytes();
            let retry_after = head.headers.get(header::RETRY_AFTER).cloned();
            Ok(Said { status: head.status, retry_after, body })
        };
        // The connection ends once nobody can ask on it any more.
        tokio::join!(asked, connection).0
    }
}

impl Gateway {
    /// To be asked before any of a body is read, by its headers or metadata. A stranger is `Forbidden`.
    pub(super) fn let_in(&self, headers: &HeaderMap) -> Result<Sender<'_>, Fault> {
        let Some(desk) = &self.settings.labels else {
            return Err(Fault::new(Kind::Unsupported, "this server keeps no labels"));
        };
        let said = |name| headers.get(name).cloned();
        let mut authorization = said(header::AUTHORIZATION);
        if let Some(authorization) = &mut authorization {
            authorization.set_sensitive(true);
        }
        if !desk.knows(authorization.as_ref()) {
            return Err(Fault::new(Kind::Forbidden, TOKEN_NEEDED));
        }
        let place = self.labels.places.try_acquire().map_err(|_full| {
            let note = format!("{PLACES} requests with labels are being joined: try again later");
            Fault::new(Kind::Overloaded, note).retry_after(Duration::from_secs(1))
        })?;
        Ok(Sender { desk, turn: &self.labels.turn, host: said(header::HOST), authorization, _place: place })
    }
}

/// As the console says it (`headrace/console/door.py`).
const TOKEN_NEEDED: &str = "this console listens beyond its machine: send `Authorization: Bearer TOKEN`, with the line of \
     console-token in the server's state folder; commands read it from HEADRACE_TOKEN";

impl Sender<'_> {
    /// What came of `labels`. Where that is not known they may be sent again: nothing counts twice.
    pub(super) async fn send(self, labels: Bytes) -> Result<Said, Fault> {
        let lost = |why: &dyn std::fmt::Display| {
            let note = format!("the console, which keeps labels, gave no answer: {why}; send them again");
            Fault::new(Kind::Unavailable, note)
        };
        let mut request = Request::post(PATH).header(header::CONTENT_TYPE, "application/json").header(
            header::HOST,
            self.host.as_ref().map_or(self.desk.console.as_bytes(), HeaderValue::as_bytes),
        );
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(Full::new(labels)).map_err(|error| lost(&error))?;
        let asked = async {
            let _turn = self.turn.acquire().await?;
            self.desk.ask(request).await
        };
        let asked = tokio::time::timeout(PATIENCE, asked).await;
        asked.map_err(|_elapsed| lost(&format_args!("{PATIENCE:?} passed")))?.map_err(|error| lost(&error))
    }
}

#[cfg(test)]
#[path = "labels_tests.rs"]
mod tests;
