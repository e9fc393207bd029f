//! Why another server gave no answer, whatever is spoken with it.

use crate::base::fault::{Fault, Kind, Phase};

/// Why a call brought no answer.
#[derive(Debug)]
pub(in crate::link) enum Failure {
    /// The server never saw it: the connection had ended.
    Unsent(String),
    /// The connection ended, and the server may have worked on it.
    Lost(String),
    /// The server's own words, or ours about its answer.
    Told(Fault),
}

impl Failure {
    /// For the caller of `model`, of which `address` is the server.
    pub(in crate::link) fn fault(self, address: &dyn std::fmt::Display) -> Fault {
        match self {
            Failure::Unsent(why) => {
                Fault::new(Kind::HostLost, format!("the server at {address} cannot be reached: {why}"))
                    .at(Phase::NotAdmitted)
            }
            // No input is to blame for what happens to a server that has other callers.
            Failure::Lost(why) => Fault::new(
                Kind::Unavailable,
                format!("the connection to the server at {address} was lost before it answered: {why}"),
            ),
            Failure::Told(fault) => fault,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_server_saw_is_tried_again() {
        let phase = |failure: Failure| failure.fault(&"here").phase;
        assert_eq!(phase(Failure::Unsent("closed".into())), Phase::NotAdmitted);
        assert_eq!(phase(Failure::Lost("closed".into())), Phase::Final);
    }
}
