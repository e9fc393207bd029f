//! What comes back from carriers: answers to deliver, failures to deliver or to try again.

use super::{Gateway, mailbox, pending::Pending, service::Landed};
use crate::base::{
    call::{Execution, Outcome, Outlet},
    clock,
    contract::Contract,
    fault::Fault,
    units::{CallId, Tick},
};
use crate::decide::retry::{self, Tried, Verdict};

impl Outlet for Gateway {
    fn settle(&self, call: CallId, outcome: Outcome) {
        let Some(flight) = self.flights.take(call) else {
            debug_assert!(false, "call {} was settled before", call.0);
            return;
        };
        let now = clock::now();
        let pending = flight.pending;
        let service = pending.service.clone();
        let closes = outcome.result.as_ref().err().is_some_and(retry::closes_carrier);
        let landed = Landed { carrier: flight.seat.id, rows: flight.seat.rows, closes };
        let again = match &outcome.result {
            Err(fault) if !pending.is_forsaken() => self.again(&pending, fault, now),
            Ok(_) | Err(_) => None,
        };
        match again {
            Some(crashes) => {
                let mut pending = pending;
                pending.crashes += crashes;
                service.settled(&landed, Some(pending), now);
            }
            None => {
                mailbox::post(pending, outcome);
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
    /// `Some`: once more, with so many crashes on its account.
    fn again(&self, pending: &Pending, fault: &Fault, now: Tick) -> Option<u8> {
        let repeatable = pending.running.contract.repeatable;
        let tried = Tried { tries: pending.tries, crashes: pending.crashes, repeatable };
        let service = &pending.service;
        match retry::decide(fault, tried) {
            Verdict::Answer => None,
            Verdict::Again => Some(0),
            Verdict::Alone => service.spend_retry().then_some(1),
            Verdict::Suspect => {
                self.suspects.add(&service.model, service.version, &pending.inputs, now);
                None
            }
        }
    }
}
