//! The one error of the data plane. Each protocol has one table from [`Kind`] to its own codes.

use super::numbered::numbered;
use std::borrow::Cow;
use std::time::Duration;

numbered! {
    /// What went wrong, as far as a caller needs to know.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    Kind:
    /// The request does not parse or does not fit the model's contract.
    Invalid = 1 "invalid",
    /// No such model or version.
    NotFound = 2 "not_found",
    /// The protocol has it, this server does not.
    Unsupported = 3 "unsupported",
    /// Larger than a limit of ours, or than any batch may be.
    TooLarge = 4 "too_large",
    /// The queue is full; try again elsewhere or later.
    Overloaded = 5 "overloaded",
    /// The deadline passed before an answer was ready.
    Expired = 6 "expired",
    /// The caller went away.
    Cancelled = 7 "cancelled",
    /// Nothing can serve it now: draining, loading, or no host.
    Unavailable = 8 "unavailable",
    /// The host died or dropped its side.
    HostLost = 9 "host_lost",
    /// The model raised, or returned what it did not declare.
    ModelFailed = 10 "model_failed",
    /// Our bug.
    Internal = 11 "internal",
    /// The model did not return in time, and its host gave it up.
    ModelHung = 12 "model_hung",
    /// Its body stalled, or did not keep its pace: what was sent in time would have been answered.
    Slow = 13 "slow",
    /// Its caller has not the right to ask for it.
    Forbidden = 14 "forbidden",
}

/// How far a call had come when it failed: decides whether it may be tried elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Phase {
    /// The host never took it (not here, no room): retry freely.
    NotAdmitted = 0,
    /// Taken, but no model has seen it: retry freely.
    NotStarted = 1,
    /// A model may have seen it: retry only what is repeatable.
    Started = 2,
    /// The answer to it is final whatever the phase (bad input, deadline).
    Final = 3,
}

impl Phase {
    pub fn from_number(number: u8) -> Option<Phase> {
        match number {
            0 => Some(Phase::NotAdmitted),
            1 => Some(Phase::NotStarted),
            2 => Some(Phase::Started),
            3 => Some(Phase::Final),
            _ => None,
        }
    }
}

/// Cheap to clone, because one failed batch answers many callers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {note}", kind.code())]
pub struct Fault {
    pub kind: Kind,
    pub phase: Phase,
    /// For the caller: what was expected, what came, what to do.
    pub note: Cow<'static, str>,
    /// When it is worth trying again; zero if that is not known.
    pub retry_after: Duration,
}

impl Fault {
    /// A final fault: trying elsewhere would not help.
    pub fn new(kind: Kind, note: impl Into<Cow<'static, str>>) -> Fault {
        Fault { kind, phase: Phase::Final, note: note.into(), retry_after: Duration::ZERO }
    }

    pub fn at(self, phase: Phase) -> Fault {
        Fault { phase, ..self }
    }

    pub fn retry_after(self, retry_after: Duration) -> Fault {
        Fault { retry_after, ..self }
    }

    pub fn invalid(note: impl Into<Cow<'static, str>>) -> Fault {
        Fault::new(Kind::Invalid, note)
    }

    pub fn internal(note: impl Into<Cow<'static, str>>) -> Fault {
        Fault::new(Kind::Internal, note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_and_numbers_are_unique_and_round_trip() {
        let codes: HashSet<_> = Kind::ALL.iter().map(|kind| kind.code()).collect();
        assert_eq!(codes.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            assert_eq!(Kind::from_number(kind.number()), Some(*kind));
        }
        assert_eq!(Kind::from_number(0), None);
        for phase in [Phase::NotAdmitted, Phase::NotStarted, Phase::Started, Phase::Final] {
            assert_eq!(Phase::from_number(phase as u8), Some(phase));
        }
    }

    #[test]
    fn display_names_the_kind() {
        assert_eq!(Fault::new(Kind::Expired, "3 ms late").to_string(), "expired: 3 ms late");
    }
}
