//! A call that was admitted and is not yet answered, wherever it is: in the queue or in flight.

use super::{
    admission::Reserved,
    carriers::Need,
    mailbox::Mailbox,
    service::{Running, Service},
    suspects::{Of, REFUSED, Suspects, Suspicion, Verdict},
};
use crate::base::{
    call::{Call, Outcome, Outlet, Reply, Tensors, Timing},
    fault::{Fault, Kind},
    inference::Parameters,
    primitive::oneshot,
    units::{CallId, Rows, Tick},
};
use crate::meter::Ended;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) id: CallId,
    /// `None` once the caller gave up: it is counted then, and only the carrier's rows are still out.
    pub(super) caller: Option<oneshot::Sender<Outcome>>,
    /// Of the thread that the caller waits on.
    pub(super) mailbox: Option<Arc<Mailbox>>,
    pub(super) service: Arc<Service>,
    pub(super) running: Arc<Running>,
    /// Kept for another try: reference counts, not bytes.
    pub(super) inputs: Tensors,
    pub(super) rows: Rows,
    pub(super) parameters: Parameters,
    pub(super) arrived: Tick,
    pub(super) admitted: Tick,
    /// Of the last try.
    pub(super) sent: Tick,
    pub(super) deadline: Tick,
    /// Times it was sent.
    pub(super) tries: u8,
    /// Times that it cost a host, or may have: it runs alone then.
    pub(super) crashes: u8,
    pub(super) suspicion: Suspicion,
    /// Given back when the carrier has settled, not when the caller left: the host may read the bytes until then.
    pub(super) _reserved: Reserved,
}

impl Pending {
    /// Nobody waits for it any more.
    pub(super) fn is_forsaken(&self) -> bool {
        self.caller.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    /// Why it should not be sent any more, if so.
    pub(super) fn is_over(&self, now: Tick) -> Option<Fault> {
        if self.deadline <= now {
            return Some(expired(self.arrived, self.deadline));
        }
        self.is_forsaken().then(|| Fault::new(Kind::Cancelled, "the caller is gone"))
    }

    pub(super) fn need(&self) -> Need {
        if self.crashes > 0 { Need::Alone(self.rows) } else { Need::Among(self.rows) }
    }

    /// Looks again at what is held against its input, if that may have changed. The fault is for one that is not let
    /// in.
    pub(super) fn judge(&mut self, suspects: &Suspects, now: Tick) -> Option<Fault> {
        let of = Of { model: &self.service.model, version: self.service.version, inputs: &self.inputs };
        match self.suspicion.look(suspects, of, now)? {
            Verdict::Clear => self.crashes = 0,
            Verdict::Alone => self.crashes = self.crashes.max(1),
            Verdict::Refused => return Some(self.service.unavailable(REFUSED)),
        }
        None
    }

    /// A host was lost with it.
    pub(super) fn accuse(&mut self, suspects: &Suspects, now: Tick) {
        let of = Of { model: &self.service.model, version: self.service.version, inputs: &self.inputs };
        self.suspicion.accuse(suspects, of, self.crashes > 0, now);
    }

    pub(super) fn to_call(&self, outlet: Arc<dyn Outlet>) -> Call {
        Call {
            id: self.id,
            inputs: self.inputs.clone(),
            rows: self.rows,
            parameters: self.parameters.clone(),
            arrived: self.arrived,
            deadline: self.deadline,
            attempt: self.crashes,
            reply: Reply::new(self.id, outlet),
        }
    }

    /// Counts how it ended. Whoever takes the caller out does so, and nobody else.
    pub(super) fn record(&self, fault: Option<Kind>, timing: Timing, now: Tick) {
        let total = now.since(self.arrived);
        self.running.meter.settled(&Ended { rows: self.rows, fault, total, timing });
    }

    /// Counts and answers; nothing happens for a caller that was counted when it left.
    pub(super) fn finish(mut self: Box<Self>, mut outcome: Outcome, now: Tick) {
        let Some(caller) = self.caller.take() else { return };
        if self.tries > 0 {
            let here = nanos(self.sent.since(self.admitted));
            outcome.timing.queue_ns = outcome.timing.queue_ns.saturating_add(here);
        }
        let kind = match &outcome.result {
            // It gave up in this very moment, and nobody counted it: it was neither waiting nor in flight.
            _ if caller.is_closed() && self.deadline <= now => Some(Kind::Expired),
            _ if caller.is_closed() => Some(Kind::Cancelled),
            Ok(_) => None,
            Err(fault) => Some(fault.kind),
        };
        // Counted first: who has its answer must find itself in the statistics.
        self.record(kind, outcome.timing, now);
        let _ = caller.send(outcome);
    }

    pub(super) fn fail(self: Box<Self>, fault: Fault, now: Tick) {
        self.finish(Outcome { result: Err(fault), timing: Timing::default() }, now);
    }
}

pub(super) fn expired(arrived: Tick, deadline: Tick) -> Fault {
    let allowed = deadline.since(arrived).as_secs_f64() * 1000.0;
    Fault::new(Kind::Expired, format!("the deadline of {allowed:.1} ms passed before an answer was ready"))
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
