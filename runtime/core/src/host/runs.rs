//! The batches of one version between their seal and their answer: how many may be in the model at once, and which
//! do not come back.

use super::{running::Running, seat::Seat};
use crate::base::units::{CallId, Tick};
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
struct Run {
    batch: Arc<Running>,
    stage: Stage,
}

/// How far a batch is, and since when where that may take too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its lane makes it ready for the model.
    Preparing(Tick),
    /// Others are in the model.
    Waiting,
    /// The model has it.
    Inside(Tick),
    /// The model takes others, but its device is not done with this one.
    Launched(Tick),
    /// The model and its device are done with it, and its lane is not.
    Finishing(Tick),
    /// Its callers are being answered.
    Left,
}

impl Stage {
    /// Since when it has the model, or will as soon as those before it are through.
    fn entered(self) -> Option<Tick> {
        match self {
            Stage::Inside(since) | Stage::Launched(since) => Some(since),
            Stage::Preparing(_) | Stage::Waiting | Stage::Finishing(_) | Stage::Left => None,
        }
    }

    /// What must not take too long.
    fn watched(self) -> Option<Tick> {
        match self {
            Stage::Preparing(since)
            | Stage::Inside(since)
            | Stage::Launched(since)
            | Stage::Finishing(since) => Some(since),
            Stage::Waiting | Stage::Left => None,
        }
    }

    fn restart(&mut self, now: Tick) {
        match self {
            Stage::Preparing(since)
            | Stage::Inside(since)
            | Stage::Launched(since)
            | Stage::Finishing(since) => *since = now,
            Stage::Waiting | Stage::Left => {}
        }
    }
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
    /// When the model got it, or its lane.
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
    /// Lanes have work on their batches before these enter.
    prepares: bool,
    /// A batch was given up. The model is still in it, so nobody else may be let in.
    hangs: bool,
    /// When the last one ended, if others waited for that and nothing runs since.
    ended: Option<Tick>,
}

impl Runs {
    pub(super) fn new(concurrency: usize, hang_timeout: Option<Duration>, prepares: bool) -> Runs {
        let concurrency = concurrency.max(1);
        Runs { runs: Vec::new(), concurrency, hang_timeout, prepares, hangs: false, ended: None }
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
        let nobody_waits = self.runs.iter().all(|run| run.stage != Stage::Waiting);
        let stage = match self.inside() < self.concurrency && nobody_waits {
            _ if self.prepares => Stage::Preparing(now),
            true => Stage::Inside(now),
            false => Stage::Waiting,
        };
        self.runs.push(Run { batch, stage });
        stage == Stage::Inside(now)
    }

    /// When the model's device will be free for one more, as far as `expect` tells; `None`: it is. Lanes take
    /// `preparing` over a batch before it enters.
    pub(super) fn free_at(
        &self,
        now: Tick,
        preparing: Duration,
        expect: impl Fn(u64) -> Duration,
    ) -> Option<Tick> {
        let expect = |run: &Run| expect(run.batch.measure());
        let entered = self.by_entry();
        let (running, queued) = entered.split_at(entered.len().min(self.concurrency));
        let next = running.iter().filter_map(|run| Some(run.stage.entered()?.plus(expect(run)))).min();
        let coming =
            || self.runs.iter().filter(|run| matches!(run.stage, Stage::Preparing(_) | Stage::Waiting));
        let ahead: Duration = queued.iter().copied().chain(coming()).map(expect).sum();
        if running.len() < self.concurrency && ahead.is_zero() {
            return None;
        }
        let ready = coming().filter_map(|run| Some(run.stage.watched()?.plus(preparing))).min();
        let turns = u32::try_from(self.concurrency).unwrap_or(u32::MAX);
        let begins = [next, ready].into_iter().flatten().max().map_or(now, |at| at.max(now));
        Some(begins.plus(ahead / turns))
    }

    /// For what was sealed while others were in the model, or is ready now.
    pub(super) fn enter(&mut self, batch: &Arc<Running>, now: Tick) -> Entry {
        if self.hangs {
            return Entry::Never;
        }
        let free = self.inside() < self.concurrency;
        match self.find(batch) {
            Some(run) if run.stage.entered().is_some() => return Entry::Now,
            Some(run) => run.stage = if free { Stage::Inside(now) } else { Stage::Waiting },
            None => {}
        }
        if free { Entry::Now } else { Entry::Later }
    }

    /// The model may be given the next one: its device takes them in turn.
    pub(super) fn launched(&mut self, batch: &Arc<Running>) {
        if let Some(run) = self.find(batch)
            && let Stage::Inside(since) = run.stage
        {
            run.stage = Stage::Launched(since);
        }
    }

    /// The model has returned, and its device is free for another one; its lane makes outputs of what it returned. Says
    /// since when the device was this one's.
    pub(super) fn finish(&mut self, batch: &Arc<Running>, now: Tick) -> Option<Tick> {
        self.make_way(batch, Stage::Finishing(now), now)
    }

    /// As [`Runs::finish`], and its callers are being answered.
    pub(super) fn leave(&mut self, batch: &Arc<Running>, now: Tick) -> Option<Tick> {
        self.make_way(batch, Stage::Left, now)
    }

    fn make_way(&mut self, batch: &Arc<Running>, stage: Stage, now: Tick) -> Option<Tick> {
        // Whoever was launched behind it has the device from now on.
        let heir = self.by_entry().get(self.concurrency).map(|run| Arc::clone(&run.batch));
        let run = self.find(batch)?;
        let since = run.stage.entered();
        run.stage = stage;
        if let Some(heir) = heir.filter(|heir| since.is_some() && !Arc::ptr_eq(heir, batch))
            && let Some(run) = self.find(&heir)
        {
            run.stage.restart(now);
        }
        since
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
            let Some(entered) = run.stage.watched().filter(|since| since.plus(limit) <= now) else {
                return true;
            };
            match run.batch.take() {
                Some(seats) => {
                    given_up.push(GivenUp { batch: Arc::clone(&run.batch), seats, entered, limit });
                    false
                }
                // Its rows are still being gathered, or its callers being answered: it did not hang.
                None => {
                    run.stage.restart(now);
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
        self.runs.iter().filter_map(|run| run.stage.watched()).min().map(|since| since.plus(limit))
    }

    fn inside(&self) -> usize {
        self.runs.iter().filter(|run| matches!(run.stage, Stage::Inside(_))).count()
    }

    /// Whom the device has or is about to have, the first one first.
    fn by_entry(&self) -> SmallVec<[&Run; 4]> {
        let mut entered: SmallVec<[&Run; 4]> =
            self.runs.iter().filter(|run| run.stage.entered().is_some()).collect();
        entered.sort_by_key(|run| run.stage.entered());
        entered
    }

    fn find(&mut self, batch: &Arc<Running>) -> Option<&mut Run> {
        self.runs.iter_mut().find(|run| Arc::ptr_eq(&run.batch, batch))
    }
}

#[cfg(test)]
#[path = "runs_tests.rs"]
mod tests;
