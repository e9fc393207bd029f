//! Calls that a gateway sent and that are not answered yet, and answers it still looks at.

use super::{frames::LOCAL_BITS, session::Session};
use crate::{
    base::{
        call::{Carrier, Execution, Outcome, Outlet, Produced, Timing},
        contract::Contract,
        fault::{Fault, Kind, Phase},
        primitive::{
            Mutex,
            atomic::{AtomicU8, AtomicU32, Ordering},
        },
        units::{CallId, Rows},
    },
    link::tensors::{Lent, outgoing, places},
    wire::{
        frame::{Head, Kind as FrameKind, RELEASED},
        frame_encode::{TooLong, encode},
        frame_meta::{self, proto},
    },
};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct Calls {
    pub(super) running: FxHashMap<u64, Taken>,
    /// Outputs in our arena that the gateway looks at.
    pub(super) lent: FxHashMap<u64, Lent>,
}

#[derive(Debug)]
pub(super) struct Taken {
    pub(super) rows: Rows,
    pub(super) account: Arc<Account>,
    pub(super) carrier: Arc<dyn Carrier>,
    /// `None`: no input lies in the gateway's memory.
    pub(super) inputs: Option<Arc<Borrowed>>,
    /// A part of its answer could not be sent: how it ends, whatever its model says.
    pub(super) broken: Option<Box<Fault>>,
}

/// Rows of one version that a gateway has here.
#[derive(Debug, Default)]
pub(super) struct Account {
    rows: AtomicU32,
}

impl Account {
    /// False when the gateway has spent its window. What is larger than the whole window may come alone, as the
    /// window may have shrunk on its way. Only whoever reads the link takes, so look and add cannot be overtaken.
    pub(super) fn take(&self, rows: Rows, window: Rows) -> bool {
        let held = Rows::new(self.rows.load(Ordering::Relaxed));
        let fits = held == Rows::ZERO || held.plus(rows).is_some_and(|sum| sum <= window);
        if fits {
            self.rows.fetch_add(rows.get(), Ordering::Relaxed);
        }
        fits
    }

    fn give_back(&self, rows: Rows) {
        self.rows.fetch_sub(rows.get(), Ordering::Relaxed);
    }
}

const LOOKED: u8 = 1;
const ANSWERED: u8 = 2;

/// Two things happen to inputs in the gateway's memory, in any order: the last view goes, and the call is answered.
/// The answer says that nobody looks any more, if it is known by then; else whichever is second sends a RELEASE.
#[derive(Debug, Default)]
pub(super) struct Borrowed {
    happened: AtomicU8,
}

impl Borrowed {
    /// True if the answer can say that nobody looks any more.
    fn is_looked(&self) -> bool {
        self.happened.load(Ordering::Acquire) & LOOKED != 0
    }

    /// An answer that does not say so is on its way: no RELEASE can overtake it. True if one has to be sent.
    fn answered(&self) -> bool {
        self.happened.fetch_or(ANSWERED, Ordering::AcqRel) & LOOKED != 0
    }

    /// The same of the last view.
    fn looked(&self) -> bool {
        self.happened.fetch_or(LOOKED, Ordering::AcqRel) & ANSWERED != 0
    }
}

/// Lives as long as a view of an input.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) session: Arc<Session>,
    pub(super) call: u64,
    pub(super) borrowed: Arc<Borrowed>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.borrowed.looked() {
            self.session.release(self.call);
        }
    }
}

impl Session {
    fn release(&self, number: u64) {
        let released = proto::Released { calls: vec![number] };
        let head = Head::new(FrameKind::Release, 0);
        self.say(|out| encode(out, &head, |out| frame_meta::append(out, &released), &[]));
    }

