//! The calls that wait in a host, in the order in which they are to be served.

use super::{room::Leaving, search::Search};
use crate::base::{
    call::Call,
    fault::{Fault, Kind},
    units::{CallId, Rows, Tick},
};
use crate::decide::{
    admit::TOO_LATE,
    join::{AtWork, join},
    plan::{Facts, Limits, Picks, Size, Step, plan},
    rank::Rank,
    shapes::Sharing,
};
use std::{collections::VecDeque, time::Duration};

/// Batches that go by before a call of a lower priority is served before all others.
const MOST_PASSED: u64 = 8;

#[derive(Debug)]
struct Waiting {
    call: Call,
    rank: Rank,
    /// Equal for those who may be in one batch.
    shape: u64,
    found_idle: bool,
    cost: u64,
    /// It is of a part of a batch that failed.
    search: Option<Search>,
    /// The batches that were sealed before it came.
    came_after: u64,
}

impl Waiting {
    fn facts(&self) -> Facts {
        let call = &self.call;
        Facts {
            rows: call.rows,
            cost: self.cost,
            level: self.rank.level,
            arrived: call.arrived,
            deadline: call.deadline,
            shape: self.shape,
            alone: call.attempt > 0,
            found_idle: self.found_idle,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Line {
    /// In the order of their ranks.
    waiting: VecDeque<Waiting>,
    rows: Rows,
    sharing: Sharing,
    /// The last number that a shape was given.
    shapes: u64,
    /// Calls that ever came.
    came: u64,
    /// Batches that left.
    sealed: u64,
    /// Kept for its memory.
    picks: Picks,
}

impl Line {
    pub(super) fn new(sharing: Sharing) -> Line {
        Line { sharing, ..Line::default() }
    }

    /// Who waits stays with those he would have shared a batch with.
    pub(super) fn limit(&mut self, max_rows: Rows) {
        self.sharing.limit(max_rows.get());
    }

    pub(super) fn rows(&self) -> Rows {
        self.rows
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn first(&self) -> Option<Facts> {
        self.waiting.front().map(Waiting::facts)
    }

    /// `found_idle`: nothing runs or waits. `in_turn`: they come in the order in which they are to be served, for the
    /// gateway knows whose turn it is.
    pub(super) fn push(&mut self, call: Call, found_idle: bool, in_turn: bool, cost: u64) -> Facts {
        self.came += 1;
        let rank = match in_turn {
            true => Rank::in_turn(call.level, self.came),
            false => Rank::new(call.level, call.arrived, call.deadline, call.id.0),
        };
        let shape = self.shape_of(&call);
        let came_after = self.sealed;
        self.insert(Waiting { call, rank, shape, found_idle, cost, search: None, came_after })
    }

    /// Behind all others, and with none of them in one batch: as if no other had such a shape.
    pub(super) fn push_part(&mut self, calls: Vec<Call>, search: &Search) {
        self.shapes = self.shapes.wrapping_add(1);
        for call in calls {
            let rank = Rank::new(u8::MAX, call.arrived, call.deadline, call.id.0);
            let (shape, search, came_after) = (self.shapes, Some(search.clone()), self.sealed);
            // Its batch kept to the limit of the cost, and it is a part of that.
            let (found_idle, cost) = (false, 0);
            self.insert(Waiting { call, rank, shape, found_idle, cost, search, came_after });
        }
    }

    fn insert(&mut self, waiting: Waiting) -> Facts {
        let (facts, rank) = (waiting.facts(), waiting.rank);
        self.rows = self.rows.plus(facts.rows).unwrap_or(self.rows);
        // Most come in their order.
        let behind = self.waiting.iter().rev().take_while(|other| other.rank > rank).count();
        self.waiting.insert(self.waiting.len() - behind, waiting);
        facts
    }

    /// The number of those whose shapes may share a batch with it, or a new one. Where all may, the first look finds it.
    fn shape_of(&mut self, call: &Call) -> u64 {
        let mate = |waiting: &&Waiting| {
            waiting.search.is_none() && self.sharing.may_share(&waiting.call.inputs, &call.inputs)
        };
        if let Some(mate) = self.waiting.iter().rev().find(mate) {
            return mate.shape;
        }
        self.shapes = self.shapes.wrapping_add(1);
        self.shapes
    }

    /// Whom [`Line::take_picked`] takes out.
    pub(super) fn plan(&mut self, now: Tick, limits: Limits, time: impl Fn(Size) -> Duration) -> Step {
        let waiting = &self.waiting;
        plan(now, |at| waiting.get(at).map(Waiting::facts), limits, time, &mut self.picks)
    }

    /// The same of those who join what is at work.
    pub(super) fn plan_join(&mut self, now: Tick, limits: Limits, at_work: AtWork) {
        let waiting = &self.waiting;
        join(now, |at| waiting.get(at).map(Waiting::facts), limits, at_work, &mut self.picks);
    }

    /// The calls of the batch that was planned, and what it is a part of, if it is; those that are late leave.
    pub(super) fn take_picked(&mut self, now: Tick, leaving: &mut Leaving) -> (Vec<Call>, Option<Search>) {
        let first = self.picks.batch.first().and_then(|first| self.waiting.get(*first));
        let search = first.and_then(|first| first.search.clone());
        let Picks { batch, late } = &self.picks;
        let mut calls = Vec::with_capacity(batch.len());
        if late.is_empty() && batch.last().is_none_or(|last| last + 1 == batch.len()) {
            calls.extend(self.waiting.drain(..batch.len()).map(|waiting| waiting.call));
        } else {
            let (mut batch, mut late) = (batch.iter().peekable(), late.iter().peekable());
            for at in 0..self.waiting.len() {
                let Some(waiting) = self.waiting.pop_front() else { break };
                if batch.next_if_eq(&&at).is_some() {
                    calls.push(waiting.call);
                } else if late.next_if_eq(&&at).is_some() {
                    self.rows = self.rows.minus(waiting.call.rows);
                    let fault = late_fault(waiting.facts().is_expired(now));
                    leaving.push((waiting.call, fault));
                } else {
                    self.waiting.push_back(waiting);
                }
            }
        }
        for call in &calls {
            self.rows = self.rows.minus(call.rows);
        }
        if !calls.is_empty() {
            self.sealed += 1;
            self.let_the_passed_go_first();
        }
        (calls, search)
    }

    /// The calls of those that were planned to join, and what they cost; those that are late leave.
    pub(super) fn take_joining(&mut self, now: Tick, leaving: &mut Leaving) -> Vec<(Call, u64)> {
        let cost = |at: &usize| self.waiting.get(*at).map_or(0, |waiting| waiting.cost);
        let costs: Vec<u64> = self.picks.batch.iter().map(cost).collect();
        let (calls, _) = self.take_picked(now, leaving);
        calls.into_iter().zip(costs).collect()
    }

    /// Whoever waits behind others for too many batches is the first from now on.
    fn let_the_passed_go_first(&mut self) {
        let level = |waiting: Option<&Waiting>| waiting.map(|waiting| waiting.rank.level);
        if level(self.waiting.front()) == level(self.waiting.back()) {
            return; // nobody is passed by others of his level for long
        }
        let passed = |waiting: &&mut Waiting| waiting.came_after + MOST_PASSED <= self.sealed;
        self.waiting.iter_mut().filter(passed).for_each(|waiting| waiting.rank.level = 0);
        self.waiting.make_contiguous().sort_by_key(|waiting| waiting.rank);
    }

    /// Rare, and few wait here: they are searched.
    pub(super) fn remove(&mut self, id: CallId) -> Option<Call> {
        let at = self.waiting.iter().position(|waiting| waiting.call.id == id)?;
        let call = self.waiting.remove(at)?.call;
        self.rows = self.rows.minus(call.rows);
        Some(call)
    }

    pub(super) fn pop(&mut self) -> Option<Call> {
        let call = self.waiting.pop_front()?.call;
        self.rows = self.rows.minus(call.rows);
        Some(call)
    }
}

fn late_fault(is_expired: bool) -> Fault {
    let note = match is_expired {
        true => "the deadline passed while the request waited for its model",
        false => TOO_LATE,
    };
    Fault::new(Kind::Expired, note)
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
