//! What the next batch is: a pure function of the clock, the waiting list, the limits and what is known of the model's
//! times.
//!
//! Asked by a lane that is free, as late as possible, so that the queue fills while the device works.
//! Costs what it takes: a batch of 8 out of 500 looks at 9 entries and allocates nothing.
//!
//! - The first in the list is in the batch. Others join it if their inputs have the same shapes; those of another shape
//!   are passed over, and nobody for longer than until he is the first.
//! - Whoever would be late even if he were served at once, and alone, is not served: it would cost those behind him.
//! - A batch is not so large that one in it is late for the others' sake. If that made it much smaller, it is the one
//!   in a hurry that is left out: a device that runs small batches for hopeless cases soon has nothing but such.

use super::admit::aim;
use crate::base::{
    call::Sealed,
    units::{Rows, Tick},
};
use smallvec::SmallVec;
use std::time::Duration;

/// Entries behind the first that are looked at for those of its shape.
const LOOK: usize = 1024;
/// For the sake of one in a hurry, rows may be served so many times as slowly.
const HURRY: f64 = 1.25;
/// The same where more wait than a batch may have: each batch that is small for its head's sake makes the next head late,
/// and so they would go on for as long as there are too many.
const CROWDED: f64 = 1.02;

/// What the decision needs to know of one waiting call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    pub rows: Rows,
    /// In whatever its model counts ([`super::cost`]).
    pub cost: u64,
    /// Of its priority; lower ones are served first.
    pub level: u8,
    pub arrived: Tick,
    pub deadline: Tick,
    /// Calls stack only with calls of the same number: their inputs have the same shapes.
    pub shape: u64,
    /// It was in flight in a crash: if it is the cause, it shall take nobody with it.
    pub alone: bool,
    /// Nothing ran or waited when it came. It is served whatever is believed of the model's times, and may correct that.
    pub found_idle: bool,
}

impl Facts {
    /// Nobody waits for it any more.
    pub fn is_expired(&self, now: Tick) -> bool {
        self.deadline <= now
    }

    fn size(&self) -> Size {
        Size { rows: self.rows, cost: self.cost }
    }

    fn aim(&self) -> Tick {
        aim(self.arrived, self.deadline)
    }
}

/// What the time of a batch depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    pub rows: Rows,
    pub cost: u64,
}

