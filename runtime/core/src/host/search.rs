//! A batch of a `repeatable` model that failed is run again in halves, so that who is not at fault has an answer.
//!
//! Those halves go behind everything else that waits, each by itself, and there are few of them
//! ([`crate::decide::bisect`]).

use super::{intake::Intake, running::Running, seat::Seat};
use crate::base::{
    call::Call,
    primitive::atomic::{AtomicU32, Ordering::Relaxed},
};
use crate::decide::bisect;
use std::sync::Arc;

/// What the parts of one failed batch share.
#[derive(Clone, Debug)]
pub(super) struct Search {
    runs_left: Arc<AtomicU32>,
}

impl Search {
    fn new(calls: usize) -> Search {
        Search { runs_left: Arc::new(AtomicU32::new(bisect::runs(calls))) }
    }

    /// Takes the runs of both halves; how many calls are in the first.
    fn part(&self, calls: usize) -> Option<usize> {
        let mut half = None;
        let spend = |left| {
            half = bisect::part(calls, left);
            half.map(|_| left - 2)
        };
        self.runs_left.fetch_update(Relaxed, Relaxed, spend).ok().and(half)
    }
}

/// A failed batch, parted.
#[derive(Debug)]
pub(super) struct Parts {
    search: Search,
    /// Calls of the first part.
    half: usize,
}

impl Intake {
    /// Whether the calls of a failed batch are to run again. `search`: the batch was a part of one itself.
    pub(super) fn parts(&self, seats: &[Seat], search: Option<&Search>) -> Option<Parts> {
        if !self.contract().repeatable || !seats.iter().all(Seat::can_run_again) {
            return None;
        }
        let search = search.cloned().unwrap_or_else(|| Search::new(seats.len()));
        let half = search.part(seats.len())?;
        Some(Parts { search, half })
    }

    /// Puts the calls of a failed batch back into the line.
    pub(super) fn run_again(&self, running: &Arc<Running>, seats: Vec<Seat>, parts: Parts) {
        let mut first: Vec<Call> = seats.into_iter().filter_map(Seat::into_call).collect();
        let second = first.split_off(parts.half.min(first.len()));
        let mut state = self.state.lock();
        state.room.release(running, None);
        state.room.settled(); // nobody is left to be answered for that run
        for part in [first, second] {
            state.room.admit_part(part, &parts.search);
        }
        self.wake_next(&mut state);
    }
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
