//! Evidence about a version that is judged: units, of which each says one number from 0 (good) to 1 (bad).
//!
//! What happened once is one unit, however many callers were told: a run of the model, and for latency what one run
//! answered. Counted only while the policy table has the version as judged.

use super::{
    ending::{Says, is_from_elsewhere, says},
    grouping::{Cohort, Group, Marks, OpenRuns, Said},
    latency::Latencies,
    seconds::Second,
    version::Ended,
};
use crate::base::{
    call::{Execution, Sealed},
    units::{Tick, Version},
};
use crate::decide::policy::Judged;
use compact_str::CompactString;
use parking_lot::Mutex;
use serde::Serialize;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// How many there were, and how bad they were together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Units {
    pub count: u64,
    pub bad: f64,
}

impl Units {
    fn add(&mut self, bad: f64) {
        self.count += 1;
        self.bad += bad;
    }
}

/// All that is known of a version since it is judged. Of the same `since`, in the same process, it only grows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    pub model: CompactString,
    pub version: Version,
    /// Which count of this version it is.
    pub since: u64,
    /// Whose count it is, as the table has it.
    pub rollout: u64,
    pub slow_ns: Vec<u64>,
    /// Runs of the model; bad are those that failed.
    pub runs: Units,
    /// Seconds in which requests ended; bad is the share of them that it had no room or no time for.
    pub unserved: Units,
    /// Runs; bad is the share of a run's calls that the model refused for what they sent, of those that it has answered or
    /// refused. Whether callers are wrong one version alone cannot tell; two that serve the same callers can.
    pub refused: Units,
    /// By each line of `slow_ns`, runs; bad is the share of a run's answers that took longer from arrival on.
    pub slow: Vec<Units>,
    /// Of a shadow, answers that were compared with those that callers had; bad is the share of rows that say something
    /// else.
    pub agreement: Units,
    /// Answers by their time from arrival on: bucket (`meter/latency.rs`) and count, where there is any.
    pub latency: Vec<(usize, u64)>,
}

/// The counts of one version since it is judged so.
#[derive(Debug)]
pub(super) struct Counts {
    judged: Judged,
    runs: Units,
    unserved: Units,
    refused: Units,
    slow: Vec<Units>,
    agreement: Units,
    latency: Latencies,
    open: OpenRuns,
    second: Second,
    /// Answers in parts by how they end, by whether they were refused, and by their first parts.
    ends: Cohort,
    refusals: Cohort,
    first_parts: Cohort,
    /// Of the latest step.
    step_rows: u32,
}

impl Counts {
    fn new(judged: &Judged) -> Counts {
        Counts {
            judged: judged.clone(),
            runs: Units::default(),
            unserved: Units::default(),
            refused: Units::default(),
            slow: vec![Units::default(); judged.slow_ns.len()],
            agreement: Units::default(),
            latency: Latencies::default(),
            open: OpenRuns::default(),
            second: Second::default(),
            ends: Cohort::default(),
            refusals: Cohort::default(),
            first_parts: Cohort::default(),
            step_rows: 0,
        }
    }

    pub(super) fn executed(&mut self, execution: &Execution) {
        match execution.sealed {
            Sealed::Again => {} // why it failed is asked, and that it did was a unit
            Sealed::Step => self.step_rows = execution.rows, // see `Cohort`
            Sealed::Free | Sealed::Full | Sealed::Waited | Sealed::Hurried | Sealed::Alone => {
                self.runs.add(f64::from(execution.failed));
            }
        }
    }

    pub(super) fn settled(&mut self, ended: &Ended, now: Tick) {
        let Ended { rows, fault, total, timing, in_parts } = ended;
        let says = says(*fault, timing);
        if matches!(says, Says::Answered | Says::Failed | Says::Missed) {
            let over = self.second.ended(says == Says::Missed, now);
            over.into_iter().for_each(|share| self.unserved.add(share));
        }
        if *in_parts {
            return self.whole(says);
        }
        let took = nanos(*total);
        if says == Says::Answered {
            self.latency.observe(took);
        }
        if timing.sealed == Sealed::Again {
            return;
        }
        if matches!(says, Says::Answered | Says::Failed) && is_from_elsewhere(timing) {
            self.runs.add(f64::from(says == Says::Failed));
        }
        let said = match says {
            Says::Answered => Said::Answer(self.marks(took)),
            Says::Refused => Said::Refusal,
            Says::Failed | Says::Missed | Says::Nothing => Said::Nothing,
        };
        let over = self.open.ended(timing, rows.get(), said, now);
        over.into_iter().for_each(|run| self.ran(run));
    }

