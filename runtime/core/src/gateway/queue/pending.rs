//! A call that was admitted and is not yet answered, wherever it is: in the queue or in flight.

use super::{
    mailbox::Mailbox,
    parts::{CREDIT, Parts},
    recent::{Recent, Traced},
    seat::Need,
    service::{Running, Service},
    submit::Held,
    success::{Came, Success},
    suspects::{Of, REFUSED, Suspects, Suspicion, Verdict},
};
use crate::base::{
    call::{Call, Outcome, Outlet, Produced, Reply, Tensors, Timing},
    callers::Callers,
    device::OnDevice,
    fault::{Fault, Kind},
    inference::Parameters,
    primitive::oneshot,
    sequence::Correlation,
    units::{CallId, Rows, Tick, User},
};
use crate::decide::{admit, plan::Size, queue::Place};
use compact_str::CompactString;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// What the caller gets.
pub(in crate::gateway) type Delivery = Result<(Produced, Success), Fault>;

pub(super) type Caller = oneshot::Sender<Delivery>;

#[derive(Debug)]
pub(in crate::gateway) struct Pending {
    pub(in crate::gateway) id: CallId,
    /// `None` once the caller gave up: it is counted then, and only the carrier's rows are still out.
    pub(super) caller: Option<Caller>,
    /// Of the thread that the caller waits on.
    pub(in crate::gateway) mailbox: Option<Arc<Mailbox>>,
    /// Where its parts go, if it is answered with many.
    pub(in crate::gateway) parts: Option<Arc<Parts>>,
    pub(in crate::gateway) service: Arc<Service>,
    pub(in crate::gateway) running: Arc<Running>,
    /// Kept for another try: reference counts, not bytes.
    pub(in crate::gateway) inputs: Tensors,
    /// Those of them, and of its outputs, that are in its caller's memory on a device.
    pub(in crate::gateway) on_device: Option<Arc<OnDevice>>,
    pub(in crate::gateway) rows: Rows,
    /// Where its model counts one; else 0.
    pub(in crate::gateway) cost: u64,
    /// Of a request that was cut, which counts itself.
    pub(in crate::gateway) is_part: bool,
    /// For a shadow, which counts it.
    pub(in crate::gateway) is_copy: bool,
    /// As its caller named it.
    pub(in crate::gateway) name: CompactString,
    /// Its caller asks how it went.
    pub(in crate::gateway) traced: bool,
    /// Of an ensemble's, what its steps are routed by; else empty.
    pub(in crate::gateway) facts: Vec<(CompactString, CompactString)>,
    pub(in crate::gateway) parameters: Parameters,
    /// Of one that a model makes: who waits for it.
    pub(in crate::gateway) callers: Option<Callers>,
    /// Of a stateful version: which sequence it is of.
    pub(in crate::gateway) correlation: Option<Arc<Correlation>>,
    pub(in crate::gateway) arrived: Tick,
    /// Who asked, where evidence is counted by users.
    pub(in crate::gateway) user: Option<User>,
    pub(in crate::gateway) admitted: Tick,
    /// Of the last try.
    pub(in crate::gateway) sent: Tick,
    pub(in crate::gateway) deadline: Tick,
    pub(in crate::gateway) place: Place,
    /// Times it was sent.
    pub(super) tries: u8,
    /// Times that it cost a host. Whatever becomes of others with the same input, it may not do so among others again.
    pub(super) crashes: u8,
    pub(super) suspicion: Suspicion,
    /// Given back when the carrier has settled, not when the caller left: the host may read the bytes until then.
    pub(in crate::gateway) _held: Held,
}

impl Pending {
    /// Until its answer is planned for; `None`: it may wait for ever.
    pub(in crate::gateway) fn left(&self, now: Tick) -> Option<Duration> {
        (self.deadline != Tick::NEVER).then(|| admit::aim(self.arrived, self.deadline).since(now))
    }

