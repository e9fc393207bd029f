//! What each fault is in HTTP.

use crate::base::fault::Kind;
use http::StatusCode;

/// One status for each kind; a client's fault is never a 5xx, nor ours a 4xx.
pub fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Invalid | Kind::TooLarge => StatusCode::BAD_REQUEST, // Triton never says 413, and clients know that
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        Kind::Overloaded => StatusCode::TOO_MANY_REQUESTS,
        Kind::Expired => StatusCode::GATEWAY_TIMEOUT,
        Kind::Slow => StatusCode::REQUEST_TIMEOUT,
        Kind::Cancelled => client_closed_request(),
        Kind::Unavailable | Kind::HostLost => StatusCode::SERVICE_UNAVAILABLE,
        Kind::ModelFailed | Kind::ModelHung | Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// 499: nobody is there to read it; proxies and metrics know the number.
fn client_closed_request() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_status_of_its_side() {
        for kind in Kind::ALL {
            let ours = matches!(
                kind,
                Kind::Unsupported
                    | Kind::Expired
                    | Kind::Unavailable
                    | Kind::HostLost
                    | Kind::ModelFailed
                    | Kind::ModelHung
                    | Kind::Internal
            );
            let status = status(*kind);
            assert_eq!(
                (status.is_server_error(), status.is_client_error()),
                (ours, !ours),
                "{kind:?}: {status}"
            );
        }
        assert_eq!(status(Kind::Cancelled).as_u16(), 499);
    }
}
