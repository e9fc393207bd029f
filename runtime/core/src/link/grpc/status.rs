//! What another server's status is to us: its callers get the same from us, over either protocol.

use crate::base::fault::{Fault, Kind};
use crate::link::failure::Failure;
use http::HeaderMap;
use percent_encoding::percent_decode;

/// What the end of a stream is to its call.
pub(super) fn of_stream(error: &h2::Error) -> Failure {
    // What a server says that goes away is that it has not looked at this call, nor will.
    let unseen = error.reason() == Some(h2::Reason::REFUSED_STREAM)
        || (error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR));
    match error.reason() {
        _ if unseen => Failure::Unsent(error.to_string()),
        Some(reason) if error.is_reset() && error.is_remote() => Failure::Told(reset(reason)),
        Some(_) | None => Failure::Lost(error.to_string()),
    }
}

/// gRPC's table of what a reset stream means.
fn reset(reason: h2::Reason) -> Fault {
    let kind = match reason {
        h2::Reason::CANCEL => Kind::Cancelled,
        h2::Reason::ENHANCE_YOUR_CALM => Kind::Overloaded,
        _ => Kind::ModelFailed,
    };
    Fault::new(kind, format!("the server reset the call: {reason}"))
}

/// The status in trailers, or in the head of an answer that is nothing else; `None` if there is none.
pub(in crate::link) fn read(headers: &HeaderMap) -> Option<Result<(), Fault>> {
    let code: u32 = headers.get("grpc-status")?.to_str().ok()?.parse().ok()?;
    if code == 0 {
        return Some(Ok(()));
    }
    let message =
        headers.get("grpc-message").map(|message| percent_decode(message.as_bytes()).decode_utf8_lossy());
    Some(Err(fault(code, message.unwrap_or_default().into_owned())))
}

/// The same code for whoever asked, where ours has it; of one that it has not, the nearest, and its name.
fn fault(code: u32, message: String) -> Fault {
    let (kind, name) = match code {
        1 => (Kind::Cancelled, ""),
        3 => (Kind::Invalid, ""),
        4 => (Kind::Expired, ""),
        5 => (Kind::NotFound, ""),
        8 => (Kind::Overloaded, ""),
        12 => (Kind::Unsupported, ""),
        13 => (Kind::ModelFailed, ""),
        14 => (Kind::Unavailable, ""),
        2 => (Kind::ModelFailed, "UNKNOWN"),
        6 => (Kind::Invalid, "ALREADY_EXISTS"),
        7 => (Kind::Forbidden, ""),
        9 => (Kind::Invalid, "FAILED_PRECONDITION"),
        10 => (Kind::Overloaded, "ABORTED"),
        11 => (Kind::Invalid, "OUT_OF_RANGE"),
        15 => (Kind::ModelFailed, "DATA_LOSS"),
        16 => (Kind::Invalid, "UNAUTHENTICATED"),
        _ => (Kind::ModelFailed, "a status that gRPC does not have"),
    };
    let note = match (name, message.is_empty()) {
        ("", false) => message,
        ("", true) => "the server gave no reason".to_owned(),
        (name, _) => format!("{message} ({name})"),
    };
    Fault::new(kind, note)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_passed_on_as_it_came() {
        let cases = [
            ("3", "bad%20shape", Kind::Invalid, "bad shape"),
            ("5", "no model", Kind::NotFound, "no model"),
            ("14", "not ready", Kind::Unavailable, "not ready"),
            ("13", "", Kind::ModelFailed, "the server gave no reason"),
            ("16", "who are you", Kind::Invalid, "who are you (UNAUTHENTICATED)"),
            ("99", "what", Kind::ModelFailed, "what (a status that gRPC does not have)"),
        ];
        for (code, message, kind, note) in cases {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", code.parse().unwrap());
            trailers.insert("grpc-message", message.parse().unwrap());
            let fault = read(&trailers).unwrap().unwrap_err();
            assert_eq!(
                (fault.kind, fault.note.as_ref(), fault.phase),
                (kind, note, crate::base::fault::Phase::Final)
            );
        }
        assert!(read(&HeaderMap::new()).is_none());
    }

    #[test]
    fn a_refused_stream_was_seen_by_nobody() {
        let refused = h2::Error::from(h2::Reason::REFUSED_STREAM);
        assert!(matches!(of_stream(&refused), Failure::Unsent(_)));
    }
}
