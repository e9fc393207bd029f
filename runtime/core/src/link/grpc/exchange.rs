//! One gRPC call on a connection of HTTP/2: a message there, and messages back.

use super::status::{self, of_stream};
use crate::base::{
    clock,
    fault::{Fault, Kind},
    units::Tick,
};
use crate::link::failure::Failure;
use crate::wire::oip_proto::answer::{PREFIX, Pieces};
use bytes::{Bytes, BytesMut};
use h2::{RecvStream, client::SendRequest};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};

/// Memory for a message is taken as it comes, from here on.
const FIRST: usize = 1 << 20;

pub(in crate::link) const MODEL_INFER: &str = "/inference.GRPCInferenceService/ModelInfer";
pub(in crate::link) const MODEL_STREAM_INFER: &str = "/inference.GRPCInferenceService/ModelStreamInfer";

/// What calls of one connection share.
#[derive(Clone, Debug)]
pub(in crate::link) struct Caller {
    pub(in crate::link) send: SendRequest<Bytes>,
    /// As it is told, and as messages name the server.
    pub(in crate::link) address: String,
    pub(in crate::link) is_encrypted: bool,
    pub(in crate::link) token: Option<HeaderValue>,
    /// Bytes that a message of the server may have.
    pub(in crate::link) most: usize,
}

/// The messages of an answer.
#[derive(Debug)]
pub(in crate::link) struct Messages {
    body: RecvStream,
    most: usize,
    /// Came, and belongs to no message yet.
    rest: Bytes,
}

impl Caller {
    /// Sends one message and waits for the head of its answer. Dropping the future resets the call.
    pub(in crate::link) async fn call(
        &self,
        path: &'static str,
        message: Pieces,
        deadline: Tick,
        metadata: &[(HeaderName, HeaderValue)],
    ) -> Result<Messages, Failure> {
        let mut send = self.send.clone().ready().await.map_err(|error| Failure::Unsent(error.to_string()))?;
        let mut head = self.head(path, deadline).map_err(Failure::Told)?;
        head.headers_mut().extend(metadata.iter().cloned());
        let (answer, mut body) =
            send.send_request(head, false).map_err(|error| Failure::Unsent(error.to_string()))?;
        let last = message.len().saturating_sub(1);
        for (at, piece) in message.into_iter().enumerate() {
            // What the server has no room for yet lies with the connection: these are the caller's own bytes.
            body.send_data(piece, at == last).map_err(|error| of_stream(&error))?;
        }
        let answer = answer.await.map_err(|error| of_stream(&error))?;
        let (head, body) = answer.into_parts();
        if let Some(Err(fault)) = status::read(&head.headers) {
            return Err(Failure::Told(fault));
        }
        let is_grpc = head.headers.get(header::CONTENT_TYPE);
        let is_grpc = is_grpc.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
        if head.status != StatusCode::OK || !is_grpc {
            let note = format!("the server answered with HTTP status {} and no gRPC", head.status);
            return Err(Failure::Told(Fault::new(Kind::Unavailable, note)));
        }
        Ok(Messages { body, most: self.most, rest: Bytes::new() })
    }

    /// The only message of an answer.
    pub(in crate::link) async fn ask(
        &self,
        path: &'static str,
        message: Pieces,
        deadline: Tick,
        metadata: &[(HeaderName, HeaderValue)],
    ) -> Result<Bytes, Failure> {
        let mut messages = self.call(path, message, deadline, metadata).await?;
        let answer = messages.next().await?.ok_or_else(|| broken("it is empty"))?;
        match messages.next().await? {
            None => Ok(answer),
            Some(_) => Err(broken("it has two messages where one was asked for")),
        }
    }

