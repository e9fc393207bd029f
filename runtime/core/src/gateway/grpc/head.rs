//! A call's head, read before any of its body.

use super::method::Method;
use crate::base::{
    callers::Callers,
    fault::{Fault, Kind},
};
use crate::gateway::requests::stages;
use crate::link::calls::CALLERS;
use http::{HeaderMap, HeaderName, StatusCode, header, request::Parts};
use std::time::Duration;

/// How the client packs its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Deflate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) method: Method,
    pub(super) encoding: Encoding,
    pub(super) timeout: Option<Duration>,
    /// A stream that ends with the status of the first error of an execution.
    pub(super) ends_on_error: bool,
    /// The answer tells of its stages.
    pub(super) timing: bool,
}

/// Why a call is not taken: not gRPC at all, or gRPC that cannot be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Http(StatusCode),
    Grpc(Fault),
}

const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const ENDS_ON_ERROR: HeaderName = HeaderName::from_static("triton_grpc_error");

/// The first value of each name.
#[derive(Debug, Default)]
struct Said<'a> {
    kind: Option<&'a [u8]>,
    te: Option<&'a [u8]>,
    encoding: Option<&'a [u8]>,
    timeout: Option<&'a [u8]>,
    ends_on_error: Option<&'a [u8]>,
    timing: bool,
}

impl Said<'_> {
    /// In one pass: a call has few headers, and to look each of ours up would cost a hash.
    fn of(headers: &HeaderMap) -> Said<'_> {
        let mut said = Said::default();
        for (name, value) in headers {
            let place = if name == header::CONTENT_TYPE {
                &mut said.kind
            } else if name == header::TE {
                &mut said.te
            } else if name == ENCODING {
                &mut said.encoding
            } else if name == TIMEOUT {
                &mut said.timeout
            } else if name == ENDS_ON_ERROR {
                &mut said.ends_on_error
            } else {
                said.timing |= name == stages::ASKED;
                continue;
            };
            place.get_or_insert(value.as_bytes());
        }
        said
    }
}

/// Who waits for what a host asks.
pub(super) fn callers(headers: &HeaderMap) -> Result<Option<Callers>, Fault> {
    let said = headers.get(CALLERS).map(|said| Callers::parse(said.to_str().unwrap_or_default()));
    said.transpose().map_err(Fault::invalid)
}

