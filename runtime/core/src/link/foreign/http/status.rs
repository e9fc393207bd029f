//! What another server's status of HTTP is to us: its callers get the same from us, over either protocol.

use crate::base::fault::{Fault, Kind};
use http::StatusCode;
use serde::Deserialize;

/// As Triton, MLServer and KServe say why, and what FastAPI says by itself.
#[derive(Deserialize)]
struct Told {
    error: Option<String>,
    detail: Option<serde_json::Value>,
}

/// The same status for whoever asked, where ours has it; of one that it has not, the nearest, and its number.
pub(super) fn fault(status: StatusCode, body: &[u8]) -> Fault {
    let (kind, is_ours) = match status.as_u16() {
        400 => (Kind::Invalid, true),
        403 => (Kind::Forbidden, true),
        404 => (Kind::NotFound, true),
        413 => (Kind::TooLarge, true),
        429 => (Kind::Overloaded, true),
        499 => (Kind::Cancelled, false),
        408 => (Kind::Expired, false),
        504 => (Kind::Expired, true),
        500 => (Kind::ModelFailed, true),
        501 => (Kind::Unsupported, true),
        502 => (Kind::Unavailable, false),
        503 => (Kind::Unavailable, true),
        401..500 => (Kind::Invalid, false),
        _ => (Kind::ModelFailed, false),
    };
    let told = said(body).unwrap_or_else(|| "the server gave no reason".to_owned());
    let note = if is_ours { told } else { format!("{told} (HTTP status {})", status.as_u16()) };
    Fault::new(kind, note)
}

fn said(body: &[u8]) -> Option<String> {
    let told: Told = serde_json::from_slice(body).ok()?;
    told.error.or_else(|| {
        told.detail.map(|detail| detail.as_str().map_or_else(|| detail.to_string(), str::to_owned))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_passed_on_as_it_came() {
        let cases: [(u16, &str, Kind, &str); 8] = [
            (400, r#"{"error":"bad shape"}"#, Kind::Invalid, "bad shape"),
            (404, r#"{"error":"no model"}"#, Kind::NotFound, "no model"),
            (404, r#"{"detail":"Not Found"}"#, Kind::NotFound, "Not Found"),
            (422, r#"{"detail":[{"loc":["x"]}]}"#, Kind::Invalid, r#"[{"loc":["x"]}] (HTTP status 422)"#),
            (500, "oh", Kind::ModelFailed, "the server gave no reason"),
            (503, r#"{"error":"busy"}"#, Kind::Unavailable, "busy"),
            (302, "", Kind::ModelFailed, "the server gave no reason (HTTP status 302)"),
            (403, r#"{"error":3}"#, Kind::Forbidden, "the server gave no reason"),
        ];
        for (status, body, kind, note) in cases {
            let fault = fault(StatusCode::from_u16(status).unwrap(), body.as_bytes());
            assert_eq!((fault.kind, fault.note.as_ref()), (kind, note), "{status}");
        }
    }
}
