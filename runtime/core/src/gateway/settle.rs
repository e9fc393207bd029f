//! What comes back from carriers: answers to deliver, failures to deliver or to try again.

use super::{Gateway, mailbox, pending::Pending, service::Landed, suspects::REFUSED};
use crate::base::{
    call::{Execution, Outcome, Outlet, Produced},
    clock,
    contract::Contract,
    fault::Fault,
    units::{CallId, Tick},
};
use crate::decide::retry::{self, Tried, Verdict};

impl Outlet for Gateway {
    fn emit(&self, call: CallId, part: Produced) {
        // Whoever does not wait any more has closed them.
        if let Some((parts, mailbox)) = self.flights.reader(call)
            && parts.push(part)
        {
            mailbox::tell(parts, mailbox);
        }
    }

    fn settle(&self, call: CallId, outcome: Outcome) {
        let Some(flight) = self.flights.take(call) else {
            debug_assert!(false, "call {} was settled before", call.0);
            return;
        };
        let now = clock::now();
        let mut pending = flight.pending;
        let service = pending.service.clone();
        let closes = outcome.result.as_ref().err().is_some_and(retry::closes_carrier);
        let landed = Landed { back: flight.seat.given_back(), closes };
        let verdict = match &outcome.result {
            Err(fault) if !pending.is_forsaken() => self.verdict(&mut pending, fault, now),
            Ok(_) | Err(_) => Verdict::Answer,
        };
        if outcome.result.as_ref().map_or_else(retry::outlived, |_| true) {
            pending.suspicion.acquit(&self.suspects);
        }
        match verdict {
            Verdict::Again => service.settled(&landed, Some(pending), now),
            Verdict::Alone => {
                pending.crashes += 1;
                service.settled(&landed, Some(pending), now);
            }
            Verdict::Answer => {
                mailbox::post(pending, outcome);
                service.settled(&landed, None, now);
            }
            Verdict::Suspect => {
                let note = service.unavailable(REFUSED).note;
                let result = outcome.result.map_err(|fault| Fault { note, ..fault });
                mailbox::post(pending, Outcome { result, ..outcome });
                service.settled(&landed, None, now);
            }
        }
    }

    fn executed(&self, contract: &Contract, execution: Execution) {
        self.meter.version(contract).executed(execution);
    }

    /// Nothing is held back: every outcome woke its caller already.
    fn flush(&self) {}
}

impl Gateway {
    /// What becomes of a call that failed. What may have cost its host is remembered.
    fn verdict(&self, pending: &mut Pending, fault: &Fault, now: Tick) -> Verdict {
        let repeatable = pending.running.contract.repeatable;
        let begun = pending.parts.as_ref().is_some_and(|parts| parts.have_begun());
        let tried = Tried { tries: pending.tries, crashes: pending.charges(), repeatable, begun };
        if retry::costs_host(fault) {
            pending.accuse(&self.suspects, now);
        }
        let verdict = retry::decide(fault, tried);
        if verdict == Verdict::Alone && !pending.service.spend_retry() { Verdict::Answer } else { verdict }
    }
}
