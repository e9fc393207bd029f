//! The waiting room of one version: what waits, what runs, and how much of both there may be.
//! Free of locks and of time; [`super::intake`] puts a lock around it.

use super::{
    conduct::Conduct,
    running::Running,
    runs::{Entry, GivenUp, Runs},
};
use crate::base::{
    call::{Call, Tensors, Window},
    contract::{Batching, Contract},
    fault::{Fault, Kind, Phase},
    tensor::Tensor,
    units::{CallId, Rows, Tick},
};
use crate::decide::plan::{Facts, Limits, Step, plan};
use smallvec::SmallVec;
use std::{collections::VecDeque, num::NonZeroU32, sync::Arc, time::Duration};

/// Windows that may be here at once. Each link has a whole one, and what runs for a gateway that died is here until
/// it has run; beyond this somebody does not keep to its window.
const WINDOWS: u32 = 16;

/// Calls that leave with a fault. They are answered outside the lock: an answer may send the next call here.
pub(super) type Leaving = SmallVec<[(Call, Fault); 2]>;

#[derive(Debug)]
struct Waiting {
    call: Call,
    /// Equal for neighbours whose inputs have the same shapes.
    shape: u64,
}

impl Waiting {
    fn facts(&self) -> Facts {
        let call = &self.call;
        Facts {
            rows: call.rows,
            arrived: call.arrived,
            deadline: call.deadline,
            shape: self.shape,
            alone: call.attempt > 0,
        }
    }
}

#[derive(Debug)]
pub(super) struct Room {
    waiting: VecDeque<Waiting>,
    runs: Runs,
    /// Of waiting and running calls together: what the window bounds.
    rows: Rows,
    waiting_rows: Rows,
    limits: Limits,
    lanes: u32,
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
    },
    Wait {
        until: Tick,
    },
    Idle,
    Closed,
}

impl Room {
    pub(super) fn new(contract: &Contract, conduct: Conduct) -> Room {
        let concurrency = conduct.concurrency.map_or(contract.lanes.max(1), NonZeroU32::get);
        let concurrency = usize::try_from(concurrency).unwrap_or(usize::MAX);
        Room {
            waiting: VecDeque::new(),
            runs: Runs::new(concurrency, conduct.hang_timeout),
            rows: Rows::ZERO,
            waiting_rows: Rows::ZERO,
            limits: limits(&contract.batching),
            lanes: contract.lanes.max(1),
            settling: 0,
            open: true,
        }
    }

    /// The running batches and the next: each lane has one, and one more waits to be sealed.
    pub(super) fn window(&self) -> Window {
        let batches = self.lanes.saturating_add(1);
        Window { rows: Rows::new(self.limits.max_rows.get().saturating_mul(batches)) }
    }

    pub(super) fn update(&mut self, batching: &Batching) {
        self.limits = limits(batching);
    }