impl Size {
    /// What it takes of its tenant's share: what it costs, where its model counts that.
    pub fn weight(self) -> u64 {
        if self.cost > 0 { self.cost } else { self.rows.get().into() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub max_rows: Rows,
    pub max_cost: u64,
    /// How long a batch may be held open, counted from its oldest arrival.
    pub max_delay: Duration,
}

/// Places in the waiting list.
pub type Places = SmallVec<[usize; 32]>;

/// Whom the plan is about, each in the order of the list.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Picks {
    /// Who makes up the batch to run.
    pub batch: Places,
    /// Whose deadline is past or cannot be met: to be refused, whatever the step.
    pub late: Places,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Run those that were picked as one batch.
    Run { sealed: Sealed, size: Size },
    /// Worth waiting for company, but not past this point.
    Wait { until: Tick },
    /// Nobody is left to run.
    Idle,
}

/// `waiting` gives the list, in the order in which it is to be served. `time` says how long the model takes over a batch of
/// that size. One of more rows than a batch may have (the limit was lowered while it waited) runs by itself.
pub fn plan(
    now: Tick,
    waiting: impl Fn(usize) -> Option<Facts>,
    limits: Limits,
    time: impl Fn(Size) -> Duration,
    picks: &mut Picks,
) -> Step {
    let mut scan = Scan { now, waiting, limits, time, from: 0, looked: 0, held: SmallVec::new() };
    picks.late.clear();
    let mut wait = None;
    loop {
        picks.batch.clear();
        let Some((head, batch)) = scan.fill(picks) else { break };
        let is_the_heads = batch.is_hurried && batch.head.aim() <= batch.due;
        if is_the_heads && !batch.head.found_idle && scan.costs_too_much(head, &batch) {
            picks.late.push(head);
        } else {
            let until = batch.oldest.plus(limits.max_delay);
            let last = || until.plus((scan.time)(batch.size));
            if let Some(sealed) = why(&batch, now, until, last, limits) {
                picks.late.sort_unstable();
                return Step::Run { sealed, size: batch.size };
            }
            // While these wait for company, others may have it.
            wait = Some(wait.map_or(until, |earlier: Tick| earlier.min(until)));
            scan.held.push(batch.head.shape);
        }
        scan.from = head + 1;
    }
    picks.batch.clear();
    picks.late.sort_unstable();
    wait.map_or(Step::Idle, |until| Step::Wait { until })
}

/// Why the batch goes now; `None`: it waits for company. `until` is when it has waited enough, and `last` when it would
/// be answered then.
fn why(batch: &Batch, now: Tick, until: Tick, last: impl FnOnce() -> Tick, limits: Limits) -> Option<Sealed> {
    match batch {
        batch if batch.head.alone => Some(Sealed::Alone),
        batch if batch.is_hurried => Some(Sealed::Hurried),
        batch if batch.is_full => Some(Sealed::Full),
        _ if until <= now && limits.max_delay.is_zero() => Some(Sealed::Free),
        _ if until <= now => Some(Sealed::Waited),
        batch if batch.due < Tick::NEVER && batch.due <= last() => Some(Sealed::Hurried),
        _ => None,
    }
}

/// A batch as far as it is filled.
struct Batch {
    head: Facts,
    size: Size,
    oldest: Tick,
    /// When the earliest answer in it is planned for.
    due: Tick,
    /// No company would do it good.
    is_full: bool,
    /// It would be larger, were nobody in it in a hurry.
    is_hurried: bool,
}

struct Scan<W, T> {
    now: Tick,
    waiting: W,
    limits: Limits,
    time: T,
    /// Who is before it is neither the first of a batch any more, nor in one.
    from: usize,
    /// Who is before it has been found late, if he is.
    looked: usize,
    /// Shapes whose batches wait for company.
    held: SmallVec<[u64; 2]>,
}

impl<W: Fn(usize) -> Option<Facts>, T: Fn(Size) -> Duration> Scan<W, T> {
    /// The next batch, and the place of the first in it.
    fn fill(&mut self, picks: &mut Picks) -> Option<(usize, Batch)> {
        let mut filled: Option<(usize, Batch)> = None;
        let mut at = self.from;
        while let Some(facts) = (self.waiting)(at) {
            let place = at;
            at += 1;
            if self.is_late(&facts) {
                if place >= self.looked {
                    picks.late.push(place);
                }
                continue;
            }
            match &mut filled {
                None if self.held.contains(&facts.shape) => continue,
                None => filled = Some((place, self.begin(facts))),
                Some((head, batch)) if facts.shape != batch.head.shape || facts.alone => {
                    if place - *head > LOOK {
                        break;
                    }
                    continue;
                }
                Some((_, batch)) => {
                    let Some(size) = self.with(batch.size, &facts) else {
                        batch.is_full = true;
                        break;
                    };
                    // Without a deadline, nobody asks how long it takes.
                    if batch.due.min(facts.deadline) < Tick::NEVER {
                        let end = self.now.plus((self.time)(size));
                        if end > batch.due {
                            (batch.is_full, batch.is_hurried) = (true, true);
                            break;
                        }
                        if end > facts.aim() {
                            continue; // in time alone, but not in this company
                        }
                    }
                    batch.size = size;
                    batch.oldest = batch.oldest.min(facts.arrived);
                    batch.due = batch.due.min(facts.aim());
                    batch.is_full = size.rows >= self.limits.max_rows;
                }
            }
            picks.batch.push(place);
            if filled.as_ref().is_some_and(|(_, batch)| batch.is_full) {
                break;
            }
        }
        self.looked = self.looked.max(at);
        filled
    }

    fn begin(&self, head: Facts) -> Batch {
        Batch {
            head,
            size: head.size(),
            oldest: head.arrived,
            due: head.aim(),
            is_full: head.alone || head.rows >= self.limits.max_rows,
            is_hurried: false,
        }
    }

    /// `None`: there is no room for it.
    fn with(&self, size: Size, one: &Facts) -> Option<Size> {
        let rows = size.rows.plus(one.rows).filter(|sum| *sum <= self.limits.max_rows)?;
        let cost = size.cost.saturating_add(one.cost);
        (cost <= self.limits.max_cost).then_some(Size { rows, cost })
    }

    fn is_late(&self, facts: &Facts) -> bool {
        let hopeless = || self.now.plus((self.time)(facts.size())) > facts.aim();
        facts.is_expired(self.now) || (!facts.found_idle && facts.deadline < Tick::NEVER && hopeless())
    }

    /// Whether those of the same level behind the head would be served much faster without it.
    fn costs_too_much(&self, head: usize, batch: &Batch) -> bool {
        let (mut others, mut more_wait) = (Size::default(), false);
        for at in head + 1..head + 1 + LOOK {
            let Some(facts) = (self.waiting)(at) else { break };
            if facts.level != batch.head.level {
                break; // levels follow each other
            }
            if facts.shape == batch.head.shape && !facts.alone && !self.is_late(&facts) {
                match self.with(others, &facts) {
                    Some(more) => others = more,
                    None => {
                        more_wait = true;
                        break;
                    }
                }
            }
        }
        let pace = |size: Size| f64::from(size.rows.get()) / (self.time)(size).as_secs_f64().max(1e-9);
        others.rows > Rows::ZERO && pace(others) > if more_wait { CROWDED } else { HURRY } * pace(batch.size)
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