    fn answer(
        &self,
        number: u64,
        released: bool,
        produced: &Produced,
        timing: &Timing,
    ) -> Result<(), TooLong> {
        let arena = self.common.arena.as_ref();
        let lent = places(&produced.outputs, arena);
        let table = outgoing(&produced.outputs, &lent, arena);
        let parameters = frame_meta::parameters_out(&produced.parameters);
        let answer = proto::Answer { timing: frame_meta::timing_out(timing), parameters };
        let head = Head { flags: flags(released), ..Head::new(FrameKind::Answer, number) };
        let keep: Lent = lent.iter().flatten().cloned().collect();
        if keep.is_empty() {
            let put = |out: &mut Vec<u8>| encode(out, &head, |out| frame_meta::append(out, &answer), &table);
            return self.try_put(put).map(drop);
        }
        // Noted before it can be released, or forgotten: nothing is put on a link that ended, and one lock is around both.
        let mut calls = self.calls.lock();
        let put = self.try_put(|out| encode(out, &head, |out| frame_meta::append(out, &answer), &table))?;
        if put {
            calls.lent.insert(number, keep);
        }
        Ok(())
    }

    /// Of a call that runs.
    pub(super) fn carrier_of(&self, number: u64) -> Option<Arc<dyn Carrier>> {
        self.calls.lock().running.get(&number).map(|taken| Arc::clone(&taken.carrier))
    }

    pub(super) fn fail(&self, number: u64, released: bool, fault: &Fault, timing: &Timing) {
        let head = Head { flags: flags(released), ..Head::new(FrameKind::Fail, number) };
        let failure = frame_meta::failure_out(fault, timing);
        self.put(|out| encode(out, &head, |out| frame_meta::append(out, &failure), &[]));
    }
}

fn too_large(long: &TooLong) -> Fault {
    Fault::new(Kind::ModelFailed, format!("the outputs are too large: {long}")).at(Phase::Started)
}

fn part_too_large(long: &TooLong) -> Fault {
    let note = format!("a part of the answer is too large: {long}; the model has to make several of it");
    Fault::new(Kind::ModelFailed, note).at(Phase::Started)
}

fn flags(released: bool) -> u8 {
    if released { RELEASED } else { 0 }
}

impl Outlet for Session {
    /// One that cannot be sent is missed by nobody: its call fails. Its model is not told, for it may hold what it would
    /// be told under; whoever asks for no more parts makes it wait.
    fn emit(&self, call: CallId, part: Produced) {
        let number = call.0 & LOCAL_BITS;
        let said = proto::Part { parameters: frame_meta::parameters_out(&part.parameters) };
        let inline: SmallVec<[_; 2]> = part.outputs.iter().map(|_| None).collect();
        let table = outgoing(&part.outputs, &inline, None);
        let head = Head::new(FrameKind::Part, number);
        let sent = self.try_put(|out| encode(out, &head, |out| frame_meta::append(out, &said), &table));
        let Err(long) = sent else { return };
        if let Some(taken) = self.calls.lock().running.get_mut(&number) {
            taken.broken.get_or_insert_with(|| Box::new(part_too_large(&long)));
        }
    }

    fn settle(&self, call: CallId, outcome: Outcome) {
        let number = call.0 & LOCAL_BITS;
        let Some(taken) = self.calls.lock().running.remove(&number) else {
            debug_assert!(false, "call {number} was settled before");
            return;
        };
        taken.account.give_back(taken.rows);
        let released = taken.inputs.as_ref().is_none_or(|inputs| inputs.is_looked());
        let timing = outcome.timing;
        let result = taken.broken.map_or(outcome.result, |fault| Err(*fault)).and_then(|produced| {
            self.answer(number, released, &produced, &timing).map_err(|long| too_large(&long))
        });
        if let Err(fault) = result {
            self.fail(number, released, &fault, &timing);
        }
        if !released && taken.inputs.is_some_and(|inputs| inputs.answered()) {
            self.release(number);
        }
    }

    fn executed(&self, contract: &Contract, execution: Execution) {
        let head = Head::new(FrameKind::Stats, 0);
        self.put(|out| encode(out, &head, |out| frame_meta::append_executed(out, contract, &execution), &[]));
    }

    fn flush(&self) {
        self.outbox.flush();
    }

    fn is_heard(&self) -> bool {
        self.is_open()
    }
}

pub(super) type Shared = Mutex<Calls>;
