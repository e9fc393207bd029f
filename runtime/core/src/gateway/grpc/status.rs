//! Fault → gRPC status, and how it is written down.

use crate::base::fault::{Fault, Kind};
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

pub(super) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// gRPC's own word for when to try again, which its clients' retries heed (gRFC A6).
const GRPC_RETRY_PUSHBACK_MS: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The specification's: everything but printable ASCII, and the percent sign itself.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');

/// What is believed about a wait that is longer is of no use to anybody.
const LONGEST_MS: u32 = 60_000;

/// Bytes of a message. Clients refuse trailers beyond some 8 KiB, and with them the whole answer.
const MOST: usize = 4096;

/// The codes that this server gives out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    Cancelled,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Unimplemented,
    Internal,
    Unavailable,
    Unauthenticated,
}

impl Code {
    fn number(self) -> &'static str {
        match self {
            Code::Cancelled => "1",
            Code::InvalidArgument => "3",
            Code::DeadlineExceeded => "4",
            Code::NotFound => "5",
            Code::PermissionDenied => "7",
            Code::ResourceExhausted => "8",
            Code::FailedPrecondition => "9",
            Code::Unimplemented => "12",
            Code::Internal => "13",
            Code::Unavailable => "14",
            Code::Unauthenticated => "16",
        }
    }
}

pub(super) fn code(kind: Kind) -> Code {
    match kind {
        Kind::Invalid | Kind::TooLarge => Code::InvalidArgument,
        Kind::NotFound => Code::NotFound,
        Kind::Forbidden => Code::PermissionDenied,
        Kind::Unsupported => Code::Unimplemented,
        Kind::Overloaded => Code::ResourceExhausted,
        Kind::Expired | Kind::Slow => Code::DeadlineExceeded,
        Kind::Cancelled => Code::Cancelled,
        Kind::Unavailable | Kind::HostLost => Code::Unavailable,
        Kind::ModelFailed | Kind::ModelHung | Kind::Internal => Code::Internal,
    }
}

/// Whether a fault came out of the execution, so that a stream which asked for it ends with a status.
pub(super) fn is_of_execution(kind: Kind) -> bool {
    match kind {
        Kind::Invalid | Kind::NotFound | Kind::Forbidden | Kind::Unsupported | Kind::TooLarge => false,
        Kind::Overloaded
        | Kind::Expired
        | Kind::Slow
        | Kind::Cancelled
        | Kind::Unavailable
        | Kind::HostLost
        | Kind::ModelFailed
        | Kind::ModelHung
        | Kind::Internal => true,
    }
}

/// The trailers of a call that succeeded.
pub(super) fn ok() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
    trailers
}

/// Adds the status of a call that did not.
pub(super) fn write(fault: &Fault, to: &mut HeaderMap) {
    write_as(code(fault.kind), &fault.note, to);
    if fault.kind == Kind::Overloaded && !fault.retry_after.is_zero() {
        let ms = u32::try_from(fault.retry_after.as_millis()).unwrap_or(u32::MAX).clamp(1, LONGEST_MS);
        to.insert(GRPC_RETRY_PUSHBACK_MS, HeaderValue::from(ms));
    }
}

/// The same of a code and its reason.
pub(super) fn write_as(code: Code, note: &str, to: &mut HeaderMap) {
    to.insert(GRPC_STATUS, HeaderValue::from_static(code.number()));
    let mut message = String::new();
    for part in utf8_percent_encode(note, ESCAPED) {
        // `%XX` comes as a part of its own: cutting between parts leaves no half of one.
        let room = MOST.saturating_sub(message.len());
        match part.get(..room.min(part.len())) {
            Some(part) if part.len() == 3 || !part.starts_with('%') => message.push_str(part),
            Some(_) | None => break,
        }
    }
    if let Ok(message) = HeaderValue::try_from(message) {
        to.insert(GRPC_MESSAGE, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::time::Duration;

    fn written(kind: Kind, note: &str) -> HeaderMap {
        let mut map = HeaderMap::new();
        write(&Fault::new(kind, note.to_owned()), &mut map);
        map
    }

    #[test]
    fn every_kind_has_a_status_that_is_not_ok() {
        for kind in Kind::ALL {
            let map = written(*kind, "why");
            assert!(map[GRPC_STATUS].to_str().unwrap().parse::<u8>().unwrap() > 0, "{kind:?}");
            assert_eq!(map[GRPC_MESSAGE], "why");
        }
        let codes: HashSet<_> = Kind::ALL.iter().map(|kind| code(*kind).number()).collect();
        assert_eq!(codes.len(), 9, "every code is used");
    }

    #[test]
    fn who_is_refused_is_told_when_to_come_again() {
        let after = |kind, wait| {
            let mut map = HeaderMap::new();
            write(&Fault::new(kind, "").retry_after(wait), &mut map);
            map.get(GRPC_RETRY_PUSHBACK_MS).map(|ms| ms.to_str().unwrap().to_owned())
        };
        let table = [
            (Kind::Overloaded, Duration::from_millis(250), Some("250")),
            (Kind::Overloaded, Duration::from_micros(3), Some("1")),
            (Kind::Overloaded, Duration::MAX, Some("60000")),
            (Kind::Overloaded, Duration::ZERO, None),
            (Kind::Expired, Duration::from_millis(250), None),
        ];
        for (kind, wait, want) in table {
            assert_eq!(after(kind, wait).as_deref(), want, "{kind:?} {wait:?}");
        }
    }

    #[test]
    fn a_clients_fault_is_not_of_execution() {
        for kind in Kind::ALL {
            let clients = matches!(
                code(*kind),
                Code::InvalidArgument | Code::NotFound | Code::PermissionDenied | Code::Unimplemented
            );
            assert_eq!(is_of_execution(*kind), !clients, "{kind:?}");
        }
    }

    #[test]
    fn messages_are_escaped_and_bounded() {
        assert_eq!(written(Kind::Invalid, "100 %\nü")[GRPC_MESSAGE], "100 %25%0A%C3%BC");
        let long = written(Kind::ModelFailed, &"ü".repeat(10_000));
        let long = long[GRPC_MESSAGE].to_str().unwrap();
        assert!(
            long.len() <= MOST && long.len() > MOST - 3 && long.len().is_multiple_of(3),
            "{}",
            long.len()
        );
        assert_eq!(written(Kind::ModelFailed, &"a".repeat(10_000))[GRPC_MESSAGE].len(), MOST);
    }
}
