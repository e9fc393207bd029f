//! The sequences at work in one version, between their first step and their end. Free of locks and of time.

use super::sequence::{Sequence, Stage};
use crate::base::{
    call::{Call, Outlet, Tensors},
    contract::Contract,
    fault::{Fault, Kind, Phase},
    units::{CallId, Rows, Tick},
};
use crate::decide::join;
use smallvec::SmallVec;
use std::sync::Arc;

#[derive(Debug)]
struct AtWork {
    sequence: Arc<Sequence>,
    deadline: Tick,
    cost: u64,
    /// It might not emit when it was looked at last.
    paused: bool,
}

/// One that joins, with what may be large.
pub(super) type Joining = (Arc<Sequence>, Tensors);

/// Those that end without the model, and what they get.
pub(super) type Ended = SmallVec<[(Arc<Sequence>, Fault); 2]>;

/// A step that the model is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inside {
    pub(super) number: u64,
    pub(super) entered: Tick,
    /// Of those that could emit.
    pub(super) rows: Rows,
}

#[derive(Debug, Default)]
pub(super) struct Sequences {
    /// In the order in which they joined.
    at_work: Vec<AtWork>,
    /// The last number that a sequence got.
    numbered: u64,
    /// Those that the lane has to forget, as far as it has not been told.
    left: Vec<u64>,
    pub(super) inside: Option<Inside>,
    steps: u64,
    stage: Arc<Stage>,
}

impl Sequences {
    /// No model is in a step, and none is to come.
    pub(super) fn is_empty(&self) -> bool {
        self.at_work.is_empty() && self.inside.is_none()
    }

    pub(super) fn are_none(&self) -> bool {
        self.at_work.is_empty()
    }

    pub(super) fn at_work(&self) -> join::AtWork {
        self.at_work.iter().fold(join::AtWork::default(), |sum, one| join::AtWork {
            rows: sum.rows.plus(one.sequence.rows()).unwrap_or(sum.rows),
            cost: sum.cost.saturating_add(one.cost),
        })
    }

    pub(super) fn join(&mut self, call: Call, cost: u64, contract: &Arc<Contract>, now: Tick) -> Joining {
        self.numbered += 1;
        let deadline = call.deadline;
        let (sequence, inputs) = Sequence::new(call, self.numbered, contract, &self.stage, now);
        self.at_work.push(AtWork { sequence: Arc::clone(&sequence), deadline, cost, paused: false });
        (sequence, inputs)
    }

    /// Takes out those whose callers are gone or late, and looks who is paused. How long is not asked here: who sees the
    /// bytes that a caller takes, and the gateway does, knows one that reads slowly from one that does not, and cancels.
    pub(super) fn sweep(&mut self, now: Tick) -> Ended {
        let mut ended = Ended::new();
        let left = &mut self.left;
        self.at_work.retain_mut(|one| {
            one.paused = one.sequence.waits();
            let fault = if one.sequence.is_gone() {
                Fault::new(Kind::Cancelled, "the caller went away").at(Phase::Started)
            } else if one.deadline <= now {
                Fault::new(Kind::Expired, "the deadline passed before the answer was whole")
            } else {
                return true;
            };
            left.push(one.sequence.number());
            ended.push((Arc::clone(&one.sequence), fault));
            false
        });
        ended
    }

    /// Rows of those that may emit.
    pub(super) fn ready(&self) -> Rows {
        let ready = self.at_work.iter().filter(|one| !one.paused);
        ready.fold(Rows::ZERO, |sum, one| sum.plus(one.sequence.rows()).unwrap_or(sum))
    }

    /// There is something to do for a lane that rests.
    pub(super) fn wants_look(&self) -> bool {
        self.inside.is_none()
            && self.at_work.iter().any(|one| !one.sequence.waits() || one.sequence.is_gone())
    }

    /// When the clock ends one, if nothing else happens.
    pub(super) fn next_end(&self) -> Tick {
        self.at_work.iter().map(|one| one.deadline).min().unwrap_or(Tick::NEVER)
    }

    /// The model gets them; without rows it does not.
    pub(super) fn begin(&mut self, rows: Rows, now: Tick) -> Inside {
        self.steps += 1;
        let inside = Inside { number: self.steps, entered: now, rows };
        self.inside = Some(inside);
        self.stage.begin(now);
        inside
    }

    /// The model came back. `None`: not with this step, which was given up.
    pub(super) fn close(&mut self, step: u64) -> Option<Inside> {
        let inside = self.inside.take_if(|inside| inside.number == step);
        if inside.is_some() {
            self.stage.end();
        }
        inside
    }

    /// Since when the model is in what it may hang in; `None`: in nothing.
    pub(super) fn busy_since(&self) -> Option<Tick> {
        self.inside.filter(|inside| inside.rows > Rows::ZERO).map(|_| self.stage.since())
    }

    /// Takes out those that the model ended.
    pub(super) fn take_ended(&mut self) -> Vec<Arc<Sequence>> {
        self.take(|one| one.has_ended())
    }

    pub(super) fn take_all(&mut self) -> Vec<Arc<Sequence>> {
        self.take(|_| true)
    }

    fn take(&mut self, goes: impl Fn(&Sequence) -> bool) -> Vec<Arc<Sequence>> {
        let mut taken = Vec::new();
        self.at_work.retain(|one| {
            let stays = !goes(&one.sequence);
            if !stays {
                taken.push(Arc::clone(&one.sequence));
            }
            stays
        });
        taken
    }

    /// The numbers of those that left since the last step, once.
    pub(super) fn take_left(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.left)
    }

    pub(super) fn has_left(&self) -> bool {
        !self.left.is_empty()
    }

    /// Where parts of this step may go, each once.
    pub(super) fn outlets(&self) -> Outlets {
        distinct(self.at_work.iter().map(|one| &one.sequence))
    }

    /// Calls are few, and this is asked for one of many parts: they are searched.
    pub(super) fn find(&self, id: CallId) -> Option<&Arc<Sequence>> {
        self.at_work.iter().map(|one| &one.sequence).find(|sequence| sequence.id() == id)
    }
}

pub(super) type Outlets = SmallVec<[Arc<dyn Outlet>; 2]>;

pub(super) fn distinct<'a>(sequences: impl Iterator<Item = &'a Arc<Sequence>>) -> Outlets {
    let mut outlets = Outlets::new();
    for outlet in sequences.filter_map(|sequence| sequence.outlet()) {
        if !outlets.iter().any(|known| Arc::ptr_eq(known, outlet)) {
            outlets.push(Arc::clone(outlet));
        }
    }
    outlets
}

#[cfg(test)]
#[path = "sequences_tests.rs"]
mod tests;
