//! The waiting room of one version: what waits, what runs, and how much of both there may be.
//! Free of locks and of time; [`super::intake`] puts a lock around it.

mod again;
mod ending;
mod limits;
mod memory;
mod slots;
mod steps;

pub(super) use memory::Shrunk;
use memory::TooLarge;
use slots::Seating;
pub(super) use steps::{Begun, Next, Over};

use super::{
    bounds::Bounds,
    conduct::Conduct,
    line::Line,
    running::Running,
    runs::{Entry, GivenUp, Runs},
    search::Search,
    sequences::Sequences,
};
use crate::base::{
    call::{Call, Sealed},
    contract::{Batching, Contract},
    fault::{Fault, Kind, Phase},
    units::{CallId, Rows, Tick},
};
use crate::decide::{
    plan::{Limits, Size, Step},
    shapes::{self, Sharing},
    times::Times,
};
use smallvec::SmallVec;
use std::{num::NonZeroU32, sync::Arc, time::Duration};

/// A batch is sealed so long before the model will be free for it, and the time until it is ready: what comes later is for
/// the next one.
const EARLY: Duration = Duration::from_millis(1);

/// Calls that leave with a fault. They are answered outside the lock: an answer may send the next call here.
pub(super) type Leaving = SmallVec<[(Call, Fault); 2]>;

#[derive(Debug)]
pub(super) struct Room {
    line: Line,
    runs: Runs,
    /// Of a version that answers in parts: it has no runs.
    sequences: Sequences,
    /// Of a stateful version.
    seating: Option<Box<Seating>>,
    /// What is known of how long the model takes.
    times: Times,
    /// The usual time from a batch's seal until it is ready for the model.
    before: Duration,
    /// Lanes have work on their batches before these enter.
    prepares: bool,
    /// Of waiting and running calls together: what the window bounds.
    rows: Rows,
    batching: Batching,
    /// Of `batching`, as a plan wants them.
    limits: Limits,
    bounds: Bounds,
    too_large: Vec<TooLarge>,
    lanes: u32,
    /// Requests may have different shapes, and go into batches of one.
    varies: bool,
    /// Batches whose rows are free and whose callers are being answered.
    settling: u32,
    open: bool,
}

/// What a free lane shall do.
#[derive(Debug)]
pub(super) enum Turn {
    /// `entered`: the model may have it at once; else [`Room::enter`] says when.
    Run {
        calls: Vec<Call>,
        running: Arc<Running>,
        entered: bool,
        search: Option<Search>,
    },
    Wait {
        until: Tick,
    },
    Idle,
    Closed,
}

/// How long a batch kept its lane and the model, without the time it waited for that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Took {
    /// What the next one waits for.
    pub(super) model: Duration,
    /// To gather its rows, and to prepare them.
    pub(super) before: Duration,
    pub(super) ended: Tick,
}

impl Room {
    pub(super) fn new(contract: &Contract, conduct: &Conduct) -> Room {
        let concurrency = conduct.concurrency.map_or(contract.lanes.max(1), NonZeroU32::get);
        let concurrency = usize::try_from(concurrency).unwrap_or(usize::MAX);
        let mut room = Room {
            line: Line::new(Sharing::new(&contract.inputs, contract.batching.max_rows.max(1))),
            runs: Runs::new(concurrency, conduct.hang_timeout, conduct.prepares),
            sequences: Sequences::default(),
            seating: Seating::of(contract),
            times: Times::default(),
            before: Duration::ZERO,
            prepares: conduct.prepares,
            rows: Rows::ZERO,
            batching: contract.batching.clone(),
            limits: limits::limits(&contract.batching),
            bounds: Bounds::default(),
            too_large: Vec::new(),
            lanes: contract.lanes.max(1),
            varies: !contract.streams && shapes::vary(&contract.inputs),
            settling: 0,
            open: true,
        };
        room.bounds.widen(room.window(), &contract.batching);
        room
    }