    /// An answer in parts is over.
    fn whole(&mut self, says: Says) {
        if matches!(says, Says::Answered | Says::Failed) {
            let unit = self.ends.ended(only(says == Says::Failed), self.step_rows);
            share(unit).into_iter().for_each(|share| self.runs.add(share));
        }
        if matches!(says, Says::Answered | Says::Refused) {
            let unit = self.refusals.ended(only(says == Says::Refused), self.step_rows);
            share(unit).into_iter().for_each(|share| self.refused.add(share));
        }
    }

    fn ran(&mut self, run: Group) {
        add(&mut self.slow, run.shares());
        run.refused().into_iter().for_each(|share| self.refused.add(share));
    }

    /// The first part of an answer was taken so long after its arrival: what its caller waited for. How long the whole
    /// takes is the answer's length.
    pub(super) fn first_part(&mut self, since: Duration) {
        let took = nanos(since);
        self.latency.observe(took);
        let unit = self.first_parts.ended(self.marks(took), self.step_rows);
        add(&mut self.slow, unit.and_then(|unit| unit.shares()));
    }

    /// One of its answers was compared, as a shadow's.
    pub(super) fn compared(&mut self, disagreement: f64) {
        self.agreement.add(disagreement);
    }

    fn marks(&self, took: u64) -> Marks {
        let mut marks = Marks::default();
        for (mark, line) in marks.iter_mut().zip(&self.judged.slow_ns) {
            *mark = took > *line;
        }
        marks
    }

    fn told(&mut self, (model, version, since): (CompactString, Version, u64), now: Tick) -> Evidence {
        let overdue: Vec<_> = self.open.overdue(now).collect();
        overdue.into_iter().for_each(|run| self.ran(run));
        self.second.over(now).into_iter().for_each(|share| self.unserved.add(share));
        Evidence {
            model,
            version,
            since,
            rollout: self.judged.rollout,
            slow_ns: self.judged.slow_ns.clone(),
            runs: self.runs,
            unserved: self.unserved,
            refused: self.refused,
            slow: self.slow.clone(),
            agreement: self.agreement,
            latency: self.latency.sparse(),
        }
    }
}

fn add(slow: &mut [Units], shares: Option<[f64; Judged::MOST_LINES]>) {
    for (units, share) in slow.iter_mut().zip(shares.into_iter().flatten()) {
        units.add(share);
    }
}

/// By the first mark.
fn share(unit: Option<Group>) -> Option<f64> {
    unit.and_then(|unit| unit.shares()).map(|[share, ..]| share)
}

fn only(mark: bool) -> Marks {
    let mut marks = Marks::default();
    if let Some(first) = marks.first_mut() {
        *first = mark;
    }
    marks
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Counts for a version while it is judged; looked at by each request and run.
#[derive(Debug, Default)]
pub(super) struct Collector {
    /// All that a version costs that is not judged. Relaxed: who ends while a count begins may be in it or not.
    is_on: AtomicBool,
    collected: Mutex<Collected>,
}

#[derive(Debug, Default)]
struct Collected {
    since: u64,
    /// Boxed: three kilobytes, and rarely there.
    counts: Option<Box<Counts>>,
}

impl Collector {
    /// Begins a count, goes on with the one that is of the same rollout and by the same lines, or ends it.
    pub(super) fn judge(&self, judged: Option<&Judged>) {
        let mut collected = self.collected.lock();
        if collected.counts.as_ref().map(|counts| &counts.judged) == judged {
            return;
        }
        collected.since += u64::from(judged.is_some());
        collected.counts = judged.map(|judged| Box::new(Counts::new(judged)));
        self.is_on.store(judged.is_some(), Relaxed);
    }

    #[inline]
    pub(super) fn count(&self, what: impl FnOnce(&mut Counts)) {
        if self.is_on.load(Relaxed)
            && let Some(counts) = &mut self.collected.lock().counts
        {
            what(counts);
        }
    }

    /// `None`: it is not judged.
    pub(super) fn told(&self, model: &CompactString, version: Version, now: Tick) -> Option<Evidence> {
        let mut collected = self.collected.lock();
        let since = collected.since;
        collected.counts.as_mut().map(|counts| counts.told((model.clone(), version, since), now))
    }
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;