pub(super) fn read(parts: &Parts) -> Result<Head, Refusal> {
    let said = Said::of(&parts.headers);
    if !is_grpc(said.kind.unwrap_or_default()) {
        return Err(Refusal::Http(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    if parts.method != http::Method::POST {
        return Err(Refusal::Http(StatusCode::METHOD_NOT_ALLOWED));
    }
    read_call(parts.uri.path(), &said).map_err(Refusal::Grpc)
}

fn read_call(path: &str, said: &Said<'_>) -> Result<Head, Fault> {
    let method = Method::from_path(path)
        .ok_or_else(|| Fault::new(Kind::Unsupported, format!("this server has no method {path}")))?;
    if !said.te.is_some_and(|te| te.eq_ignore_ascii_case(b"trailers")) {
        return Err(Fault::invalid("expected the header 'te: trailers': a proxy on the way drops it"));
    }
    let ends_on_error = method == Method::ModelStreamInfer && said.ends_on_error == Some(b"true");
    let (encoding, timeout) = (encoding(said.encoding)?, timeout(said.timeout)?);
    Ok(Head { method, encoding, timeout, ends_on_error, timing: said.timing })
}

/// `application/grpc`, alone or with a subtype (`+proto`) or a parameter behind it.
fn is_grpc(kind: &[u8]) -> bool {
    let rest = kind.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+proto") || rest.starts_with(b";"))
}

fn encoding(said: Option<&[u8]>) -> Result<Encoding, Fault> {
    match said {
        None | Some(b"identity") => Ok(Encoding::Identity),
        Some(b"gzip") => Ok(Encoding::Gzip),
        Some(b"deflate") => Ok(Encoding::Deflate),
        Some(other) => {
            let other = String::from_utf8_lossy(other);
            let note = format!("the grpc-encoding '{other}' is not supported; use identity, deflate or gzip");
            Err(Fault::new(Kind::Unsupported, note))
        }
    }
}

/// At most eight digits and a unit.
fn timeout(said: Option<&[u8]>) -> Result<Option<Duration>, Fault> {
    let Some(value) = said else { return Ok(None) };
    span(value).map(Some).ok_or_else(|| {
        let value = String::from_utf8_lossy(value);
        Fault::invalid(format!("expected a grpc-timeout such as 500m (milliseconds), got '{value}'"))
    })
}

fn span(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match unit {
        b'H' => Some(Duration::from_secs(count * 3600)),
        b'M' => Some(Duration::from_secs(count * 60)),
        b'S' => Some(Duration::from_secs(count)),
        b'm' => Some(Duration::from_millis(count)),
        b'u' => Some(Duration::from_micros(count)),
        b'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    const INFER: &str = "/inference.GRPCInferenceService/ModelInfer";

    fn head(path: &str, headers: &[(&str, &str)]) -> Result<Head, Refusal> {
        let mut request =
            Request::post(path).header("content-type", "application/grpc").header("te", "trailers");
        for (name, value) in headers {
            request
                .headers_mut()
                .unwrap()
                .insert(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        read(&request.body(()).unwrap().into_parts().0)
    }

    fn kind(refusal: Result<Head, Refusal>) -> Kind {
        match refusal {
            Err(Refusal::Grpc(fault)) => fault.kind,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_plain_call_is_read() {
        let plain = Head {
            method: Method::ModelInfer,
            encoding: Encoding::Identity,
            timeout: None,
            ends_on_error: false,
            timing: false,
        };
        assert_eq!(head(INFER, &[("x-headrace-timing", "")]), Ok(Head { timing: true, ..plain }));
        assert_eq!(head(INFER, &[]), Ok(plain));
        assert_eq!(head(INFER, &[("content-type", "application/grpc+proto")]), Ok(plain));
        assert_eq!(
            head(INFER, &[("triton_grpc_error", "true")]),
            Ok(plain),
            "unary calls end with a status anyway"
        );
        let packed = Head { encoding: Encoding::Gzip, timeout: Some(Duration::from_millis(20)), ..plain };
        assert_eq!(head(INFER, &[("grpc-encoding", "gzip"), ("grpc-timeout", "20m")]), Ok(packed));
    }

    #[test]
    fn what_is_not_grpc_gets_an_http_status() {
        for kind in ["application/json", "application/grpcx", "application/grpc-web", ""] {
            let refusal = Err(Refusal::Http(StatusCode::UNSUPPORTED_MEDIA_TYPE));
            assert_eq!(head(INFER, &[("content-type", kind)]), refusal, "{kind}");
        }
        let get = Request::get(INFER).header("content-type", "application/grpc").body(()).unwrap();
        assert_eq!(read(&get.into_parts().0), Err(Refusal::Http(StatusCode::METHOD_NOT_ALLOWED)));
    }

    #[test]
    fn what_cannot_be_served_gets_a_status_of_its_own() {
        assert_eq!(kind(head("/inference.GRPCInferenceService/Nothing", &[])), Kind::Unsupported);
        assert_eq!(kind(head("/grpc.health.v1.Health/Watch", &[])), Kind::Unsupported);
        assert_eq!(kind(head(INFER, &[("grpc-encoding", "snappy")])), Kind::Unsupported);
        assert_eq!(kind(head(INFER, &[("te", "gzip")])), Kind::Invalid);
        assert_eq!(kind(head(INFER, &[("grpc-timeout", "1s")])), Kind::Invalid);
    }

    #[test]
    fn timeouts_have_at_most_eight_digits_and_a_unit() {
        let cases = [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("99999999S", Some(Duration::from_secs(99_999_999))),
            ("0m", Some(Duration::ZERO)),
            ("5u", Some(Duration::from_micros(5))),
            ("5n", Some(Duration::from_nanos(5))),
            ("", None),
            ("S", None),
            ("100000000S", None),
            ("-1S", None),
            ("1", None),
            ("+1S", None),
        ];
        for (text, expected) in cases {
            assert_eq!(span(text.as_bytes()), expected, "{text}");
        }
    }
}