    /// Gives the call back when it cannot be taken. True: a lane that holds a batch open should look again.
    pub(super) fn admit(&mut self, call: Call, cost: u64) -> Result<bool, Box<(Call, Fault)>> {
        let refuse = |call, kind, note: &'static str| {
            Err(Box::new((call, Fault::new(kind, note).at(Phase::NotAdmitted))))
        };
        if !self.open {
            return refuse(call, Kind::Unavailable, "the model's host is draining; try again");
        }
        // A request larger than the whole window may come after the limit was lowered: it runs by itself.
        let most = self.bounds.of_all();
        let fits = self.rows == Rows::ZERO || self.rows.plus(call.rows).is_some_and(|sum| sum <= most);
        if !fits {
            return refuse(call, Kind::Overloaded, "the host has no room for more rows; try again");
        }
        let found_idle = self.rows == Rows::ZERO;
        self.rows = self.rows.plus(call.rows).unwrap_or(self.rows);
        let in_turn = self.batching.tenant_header.is_some();
        // Others are not moved about for it.
        let call = match self.has_slots() {
            false => call,
            true => match self.enter_slot(call, cost)? {
                Some(call) => call,
                None => return Ok(false),
            },
        };
        let facts = self.line.push(call, found_idle, in_turn, cost);
        let first = self.line.first().unwrap_or(facts);
        Ok(self.line.rows() >= self.limits.max_rows
            || facts.alone
            || facts.shape != first.shape
            || facts.deadline <= first.arrived.plus(self.limits.max_delay))
    }

    /// Seals a batch for a free lane, or says why there is none. The expired go to `leaving`.
    pub(super) fn turn(&mut self, now: Tick, leaving: &mut Leaving) -> Turn {
        if self.runs.hangs() {
            return Turn::Closed;
        }
        let between = self.runs.between(now);
        let (times, batching) = (&self.times, &self.batching);
        let time = |size: Size| times.expect(batching.measure(size.rows, size.cost), now);
        // Gathering is short and varies; what a lane prepares is neither.
        let (before, lead) = match self.prepares {
            true => (self.before, self.before.saturating_add(self.before / 8)),
            false => (Duration::ZERO, 2 * self.before),
        };
        let mut start = now.plus(before);
        let free = self.runs.free_at(now, before, |measure| times.expect(measure, now));
        if let Some(free) = free.filter(|_| self.has_waiting()) {
            let seal = free.minus(EARLY.saturating_add(lead));
            if now < seal {
                return Turn::Wait { until: seal };
            }
            start = start.max(free);
        }
        let step = self.line.plan(start, self.limits, time);
        let before = leaving.len();
        let (mut calls, search) = self.line.take_picked(now, leaving);
        for (late, _) in leaving.iter().skip(before) {
            self.rows = self.rows.minus(late.rows);
            self.leave_slot(late, now);
        }
        match step {
            Step::Run { sealed, size } => {
                let sealed = if search.is_some() { Sealed::Again } else { sealed };
                let seated = self.seat(&mut calls);
                let running = Running::new(&calls, &self.batching, size.cost, sealed, between, seated);
                let running = Arc::new(running);
                let entered = self.runs.seal(Arc::clone(&running), now);
                Turn::Run { calls, running, entered, search }
            }
            Step::Wait { until } => Turn::Wait { until },
            Step::Idle if self.open => Turn::Idle,
            Step::Idle => Turn::Closed,
        }
    }

    /// A waiting call leaves; a running one is only marked. Rare, and the room is small: it is searched.
    pub(super) fn cancel(&mut self, id: CallId, now: Tick) -> Option<(Call, Fault)> {
        let found = self.line.remove(id).inspect(|call| self.rows = self.rows.minus(call.rows));
        if let Some(call) = found.or_else(|| self.leave_queue_of_slot(id)) {
            self.leave_slot(&call, now);
            let fault = Fault::new(Kind::Cancelled, "the caller went away").at(Phase::NotStarted);
            return Some((call, fault));
        }
        match self.sequences.find(id) {
            Some(sequence) => sequence.mark_gone(),
            None => self.runs.mark_gone(id),
        }
        None
    }

    /// For a batch that was sealed while others were in the model.
    pub(super) fn enter(&mut self, running: &Arc<Running>, now: Tick) -> Entry {
        self.runs.enter(running, now)
    }

    /// The model is free for the next, though its device has still this one.
    pub(super) fn launched(&mut self, running: &Arc<Running>) {
        self.runs.launched(running);
    }

    /// The model has returned; its outputs have still to be made of what it returned.
    pub(super) fn finish(&mut self, running: &Arc<Running>, now: Tick) -> Option<Tick> {
        self.runs.finish(running, now)
    }

    /// The model has returned; its callers have still to be answered.
    pub(super) fn leave(&mut self, running: &Arc<Running>, now: Tick) -> Option<Tick> {
        self.runs.leave(running, now)
    }

    /// Takes out the batches that the model has had for too long: their rows are free, and no other is let in.
    pub(super) fn give_up(&mut self, now: Tick) -> SmallVec<[GivenUp; 1]> {
        let given_up = self.runs.give_up(now);
        for hung in &given_up {
            self.rows = self.rows.minus(hung.batch.rows());
            self.settling += 1;
        }
        given_up
    }

    /// When a batch may have to be given up; `None` while the model has none.
    pub(super) fn next_look(&self) -> Option<Tick> {
        self.runs.next_look().or_else(|| self.step_to_look_at())
    }

    /// A batch is about to be settled: its rows are free before its callers hear of it, so that who
    /// sends the next call upon an answer finds room. `took` is of one that went well. False: that was done.
    pub(super) fn release(&mut self, running: &Arc<Running>, took: Option<Took>) -> bool {
        if let Some(took) = took {
            self.times.learn(running.measure(), took.model, took.ended);
            self.before = (7 * self.before + took.before) / 8;
        }
        let ended = took.filter(|_| self.has_waiting()).map(|took| took.ended);
        let removed = self.runs.remove(running, ended);
        if removed {
            self.rows = self.rows.minus(running.rows());
            self.settling += 1;
        }
        removed
    }

    /// Every caller of a released batch has its answer.
    pub(super) fn settled(&mut self) {
        self.settling = self.settling.saturating_sub(1);
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.line.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        let idle = self.runs.is_empty() && self.sequences.is_empty();
        self.line.is_empty() && idle && self.settling == 0 && !self.waits_for_slot()
    }

    /// Rows that wait, and rows that run.
    pub(super) fn occupancy(&self) -> (Rows, Rows) {
        (self.line.rows(), self.rows.minus(self.line.rows()))
    }
}

#[cfg(test)]
#[path = "room_tests.rs"]
mod tests;
