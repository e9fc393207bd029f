//! A request that is answered in parts: from the step that it joined until the model, its caller or the clock ends it.

use super::behalf::Behalf;
use super::outputs::{Output, check};
use crate::base::{
    call::{Call, Outcome, Outlet, PARTS_BYTES, Produced, Reply, Sealed, Timing},
    clock,
    contract::Contract,
    fault::{Fault, Kind, Phase},
    inference::Parameters,
    primitive::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    units::{CallId, Rows, Tick},
};
use std::{collections::VecDeque, fmt, sync::Arc};

/// What a version's model is in, as its sequences see it.
#[derive(Debug, Default)]
pub(super) struct Stage {
    /// The model is in a step: only then there is somebody who sends what it says.
    open: AtomicBool,
    /// Since when it is in what it may hang in, in nanoseconds: the step, or a turn of one of its sequences. A lane that
    /// gives out turns writes it for each, without a lock; the watch reads it when its timer fires.
    since: AtomicU64,
}

impl Stage {
    pub(super) fn begin(&self, now: Tick) {
        self.since.store(now.nanos(), Ordering::Release);
        self.open.store(true, Ordering::Release);
    }

    pub(super) fn end(&self) {
        self.open.store(false, Ordering::Release);
    }

    fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    pub(super) fn since(&self) -> Tick {
        Tick::from_nanos(self.since.load(Ordering::Acquire))
    }
}

/// The model and the core share it. What the model says of its end counts when the step is over, so that the step is
/// counted before anybody hears of it.
#[derive(Debug)]
pub struct Sequence {
    number: u64,
    id: CallId,
    rows: Rows,
    parameters: Parameters,
    contract: Arc<Contract>,
    stage: Arc<Stage>,
    /// Where its parts go.
    outlet: Option<Arc<dyn Outlet>>,
    duty: Mutex<Duty>,
    /// Parts that may be sent before its reader has taken others.
    credit: AtomicU32,
    /// Lengths of the parts that were sent and that its reader has not taken, in their order, and their sum. Not the duty's:
    /// who tells of credit must not wait for a part that is being sent.
    unread: Mutex<VecDeque<usize>>,
    unread_bytes: AtomicUsize,
    /// The model has said so: what it will say of this one comes from elsewhere.
    pub(super) rests: AtomicBool,
    is_gone: AtomicBool,
    has_ended: AtomicBool,
    joined: Tick,
    queue_ns: u64,
    pub behalf: Behalf,
}

/// Held while a part goes out: none follows the end.
#[derive(Debug)]
struct Duty {
    /// `None` once settled.
    reply: Option<Reply>,
    /// The end that the model wants.
    end: Option<Result<(), Fault>>,
}

/// Why a part was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is not what the model declared.
    Wrong(String),
    /// Its reader has not taken what was sent.
    Paused,
    Ended,
    /// The model is in no step.
    Outside,
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Wrong(wrong) => out.write_str(wrong),
            Refused::Paused => out.write_str(
                "its caller has not read what was sent, and more has no room: look at is_paused, and emit in a later step",
            ),
            Refused::Ended => out.write_str("it has ended: parts come before the end"),
            Refused::Outside => out.write_str("parts and the end are for the time of a step"),
        }
    }
}

impl Sequence {
    /// With the rest of the call: inputs that may be large.
    pub(super) fn new(
        call: Call,
        number: u64,
        contract: &Arc<Contract>,
        stage: &Arc<Stage>,
        now: Tick,
    ) -> (Arc<Sequence>, crate::base::call::Tensors) {
        let Call { id, inputs, rows, parameters, arrived, deadline, credit, callers, reply, .. } = call;
        let sequence = Sequence {
            number,
            id,
            rows,
            parameters,
            contract: Arc::clone(contract),
            stage: Arc::clone(stage),
            outlet: reply.outlet().cloned(),
            duty: Mutex::new(Duty { reply: Some(reply), end: None }),
            credit: AtomicU32::new(credit),
            unread: Mutex::default(),
            unread_bytes: AtomicUsize::new(0),
            rests: AtomicBool::new(false),
            is_gone: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            joined: now,
            queue_ns: nanos(arrived, now),
            behalf: Behalf { deadline, callers },
        };
        (Arc::new(sequence), inputs)
    }

    /// Of those of its version: no other has it.
    pub fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn id(&self) -> CallId {
        self.id
    }

    pub fn rows(&self) -> Rows {
        self.rows
    }

    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    pub(super) fn outlet(&self) -> Option<&Arc<dyn Outlet>> {
        self.outlet.as_ref()
    }

    /// A part would be refused now. Only its reader ends that, so who finds it false may emit one.
    pub fn is_paused(&self) -> bool {
        self.credit.load(Ordering::Acquire) == 0 || self.unread_bytes.load(Ordering::Acquire) >= PARTS_BYTES
    }

