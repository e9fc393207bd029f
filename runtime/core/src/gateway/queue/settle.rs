//! What comes back from carriers: answers to deliver, failures to deliver or to try again.

use super::{
    affinity::OverInSequence, carriers::LeftOut, mailbox, pending::Pending, seat::GivenBack,
    service::Service, submit::Ticket, suspects::REFUSED,
};
use crate::base::{
    call::{Execution, Outcome, Outlet, Produced, Sealed, Timing},
    clock,
    contract::{Batching, Contract},
    fault::{Fault, Kind},
    units::{CallId, Tick},
};
use crate::decide::{
    retry::{self, Tried, Verdict},
    trust::Sign,
};
use crate::gateway::Gateway;
use std::sync::Arc;

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
        let mut landed = Landed {
            back: flight.seat.given_back(),
            sign: sign(&outcome, &pending.running.contract.batching),
            closes,
            over: None,
        };
        let verdict = match &outcome.result {
            Err(fault) if !pending.is_forsaken() => self.verdict(&mut pending, fault, now),
            Err(fault) if retry::costs_host(fault) && pending.can_be_accused() && !pending.is_copy => {
                pending.accuse(&self.suspects, now);
                Verdict::Answer
            }
            Ok(_) | Err(_) => Verdict::Answer,
        };
        if outcome.result.as_ref().map_or_else(retry::outlived, |_| true) {
            pending.suspicion.acquit(&self.suspects);
        }
        if matches!(verdict, Verdict::Answer | Verdict::Suspect)
            && let Some(one) = pending.correlation.take()
        {
            let ran = outcome.result.as_ref().map_or_else(|fault| fault.kind == Kind::ModelFailed, |_| true);
            landed.over = Some(OverInSequence { one, ran });
        }
        let of_sequence = landed.over.is_some();
        let left_out = match verdict {
            Verdict::Again => service.settled(&landed, Some(pending), now),
            Verdict::Alone => {
                pending.crashes += 1;
                service.settled(&landed, Some(pending), now)
            }
            Verdict::Answer => {
                mailbox::post(pending, outcome);
                service.settled(&landed, None, now)
            }
            Verdict::Suspect => {
                let note = service.unavailable(REFUSED).note;
                let result = outcome.result.map_err(|fault| Fault { note, ..fault });
                mailbox::post(pending, Outcome { result, ..outcome });
                service.settled(&landed, None, now)
            }
        };
        if let Some(left_out) = left_out {
            self.tell_of(&service, left_out);
        }
        if of_sequence {
            self.sequence_moved();
        }
    }

    fn executed(&self, contract: &Contract, execution: Execution) {
        self.meter.version(contract).executed(execution);
    }

    /// Nothing is held back: every outcome woke its caller already.
    fn flush(&self) {}
}

/// What a host has to do with how a call of its ended.
fn sign(outcome: &Outcome, batching: &Batching) -> Sign {
    let Timing { infer_ns, batch_rows, sealed, .. } = outcome.timing;
    // Answers in parts took as long as they were, and where cost counts rows say nothing: no pace is in that.
    let says = sealed != Sealed::Step && batching.cost.is_empty();
    let rows = if says { batch_rows } else { 0 };
    let took = outcome.timing.run();
    match &outcome.result {
        Ok(_) if batch_rows > 0 => Sign::Worked { rows, took },
        Err(Fault { kind: Kind::Invalid, .. }) if batch_rows > 0 => Sign::Refused { rows, took },
        Err(Fault { kind: Kind::ModelFailed | Kind::Internal, .. }) => Sign::Failed { ns: infer_ns },
        Ok(_) | Err(_) => Sign::Nothing,
    }
}

impl Service {
    /// The carrier has answered: its rows are free. `again` waits for another try.
    pub(super) fn settled(
        self: &Arc<Self>,
        landed: &Landed,
        again: Option<Box<Pending>>,
        now: Tick,
    ) -> Option<LeftOut> {
        self.step(now, |floor| {
            let left_out = floor.carriers.give_back(landed.back, landed.sign, now);
            if landed.closes {
                floor.carriers.close(landed.back.carrier);
            }
            if let Some(over) = &landed.over {
                self.over_in_sequence(floor, over, now);
            }
            if let Some(pending) = again.and_then(|pending| self.again_in_sequence(floor, pending, now)) {
                floor.line_of(&pending).push_again(pending.place, pending.size(), pending);
            }
            left_out
        })
    }

    /// The caller gave up. Its end was counted here, or else by who is settling the call at this moment.
    pub(super) fn abandon(self: &Arc<Self>, ticket: &Ticket, fault: &Fault, now: Tick) {
        let waiting = self.step(now, |floor| {
            let waits = floor.queue.remove(ticket.place).or_else(|| floor.aside.remove(ticket.place));
            waits.or_else(|| self.leave_sequence(floor, ticket, now))
        });
        if let Some(pending) = waiting {
            self.left(pending).fail(fault.clone(), now);
        } else if let Some((_, carrier)) =
            self.around.flights.forsake(ticket.call, fault, &self.around.suspects, now)
        {
            carrier.cancel(ticket.call);
        }
    }
}

impl Gateway {
    /// For the operator: its callers heard what it failed with.
    fn tell_of(&self, service: &Service, left_out: LeftOut) {
        let process = left_out.process.map(|pid| format!(", process {pid},")).unwrap_or_default();
        let note = format!(
            "a host of model '{}' version {}{process} failed in run after run while others did well: it gets nothing for \
             {} s, and then one request at a time until one is answered",
            service.model,
            service.version,
            left_out.pause.as_secs(),
        );
        self.errors.log(Fault::internal(note), &service.model, Some(service.version));
    }

    /// What becomes of a call that failed. What may have cost its host is remembered.
    fn verdict(&self, pending: &mut Pending, fault: &Fault, now: Tick) -> Verdict {
        if pending.is_copy {
            return Verdict::Answer; // nobody waits for it, and what it costs is held against no caller
        }
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

/// What a settled call leaves behind at its carrier.
#[derive(Debug)]
pub(super) struct Landed {
    pub(super) back: GivenBack,
    pub(super) sign: Sign,
    /// The carrier should get no more.
    pub(super) closes: bool,
    /// Of a sequence, once it is answered.
    pub(in crate::gateway) over: Option<OverInSequence>,
}
