//! The batches of one version between their seal and their answer: how many may be in the model at once, and which
//! do not come back.

use super::{batch::Seat, running::Running};
use crate::base::units::{CallId, Tick};
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
struct Run {
    batch: Arc<Running>,
    /// When the model got it; `None` while others are in the model.
    entered: Option<Tick>,
    /// The model has returned.
    left: bool,
}

/// Whether the model takes a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Now,
    /// Others are in it.
    Later,
    /// It hangs: what was not in it will not be.
    Never,
}

/// A batch that was given up, and the duty to answer for it.
#[derive(Debug)]
pub(super) struct GivenUp {
    pub(super) batch: Arc<Running>,
    pub(super) seats: Vec<Seat>,
    /// When the model got it.
    pub(super) entered: Tick,
    /// What it did not come back within.
    pub(super) limit: Duration,
}

/// Searched from one end to the other: there is one for each lane.
#[derive(Debug)]
pub(super) struct Runs {
    runs: Vec<Run>,
    /// How many the model is safe for at once.
    concurrency: usize,
    /// `None`: as long as it takes.
    hang_timeout: Option<Duration>,
    /// A batch was given up. The model is still in it, so nobody else may be let in.
    hangs: bool,
    /// When the last one ended, if others waited for that and nothing runs since.
    ended: Option<Tick>,
}

impl Runs {
    pub(super) fn new(concurrency: usize, hang_timeout: Option<Duration>) -> Runs {
        Runs { runs: Vec::new(), concurrency: concurrency.max(1), hang_timeout, hangs: false, ended: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub(super) fn hangs(&self) -> bool {
        self.hangs
    }

    pub(super) fn hang_timeout(&self) -> Option<Duration> {
        self.hang_timeout
    }

    /// The model hangs.
    pub(super) fn let_nobody_in(&mut self) {
        self.hangs = true;
    }

    /// True if the model may have it at once. Who was sealed before and waits for the model goes first.
    pub(super) fn seal(&mut self, batch: Arc<Running>, now: Tick) -> bool {
        let free = self.inside() < self.concurrency && self.runs.iter().all(|run| run.entered.is_some());
        self.runs.push(Run { batch, entered: free.then_some(now), left: false });
        free
    }

    /// When the model will be free for one more, as far as `expect` tells; `None`: it is.
    pub(super) fn free_at(&self, now: Tick, expect: impl Fn(u64) -> Duration) -> Option<Tick> {
        let inside = self.runs.iter().filter(|run| !run.left).filter_map(|run| Some((run, run.entered?)));
        let next = inside.map(|(run, entered)| entered.plus(expect(run.batch.measure()))).min();
        let waiting = self.runs.iter().filter(|run| run.entered.is_none());
        let ahead: Duration = waiting.map(|run| expect(run.batch.measure())).sum();
        if self.inside() < self.concurrency && ahead.is_zero() {
            return None;
        }
        let turns = u32::try_from(self.concurrency).unwrap_or(u32::MAX);
        Some(next.map_or(now, |next| next.max(now)).plus(ahead / turns))
    }

    /// For what was sealed while others were in the model.
    pub(super) fn enter(&mut self, batch: &Arc<Running>, now: Tick) -> Entry {
        if self.hangs {
            return Entry::Never;
        }
        if self.inside() >= self.concurrency {
            return Entry::Later;
        }
        if let Some(run) = self.find(batch) {
            run.entered = Some(now);
        }
        Entry::Now
    }

    /// The model has returned, and is free for another one.
    pub(super) fn leave(&mut self, batch: &Arc<Running>) {
        if let Some(run) = self.find(batch) {
            run.left = true;
        }
    }

    /// `ended`: when, if others waited for that. False: it was given up before.
    pub(super) fn remove(&mut self, batch: &Arc<Running>, ended: Option<Tick>) -> bool {
        let before = self.runs.len();
        self.runs.retain(|run| !Arc::ptr_eq(&run.batch, batch));
        let removed = self.runs.len() < before;
        if removed {
            self.ended = ended.filter(|_| self.runs.is_empty());
        }
        removed
    }

    /// How long nothing has run though others waited, asked once: between two batches a lane answers the callers of the
    /// first.
    pub(super) fn between(&mut self, now: Tick) -> Duration {
        self.ended.take().map_or(Duration::ZERO, |ended| now.since(ended))
    }

    pub(super) fn mark_gone(&self, call: CallId) {
        self.runs.iter().any(|run| run.batch.mark_gone(call));
    }

    /// Takes out what the model has had for too long.
    pub(super) fn give_up(&mut self, now: Tick) -> SmallVec<[GivenUp; 1]> {
        let mut given_up = SmallVec::new();
        let Some(limit) = self.hang_timeout else { return given_up };
        self.runs.retain_mut(|run| {
            let Some(entered) = run.entered.filter(|entered| !run.left && entered.plus(limit) <= now) else {
                return true;
            };
            match run.batch.take() {
                Some(seats) => {
                    given_up.push(GivenUp { batch: Arc::clone(&run.batch), seats, entered, limit });
                    false
                }
                // Its rows are still being gathered, or its callers being answered: it did not hang.
                None => {
                    run.entered = Some(now);
                    true
                }
            }
        });
        self.hangs |= !given_up.is_empty();
        given_up
    }

    /// When to look again; `None` while the model has nothing.
    pub(super) fn next_look(&self) -> Option<Tick> {
        let limit = self.hang_timeout?;
        self.runs.iter().filter(|run| !run.left).filter_map(|run| run.entered).min().map(|at| at.plus(limit))
    }

    fn inside(&self) -> usize {
        self.runs.iter().filter(|run| run.entered.is_some() && !run.left).count()
    }

    fn find(&mut self, batch: &Arc<Running>) -> Option<&mut Run> {
        self.runs.iter_mut().find(|run| Arc::ptr_eq(&run.batch, batch))
    }
}

#[cfg(test)]
#[path = "runs_tests.rs"]
mod tests;