    /// Gives the call back when it cannot be taken. True: a lane that holds a batch open should look again.
    pub(super) fn admit(&mut self, call: Call) -> Result<bool, Box<(Call, Fault)>> {
        let refuse = |call, kind, note: &'static str| {
            Err(Box::new((call, Fault::new(kind, note).at(Phase::NotAdmitted))))
        };
        if !self.open {
            return refuse(call, Kind::Unavailable, "the model's host is draining; try again");
        }
        // A request larger than the whole window may come after the limit was lowered: it runs by itself.
        let most = Rows::new(self.window().rows.get().saturating_mul(WINDOWS));
        let fits = self.rows == Rows::ZERO || self.rows.plus(call.rows).is_some_and(|sum| sum <= most);
        if !fits {
            return refuse(call, Kind::Overloaded, "the host has no room for more rows; try again");
        }
        let shape = match self.waiting.back() {
            Some(last) if same_shapes(&last.call.inputs, &call.inputs) => last.shape,
            Some(last) => last.shape.wrapping_add(1),
            None => 0,
        };
        let waiting = Waiting { call, shape };
        let facts = waiting.facts();
        self.rows = self.rows.plus(facts.rows).unwrap_or(self.rows);
        self.waiting_rows = self.waiting_rows.plus(facts.rows).unwrap_or(self.waiting_rows);
        self.waiting.push_back(waiting);
        let first = self.waiting.front().map_or(facts, Waiting::facts);
        Ok(self.waiting_rows >= self.limits.max_rows
            || facts.alone
            || facts.shape != first.shape
            || facts.deadline <= first.arrived.plus(self.limits.max_delay))
    }

    /// Seals a batch for a free lane, or says why there is none. The expired go to `leaving`.
    pub(super) fn turn(&mut self, now: Tick, leaving: &mut Leaving) -> Turn {
        if self.runs.hangs() {
            return Turn::Closed;
        }
        match plan(now, self.waiting.iter().map(Waiting::facts), self.limits) {
            Step::Run { scan, .. } => {
                let mut calls = Vec::with_capacity(scan);
                for waiting in self.waiting.drain(..scan.min(self.waiting.len())) {
                    let expired = waiting.facts().is_expired(now);
                    self.waiting_rows = self.waiting_rows.minus(waiting.call.rows);
                    if expired {
                        self.rows = self.rows.minus(waiting.call.rows);
                        leaving.push((waiting.call, expired_fault()));
                    } else {
                        calls.push(waiting.call);
                    }
                }
                let running = Arc::new(Running::new(&calls));
                let entered = self.runs.seal(Arc::clone(&running), now);
                Turn::Run { calls, running, entered }
            }
            Step::Wait { scan, until } => {
                self.drop_expired(scan, now, leaving);
                Turn::Wait { until }
            }
            Step::Idle { scan } => {
                self.drop_expired(scan, now, leaving);
                if self.open { Turn::Idle } else { Turn::Closed }
            }
        }
    }

    fn drop_expired(&mut self, scan: usize, now: Tick, leaving: &mut Leaving) {
        let mut at = 0;
        for _ in 0..scan {
            if self.waiting.get(at).is_some_and(|waiting| waiting.facts().is_expired(now)) {
                leaving.extend(self.take_out(at).map(|call| (call, expired_fault())));
            } else {
                at += 1;
            }
        }
    }

    fn take_out(&mut self, at: usize) -> Option<Call> {
        let call = self.waiting.remove(at)?.call;
        self.rows = self.rows.minus(call.rows);
        self.waiting_rows = self.waiting_rows.minus(call.rows);
        Some(call)
    }

    /// A waiting call leaves; a running one is only marked. Rare, and the room is small: it is searched.
    pub(super) fn cancel(&mut self, id: CallId) -> Option<(Call, Fault)> {
        if let Some(at) = self.waiting.iter().position(|waiting| waiting.call.id == id) {
            let fault = Fault::new(Kind::Cancelled, "the caller went away").at(Phase::NotStarted);
            return self.take_out(at).map(|call| (call, fault));
        }
        self.runs.mark_gone(id);
        None
    }

    /// For a batch that was sealed while others were in the model.
    pub(super) fn enter(&mut self, running: &Arc<Running>, now: Tick) -> Entry {
        self.runs.enter(running, now)
    }

    /// The model has returned; its callers have still to be answered.
    pub(super) fn leave(&mut self, running: &Arc<Running>) {
        self.runs.leave(running);
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
        self.runs.next_look()
    }

    /// A batch is about to be settled: its rows are free before its callers hear of it, so that who
    /// sends the next call upon an answer finds room.
    pub(super) fn release(&mut self, running: &Arc<Running>) {
        if self.runs.remove(running) {
            self.rows = self.rows.minus(running.rows());
            self.settling += 1;
        }
    }

    /// Every caller of a released batch has its answer.
    pub(super) fn settled(&mut self) {
        self.settling = self.settling.saturating_sub(1);
    }

    /// No new calls; what waits is still served.
    pub(super) fn close(&mut self) {
        self.open = false;
    }

    /// What waits leaves unserved: there is nobody to run it.
    pub(super) fn clear(&mut self, leaving: &mut Leaving) {
        let note = "the model's host is shutting down; try again";
        while let Some(call) = self.take_out(0) {
            leaving.push((call, Fault::new(Kind::Unavailable, note).at(Phase::NotStarted)));
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.runs.is_empty() && self.settling == 0
    }

    /// Rows that wait, and rows that run.
    pub(super) fn occupancy(&self) -> (Rows, Rows) {
        (self.waiting_rows, self.rows.minus(self.waiting_rows))
    }
}

fn expired_fault() -> Fault {
    Fault::new(Kind::Expired, "the deadline passed while the request waited for its model")
}

fn limits(batching: &Batching) -> Limits {
    let delay_s = (batching.max_delay_ms / 1e3).max(0.0);
    Limits {
        max_rows: Rows::new(batching.max_rows.max(1)),
        max_delay: Duration::try_from_secs_f64(delay_s).unwrap_or(Duration::ZERO),
    }
}

/// Without the batch axis.
fn same_shapes(one: &Tensors, other: &Tensors) -> bool {
    let same = |(one, other): (&Tensor, &Tensor)| one.shape.get(1..) == other.shape.get(1..);
    one.len() == other.len() && one.iter().zip(other).all(same)
}