    /// Nobody waits for it any more.
    pub(super) fn is_forsaken(&self) -> bool {
        self.caller.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    pub(super) fn is_late(&self, now: Tick) -> Option<Fault> {
        (self.deadline <= now).then(|| expired(self.arrived, self.deadline))
    }

    /// Why it should not be sent any more, if so.
    pub(super) fn is_over(&self, now: Tick) -> Option<Fault> {
        let gone = || Fault::new(Kind::Cancelled, "the caller is gone");
        self.is_late(now).or_else(|| self.is_forsaken().then(gone))
    }

    pub(in crate::gateway) fn size(&self) -> Size {
        Size { rows: self.rows, cost: self.cost }
    }

    pub(super) fn need(&self) -> Need {
        let contract = &self.running.contract;
        match self.charges() {
            0 => Need::Among(self.rows),
            _ if contract.streams || contract.sequences.is_some() => Need::Apart(self.rows),
            _ => Need::Alone(self.rows),
        }
    }

    /// Looks again at what is held against its input, if that may have changed. The fault is for one that is not let
    /// in.
    pub(super) fn judge(&mut self, suspects: &Suspects, now: Tick) -> Option<Fault> {
        let of = Of {
            model: &self.service.model,
            version: self.service.version,
            inputs: &self.inputs,
            on_device: self.on_device.as_deref(),
        };
        match self.suspicion.look(suspects, of, now)? {
            Verdict::Clear | Verdict::Alone(_) => None,
            Verdict::Refused => Some(self.service.unavailable(REFUSED)),
        }
    }

    /// Times that it cost a host, or that one was lost with the same input: it runs alone then.
    pub(super) fn charges(&self) -> u8 {
        self.crashes.max(u8::from(self.suspicion.is_held()))
    }

    /// Its input is known, or still here.
    pub(super) fn can_be_accused(&self) -> bool {
        self.suspicion.is_known() || !self.inputs.is_empty()
    }

    /// A host was lost with it.
    pub(super) fn accuse(&mut self, suspects: &Suspects, now: Tick) {
        let of = Of {
            model: &self.service.model,
            version: self.service.version,
            inputs: &self.inputs,
            on_device: self.on_device.as_deref(),
        };
        self.suspicion.accuse(suspects, of, self.charges() > 0, now);
    }

    pub(super) fn to_call(&self, outlet: Arc<dyn Outlet>) -> Call {
        Call {
            id: self.id,
            inputs: self.inputs.clone(),
            rows: self.rows,
            parameters: self.parameters.clone(),
            arrived: self.sent, // as over a link: what it waited here is counted here
            deadline: self.deadline,
            level: self.place.rank.level,
            // Answers in parts take too long for a host to give each suspect its steps alone.
            attempt: if self.running.contract.streams { 0 } else { self.charges() },
            credit: if self.parts.is_some() { CREDIT } else { 0 },
            slot: None,
            on_device: self.on_device.clone(),
            callers: self.callers.clone(),
            reply: Reply::new(self.id, outlet),
        }
    }

    fn counts_elsewhere(&self) -> bool {
        self.is_part || self.is_copy
    }

    /// Counts how it ended. Whoever takes the caller out does so, and nobody else.
    pub(super) fn record(&self, kind: Kind, note: &str, timing: Timing, now: Tick) {
        if self.counts_elsewhere() {
            return;
        }
        self.running.settled(self.rows, Some(kind), self.came(), timing, now);
        self.running.recent.failed(|| self.traced(), &self.running, (kind, note), &timing, now);
    }

    fn came(&self) -> Came {
        Came { arrived: self.arrived, admitted: self.admitted, user: self.user }
    }

    fn traced(&self) -> Traced {
        let Pending { id: call, rows, arrived, deadline, tries, .. } = *self;
        let (id, level, parts, note) = (self.name.clone(), self.place.rank.level, 1, Cow::Borrowed(""));
        Traced { id, call, rows, level, arrived, deadline, tries, parts, note }
    }

    /// Answers, and counts what is no success; nothing happens for a caller that was counted when it left.
    pub(in crate::gateway) fn finish(mut self: Box<Self>, outcome: Outcome, now: Tick) {
        let Some(caller) = self.caller.take() else { return };
        let Outcome { result, mut timing } = outcome;
        if self.tries > 0 {
            timing.queue_ns = timing.queue_ns.saturating_add(nanos(self.sent.since(self.admitted)));
        }
        if caller.is_closed() {
            // It gave up in this very moment, and nobody counted it: it was neither waiting nor in flight.
            let told = match result {
                Err(fault) if matches!(fault.kind, Kind::Expired | Kind::Cancelled) => fault,
                Ok(_) | Err(_) if self.deadline <= now => expired(self.arrived, self.deadline),
                Ok(_) | Err(_) => Fault::new(Kind::Cancelled, "the caller left"),
            };
            return self.record(told.kind, &told.note, timing, now);
        }
        let delivery = match result {
            Ok(produced) => {
                let keeps = Recent::keeps(self.id, self.traced) && !self.counts_elsewhere();
                let traced = keeps.then(|| Box::new(self.traced()));
                let (rows, came) = (self.rows, self.came());
                let counted = self.counts_elsewhere();
                let running = self.running;
                Ok((produced, Success { running, rows, came, timing, traced, counted }))
            }
            Err(fault) => {
                // Counted first: who has its answer must find itself in the statistics.
                self.record(fault.kind, &fault.note, timing, now);
                Err(fault)
            }
        };
        let _ = caller.send(delivery);
    }

    pub(in crate::gateway) fn fail(self: Box<Self>, fault: Fault, now: Tick) {
        self.finish(Outcome { result: Err(fault), timing: Timing::default() }, now);
    }
}

pub(in crate::gateway) fn expired(arrived: Tick, deadline: Tick) -> Fault {
    Fault::new(Kind::Expired, format!("{} before an answer was ready", passed(arrived, deadline)))
}

/// Of an answer that has begun.
pub(in crate::gateway) fn expired_after(arrived: Tick, deadline: Tick, parts: u64) -> Fault {
    let s = if parts == 1 { "" } else { "s" };
    Fault::new(Kind::Expired, format!("{} after {parts} part{s} of the answer", passed(arrived, deadline)))
}

fn passed(arrived: Tick, deadline: Tick) -> String {
    let allowed = deadline.since(arrived).as_secs_f64() * 1000.0;
    format!("the deadline of {allowed:.1} ms passed")
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