    /// Its caller still waits, as far as is known.
    pub fn is_live(&self) -> bool {
        !self.is_gone.load(Ordering::Relaxed) && !self.has_ended()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }

    /// To be looked at before the next step.
    pub(super) fn mark_gone(&self) {
        self.is_gone.store(true, Ordering::Relaxed);
    }

    /// The model goes on with this one alone, and has as long for it as for a step. False: there is nothing to go on with,
    /// for it is paused or has ended, or its caller left while others had their turns.
    pub fn begin_turn(&self) -> bool {
        let goes_on = self.is_live() && !self.is_paused() && self.stage.is_open();
        if goes_on {
            self.stage.since.store(clock::now().nanos(), Ordering::Release);
        }
        goes_on
    }

    /// Its reader took so many, and may be sent so many more.
    pub(super) fn add_credit(&self, parts: u32) {
        let mut unread = self.unread.lock();
        let taken = unread.len().min(usize::try_from(parts).unwrap_or(usize::MAX));
        let bytes = unread.drain(..taken).sum();
        self.unread_bytes.fetch_sub(bytes, Ordering::AcqRel);
        drop(unread);
        let more = |credit: u32| Some(credit.saturating_add(parts));
        let _ = self.credit.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
    }

    /// One part, for its caller: all of its rows. It goes out at the end of the step, or with [`Sequence::flush`].
    pub fn emit(&self, part: Vec<Output<'_>>) -> Result<(), Refused> {
        self.may_speak()?;
        check(&self.contract, self.rows, &[], &part).map_err(Refused::Wrong)?;
        if self.is_paused() {
            return Err(Refused::Paused);
        }
        // Nobody else takes of it: one thread speaks.
        self.credit.fetch_sub(1, Ordering::AcqRel);
        let outputs = part.into_iter().map(Output::into_tensor).collect();
        let part = Produced { outputs, parameters: Parameters::new() };
        let duty = self.duty.lock();
        if duty.end.is_some() {
            return Err(Refused::Ended); // given up meanwhile
        }
        self.count(part.bytes());
        if let Some(reply) = &duty.reply {
            reply.emit(part);
        }
        Ok(())
    }

    fn count(&self, len: usize) {
        let mut unread = self.unread.lock();
        unread.push_back(len);
        self.unread_bytes.fetch_add(len, Ordering::AcqRel);
    }

    /// Sends what was emitted now, though the step goes on.
    pub fn flush(&self) {
        if let Some(outlet) = &self.outlet {
            outlet.flush();
        }
    }

    /// Its answer is whole.
    pub fn end(&self) -> Result<(), Refused> {
        self.say_end(Ok(()))
    }

    /// The model raised for it alone.
    pub fn fail(&self, message: String) -> Result<(), Refused> {
        self.say_end(Err(Fault::new(Kind::ModelFailed, message).at(Phase::Started)))
    }

    /// The model found its input unfit.
    pub fn reject(&self, why: String) -> Result<(), Refused> {
        self.say_end(Err(Fault::invalid(why)))
    }

    pub(super) fn may_speak(&self) -> Result<(), Refused> {
        match () {
            () if self.has_ended() => Err(Refused::Ended),
            () if !self.stage.is_open() => Err(Refused::Outside),
            () => Ok(()),
        }
    }

    fn say_end(&self, end: Result<(), Fault>) -> Result<(), Refused> {
        self.may_speak()?;
        self.close(end);
        Ok(())
    }

    /// Whatever step there is. The first end stays.
    pub(super) fn close(&self, end: Result<(), Fault>) {
        self.duty.lock().end.get_or_insert(end);
        self.has_ended.store(true, Ordering::Release);
    }

    /// Once: whoever comes second finds nothing. `otherwise`: where the model has not said it. `batch_rows`: of its
    /// last step.
    pub(super) fn settle(&self, otherwise: Result<(), Fault>, now: Tick, batch_rows: Rows) {
        let (reply, end) = {
            let mut duty = self.duty.lock();
            (duty.reply.take(), duty.end.get_or_insert(otherwise).clone())
        };
        self.has_ended.store(true, Ordering::Release);
        let Some(reply) = reply else { return };
        let timing = Timing {
            queue_ns: self.queue_ns,
            infer_ns: nanos(self.joined, now),
            batch_rows: batch_rows.get(),
            sealed: Sealed::Step,
            ..Timing::default()
        };
        reply.settle(Outcome { result: end.map(|()| Produced::default()), timing });
    }
}

fn nanos(from: Tick, to: Tick) -> u64 {
    u64::try_from(to.since(from).as_nanos()).unwrap_or(u64::MAX)
}
