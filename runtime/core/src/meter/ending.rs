//! What the end of one request says of the version that it was for.

use crate::base::{call::Timing, fault::Kind};

/// What a request that ended says of its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    Answered,
    Failed,
    /// The model saw it, and found it wrong.
    Refused,
    /// It has too little capacity. (Or the deadline was shorter than any version could keep, which is not known apart.)
    Missed,
    /// It is its caller's doing, or nobody's, or a lost host's, which is counted as that.
    Nothing,
}

pub(super) fn says(fault: Option<Kind>, timing: &Timing) -> Says {
    let Some(kind) = fault else { return Says::Answered };
    match kind {
        Kind::ModelFailed | Kind::ModelHung | Kind::Internal => Says::Failed,
        Kind::Overloaded | Kind::Expired => Says::Missed,
        Kind::Invalid if timing.batch_rows > 0 => Says::Refused,
        // In the server's own words: it is there, and does not have what it had.
        Kind::Unavailable | Kind::NotFound if is_from_elsewhere(timing) => Says::Failed,
        Kind::Invalid
        | Kind::NotFound
        | Kind::Forbidden
        | Kind::Unsupported
        | Kind::TooLarge
        | Kind::Cancelled
        | Kind::Unavailable
        | Kind::HostLost
        | Kind::Slow => Says::Nothing,
    }
}

/// Another server ran it: how long the call was away is all that is known, and nobody tells of its runs.
pub(super) fn is_from_elsewhere(timing: &Timing) -> bool {
    timing.infer_ns > 0 && timing.input_ns == 0 && timing.output_ns == 0
}