    fn head(&self, path: &'static str, deadline: Tick) -> Result<Request<()>, Fault> {
        let wrong = |error: http::Error| Fault::internal(format!("a request to {}: {error}", self.address));
        let uri = Uri::builder()
            .scheme(if self.is_encrypted { "https" } else { "http" })
            .authority(self.address.as_str())
            .path_and_query(path);
        let mut head = Request::builder()
            .method(Method::POST)
            .uri(uri.build().map_err(wrong)?)
            .header(header::TE, "trailers")
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::USER_AGENT, concat!("headrace/", env!("CARGO_PKG_VERSION")));
        if let Some(token) = &self.token {
            head = head.header(header::AUTHORIZATION, token.clone());
        }
        if deadline != Tick::NEVER {
            head = head.header("grpc-timeout", timeout(deadline));
        }
        head.body(()).map_err(wrong)
    }
}

/// At most eight digits, as the protocol has it.
fn timeout(deadline: Tick) -> HeaderValue {
    let left = deadline.since(clock::now());
    let micros = left.as_micros();
    let told = if micros < 100_000_000 {
        format!("{micros}u")
    } else {
        format!("{}S", left.as_secs().min(99_999_999))
    };
    HeaderValue::try_from(told).unwrap_or(HeaderValue::from_static("99999999S"))
}

fn broken(what: &str) -> Failure {
    Failure::Told(Fault::internal(format!("the server's answer is no gRPC: {what}")))
}

impl Messages {
    /// The next one, without its prefix; `None` at an end that is no error. A message of which all came at once is a view
    /// of what was read; of any other the parts are copied together.
    pub(in crate::link) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let Some(prefix) = self.prefix().await? else { return self.end().await.map(|()| None) };
        let [flag, len @ ..] = prefix;
        let len = usize::try_from(u32::from_be_bytes(len)).unwrap_or(usize::MAX);
        if flag != 0 {
            return Err(broken("a message is compressed, which was not asked for"));
        }
        if len > self.most {
            let most = self.most;
            let note = format!(
                "the server's answer has {len} bytes, and {most} are read (limit connection_bytes): ask for fewer rows"
            );
            return Err(Failure::Told(Fault::internal(note)));
        }
        if self.rest.len() >= len {
            return Ok(Some(self.rest.split_to(len)));
        }
        let mut whole = BytesMut::with_capacity(len.min(FIRST));
        whole.extend_from_slice(&std::mem::take(&mut self.rest));
        while whole.len() < len {
            let mut chunk = self.chunk().await?.ok_or_else(|| broken("it ends within a message"))?;
            whole.extend_from_slice(&chunk.split_to(chunk.len().min(len - whole.len())));
            self.rest = chunk;
        }
        Ok(Some(whole.freeze()))
    }

    async fn prefix(&mut self) -> Result<Option<[u8; PREFIX]>, Failure> {
        while self.rest.len() < PREFIX {
            match self.chunk().await? {
                Some(chunk) if self.rest.is_empty() => self.rest = chunk,
                Some(chunk) => self.rest = [&self.rest[..], &chunk[..]].concat().into(),
                None if self.rest.is_empty() => return Ok(None),
                None => return Err(broken("it ends within a message")),
            }
        }
        let prefix = self.rest.split_to(PREFIX);
        Ok(prefix.first_chunk::<PREFIX>().copied())
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        let Some(chunk) = self.body.data().await else { return Ok(None) };
        let chunk = chunk.map_err(|error| of_stream(&error))?;
        // Room for as much more; on a call that has ended nobody needs it.
        let _ = self.body.flow_control().release_capacity(chunk.len());
        Ok(Some(chunk))
    }

    async fn end(&mut self) -> Result<(), Failure> {
        let trailers = self.body.trailers().await.map_err(|error| of_stream(&error))?;
        let status = trailers.as_ref().and_then(status::read);
        status.ok_or_else(|| broken("it ends without a status"))?.map_err(Failure::Told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_deadline_is_told_in_eight_digits() {
        for (span, digits) in
            [(Duration::from_millis(5), 4), (Duration::from_secs(3600), 4), (Duration::MAX, 8)]
        {
            let told = timeout(clock::now().plus(span).min(Tick::from_nanos(u64::MAX - 1)));
            let told = told.to_str().unwrap();
            assert!(told.len() <= digits + 1, "{told}");
        }
    }
}
