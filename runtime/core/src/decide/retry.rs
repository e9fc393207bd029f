//! May a call that failed be tried again?

use crate::base::fault::{Fault, Kind, Phase};

/// Times that a call may be refused by carriers before its caller hears of it.
pub const MAX_TRIES: u8 = 5;

/// What is known of the call that failed.
#[derive(Clone, Copy, Debug)]
pub struct Tried {
    /// Times it was sent, this one included.
    pub tries: u8,
    /// Times that it, or its input, cost a host, this one not included.
    pub crashes: u8,
    /// The model's promise that the same input may run twice.
    pub repeatable: bool,
    /// Its caller has a part of its answer, which another try would say again.
    pub begun: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No model saw it: to the front of the queue.
    Again,
    /// A host died with it: once more, alone in its batch, if the budget allows.
    Alone,
    Answer,
    /// A host died with it for the second time: answered, and not let in again for a while.
    Suspect,
}

/// Whether the host is lost with what it ran, and what it ran may be why.
pub fn costs_host(fault: &Fault) -> bool {
    fault.phase == Phase::Started && matches!(fault.kind, Kind::HostLost | Kind::ModelHung)
}

pub fn decide(fault: &Fault, tried: Tried) -> Verdict {
    match fault.phase {
        Phase::Final => Verdict::Answer,
        Phase::NotAdmitted | Phase::NotStarted if tried.tries < MAX_TRIES && !tried.begun => Verdict::Again,
        Phase::NotAdmitted | Phase::NotStarted => Verdict::Answer,
        Phase::Started if !costs_host(fault) => Verdict::Answer,
        Phase::Started if tried.crashes > 0 => Verdict::Suspect,
        // One that hung has had its time.
        Phase::Started if tried.repeatable && !tried.begun && fault.kind == Kind::HostLost => Verdict::Alone,
        Phase::Started => Verdict::Answer,
    }
}

/// Whether the model had the call and the host is still there.
pub fn outlived(fault: &Fault) -> bool {
    matches!(fault.kind, Kind::ModelFailed | Kind::Invalid)
}

/// Whether the carrier that answered so should get no calls until it reports anew: it is gone, or it does not
/// have the version any more. Otherwise a retry would go straight back to it.
pub fn closes_carrier(fault: &Fault) -> bool {
    match fault.kind {
        Kind::HostLost => true,
        Kind::Unavailable | Kind::NotFound => fault.phase == Phase::NotAdmitted,
        Kind::Invalid
        | Kind::Forbidden
        | Kind::Unsupported
        | Kind::TooLarge
        | Kind::Overloaded
        | Kind::Expired
        | Kind::Slow
        | Kind::Cancelled
        | Kind::ModelFailed
        | Kind::ModelHung
        | Kind::Internal => false,
    }
}

/// A token bucket: retries are a share of the traffic, so that a sick model is not fed its own failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Tenths of a retry.
    tenths: u32,
}

impl Budget {
    /// Retries that may come at once: a lost host gives back the calls of two batches or more.
    const FULL: u32 = 512 * 10;

    /// A call came: a tenth of a retry more.
    pub fn earn(&mut self) {
        self.tenths = self.tenths.saturating_add(1).min(Self::FULL);
    }

    /// False when the budget is spent.
    pub fn spend(&mut self) -> bool {
        match self.tenths.checked_sub(10) {
            Some(left) => {
                self.tenths = left;
                true
            }
            None => false,
        }
    }
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { tenths: Self::FULL }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        let lost = |phase| Fault::new(Kind::HostLost, "lost").at(phase);
        let model = Fault::new(Kind::ModelFailed, "raised").at(Phase::Started);
        let hung = Fault::new(Kind::ModelHung, "did not return").at(Phase::Started);
        let tried = |tries, crashes, repeatable| Tried { tries, crashes, repeatable, begun: false };
        let cases = [
            ("bad input is final", Fault::invalid("no"), tried(1, 0, true), Verdict::Answer),
            ("not taken", lost(Phase::NotAdmitted), tried(1, 0, false), Verdict::Again),
            ("not started", lost(Phase::NotStarted), tried(4, 0, false), Verdict::Again),
            ("refused too often", lost(Phase::NotAdmitted), tried(5, 0, true), Verdict::Answer),
            ("lost while it ran", lost(Phase::Started), tried(1, 0, true), Verdict::Alone),
            ("ran, must not run twice", lost(Phase::Started), tried(1, 0, false), Verdict::Answer),
            ("second crash", lost(Phase::Started), tried(2, 1, true), Verdict::Suspect),
            ("a model's own fault", model, tried(1, 0, true), Verdict::Answer),
            ("it hung", hung.clone(), tried(1, 0, true), Verdict::Answer),
            ("it hung again", hung, tried(2, 1, false), Verdict::Suspect),
        ];
        for (name, fault, tried, want) in cases {
            assert_eq!(decide(&fault, tried), want, "{name}");
            let again = decide(&fault, Tried { begun: true, ..tried });
            let want = if want == Verdict::Suspect { want } else { Verdict::Answer };
            assert_eq!(again, want, "{name}, and its caller has a part of the answer");
        }
    }

    #[test]
    fn only_who_is_gone_is_closed() {
        let closing = |kind, phase| closes_carrier(&Fault::new(kind, "").at(phase));
        assert!(closing(Kind::HostLost, Phase::Started));
        assert!(closing(Kind::NotFound, Phase::NotAdmitted), "NOT_HERE");
        assert!(!closing(Kind::NotFound, Phase::Final));
        assert!(!closing(Kind::Overloaded, Phase::NotAdmitted));
        assert!(!closing(Kind::ModelFailed, Phase::Started));
    }

    #[test]
    fn a_budget_is_spent_and_earned_back() {
        let mut budget = Budget::default();
        assert_eq!((0..600).filter(|_| budget.spend()).count(), 512);
        (0..9).for_each(|_| budget.earn());
        assert!(!budget.spend(), "nine tenths are not one");
        budget.earn();
        assert!(budget.spend() && !budget.spend());
    }
}
