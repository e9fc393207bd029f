//! Evidence about a version that is judged: units, of which each says one number from 0 (good) to 1 (bad).
//!
//! What happened once is one unit, however many callers were told: a run of the model, and for latency what one run
//! answered. Counted only while the policy table has the version as judged.

use super::{
    grouping::{Cohort, Marks, OpenRuns},
    latency::Latencies,
    version::Ended,
};
use crate::base::{
    call::{Execution, Sealed, Timing},
    fault::Kind,
    units::{Tick, Version},
};
use crate::decide::policy::Judged;
use compact_str::CompactString;
use parking_lot::Mutex;
use serde::Serialize;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// Calls that a version could not take are one unit in so much time: they are as many as callers try again.
const MISSED_ONCE_IN: Duration = Duration::from_secs(1);

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
    pub slow_ns: Vec<u64>,
    /// Runs of the model; bad are those that failed.
    pub runs: Units,
    /// By each line of `slow_ns`, runs; bad is the share of a run's answers that took longer from arrival on.
    pub slow: Vec<Units>,
    /// Of a shadow, answers that were compared with those that callers had; bad is the share of rows that say something
    /// else.
    pub agreement: Units,
    /// Answers by their time from arrival on: bucket (`meter/latency.rs`) and count, where there is any.
    pub latency: Vec<(usize, u64)>,
}

/// What a request that ended without an answer says of its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    Failed,
    /// It has too little capacity. (Or the deadline was shorter than any version could keep, which is not known apart.)
    Missed,
    /// It is its caller's doing, or nobody's, or a lost host's, which is counted as that.
    Nothing,
}

fn says(kind: Kind) -> Says {
    match kind {
        Kind::ModelFailed | Kind::ModelHung | Kind::Internal => Says::Failed,
        Kind::Overloaded | Kind::Expired => Says::Missed,
        Kind::Invalid
        | Kind::NotFound
        | Kind::Unsupported
        | Kind::TooLarge
        | Kind::Cancelled
        | Kind::Unavailable
        | Kind::HostLost
        | Kind::Slow => Says::Nothing,
    }
}

/// Another server ran it: how long the call was away is all that is known, and nobody tells of its runs.
fn is_from_elsewhere(timing: &Timing) -> bool {
    timing.infer_ns > 0 && timing.input_ns == 0 && timing.output_ns == 0
}

/// The counts of one version since it is judged by these lines.
#[derive(Debug)]
pub(super) struct Counts {
    slow_ns: Vec<u64>,
    runs: Units,
    slow: Vec<Units>,
    agreement: Units,
    latency: Latencies,
    open: OpenRuns,
    /// Answers in parts by their ends, and by their first parts.
    ends: Cohort,
    first_parts: Cohort,
    /// Of the latest step.
    step_rows: u32,
    /// When a unit was made of calls that it could not take.
    missed: Option<Tick>,
}

impl Counts {
    fn new(slow_ns: &[u64]) -> Counts {
        Counts {
            slow_ns: slow_ns.to_vec(),
            runs: Units::default(),
            slow: vec![Units::default(); slow_ns.len()],
            agreement: Units::default(),
            latency: Latencies::default(),
            open: OpenRuns::default(),
            ends: Cohort::default(),
            first_parts: Cohort::default(),
            step_rows: 0,
            missed: None,
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
        let fault = fault.map(says);
        if fault == Some(Says::Missed) {
            self.miss(now);
        }
        let failed = fault == Some(Says::Failed);
        let is_judged = fault.is_none() || failed;
        if *in_parts {
            let unit = if is_judged { self.ends.ended(only(failed), self.step_rows) } else { None };
            if let Some([share, ..]) = unit.and_then(|unit| unit.shares()) {
                self.runs.add(share);
            }
            return;
        }
        let took = nanos(*total);
        if fault.is_none() {
            self.latency.observe(took);
        }
        if timing.sealed == Sealed::Again {
            return;
        }
        if is_judged && is_from_elsewhere(timing) {
            self.runs.add(f64::from(failed));
        }
        let marks = fault.is_none().then(|| self.marks(took));
        let unit = self.open.ended(timing, rows.get(), marks, now);
        add(&mut self.slow, unit.and_then(|unit| unit.shares()));
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

    fn miss(&mut self, now: Tick) {
        if self.missed.is_none_or(|last| now.since(last) >= MISSED_ONCE_IN) {
            self.missed = Some(now);
            add(&mut self.slow, Some([1.0; Judged::MOST_LINES]));
        }
    }

    fn marks(&self, took: u64) -> Marks {
        let mut marks = Marks::default();
        for (mark, line) in marks.iter_mut().zip(&self.slow_ns) {
            *mark = took > *line;
        }
        marks
    }

    fn told(&mut self, (model, version, since): (CompactString, Version, u64), now: Tick) -> Evidence {
        self.open.overdue(now).for_each(|unit| add(&mut self.slow, unit.shares()));
        Evidence {
            model,
            version,
            since,
            slow_ns: self.slow_ns.clone(),
            runs: self.runs,
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
    /// Begins a count by these lines, goes on with the one that has the same, or ends it.
    pub(super) fn judge(&self, slow_ns: Option<&[u64]>) {
        let mut collected = self.collected.lock();
        if collected.counts.as_ref().map(|counts| &*counts.slow_ns) == slow_ns {
            return;
        }
        collected.since += u64::from(slow_ns.is_some());
        collected.counts = slow_ns.map(|slow_ns| Box::new(Counts::new(slow_ns)));
        self.is_on.store(slow_ns.is_some(), Relaxed);
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
