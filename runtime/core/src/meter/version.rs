//! What is counted for one version while its requests come and go.

use super::executions::{self, Executions};
use super::histogram::{Histogram, SECONDS, Seen};
use super::{collector::Collector, evidence::Evidence, pool::Pair};
use crate::base::{
    call::{Execution, Sealed, Timing},
    clock,
    fault::Kind,
    units::{Rows, Tick, User, Version},
};
use crate::decide::{
    facts::Facts,
    pace::Pace,
    policy::{Fact, Judged},
};
use compact_str::CompactString;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// How a request ended, as its one owner (the gateway) saw it.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    pub rows: Rows,
    /// `None`: success.
    pub fault: Option<Kind>,
    /// From arrival to answer.
    pub total: Duration,
    /// Of that, since it was admitted: how long it takes to come is its caller's doing.
    pub inside: Duration,
    /// Its `queue_ns` is all waiting, here and in the host.
    pub timing: Timing,
    /// Its version answers in parts.
    pub in_parts: bool,
    /// Who asked, as [`VersionMeter::user`] has it.
    pub user: Option<User>,
}

/// Threads are spread over so many sets of numbers: two threads that add to one cache line cost each other
/// about 40 ns an addition, where an own line costs 5.
const SHARDS: usize = 8;

static NEXT_SEAT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SEAT: usize = NEXT_SEAT.fetch_add(1, Relaxed) % SHARDS;
}

/// Failures by kind.
#[derive(Debug, Default)]
pub(super) struct Failures([AtomicU64; Kind::ALL.len()]);

/// Failures by kind, in the order of [`Kind::ALL`], as read at one moment.
pub(super) type FailureCounts = [u64; Kind::ALL.len()];

impl Failures {
    pub(super) fn add(&self, kind: Kind) {
        if let Some((_, count)) = Kind::ALL.iter().zip(&self.0).find(|(each, _)| **each == kind) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn totals(&self) -> FailureCounts {
        let mut totals = [0; Kind::ALL.len()];
        self.add_to(&mut totals);
        totals
    }

    fn add_to(&self, totals: &mut FailureCounts) {
        for (total, count) in totals.iter_mut().zip(&self.0) {
            *total += count.load(Relaxed);
        }
    }
}

/// Two cache lines apart, because processors fetch lines in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    admitted: AtomicU64,
    left: AtomicU64,
    rows: AtomicU64,
    input_ns: AtomicU64,
    infer_ns: AtomicU64,
    output_ns: AtomicU64,
    /// Successes and their time.
    total: Histogram,
    queue: Histogram,
    failures: Failures,
    failed_ns: AtomicU64,
    /// Answers in parts that began, and that are over.
    streams: AtomicU64,
    streams_over: AtomicU64,
    /// Of answers in parts, and the time to the first of each.
    parts: AtomicU64,
    first_part: Histogram,
}

impl Default for Shard {
    fn default() -> Shard {
        Shard {
            admitted: AtomicU64::new(0),
            left: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            input_ns: AtomicU64::new(0),
            infer_ns: AtomicU64::new(0),
            output_ns: AtomicU64::new(0),
            total: Histogram::new(&SECONDS),
            queue: Histogram::new(&SECONDS),
            failures: Failures::default(),
            failed_ns: AtomicU64::new(0),
            streams: AtomicU64::new(0),
            streams_over: AtomicU64::new(0),
            parts: AtomicU64::new(0),
            first_part: Histogram::new(&SECONDS),
        }
    }
}

/// The numbers of one version; held by whoever counts, so that no look-up happens per request.
#[derive(Debug, Default)]
pub struct VersionMeter {
    shards: [Shard; SHARDS],
    executions: Executions,
    pace: Mutex<Pace>,
    evidence: Collector,
}

/// Everything of a version as read at one moment. Requests are successes unless a name says otherwise.
#[derive(Clone, Debug)]
pub(super) struct Totals {
    admitted: u64,
    left: u64,
    pub(super) rows: u64,
    pub(super) input_ns: u64,
    pub(super) infer_ns: u64,
    pub(super) output_ns: u64,
    pub(super) total: Seen,
    pub(super) queue: Seen,
    pub(super) failures: FailureCounts,
    pub(super) failed_ns: u64,
    streams: u64,
    streams_over: u64,
    pub(super) parts: u64,
    pub(super) first_part: Seen,
    pub(super) executions: executions::Totals,
}

impl VersionMeter {
    /// A request was admitted and waits.
    pub fn admitted(&self) {
        self.shard().admitted.fetch_add(1, Relaxed);
    }

    /// A request left the waiting room, for a host or for nowhere: once for each that was admitted.
    pub fn left_queue(&self) {
        self.shard().left.fetch_add(1, Relaxed);
    }

    /// A request ended. Say it before its caller has the answer, so that who has an answer finds it counted.
    pub fn settled(&self, ended: &Ended, now: Tick) {
        self.evidence.count(|counts| counts.settled(ended, now));
        let shard = self.shard();
        let total_ns = u64::try_from(ended.total.as_nanos()).unwrap_or(u64::MAX);
        if let Some(kind) = ended.fault {
            shard.failures.add(kind);
            shard.failed_ns.fetch_add(total_ns, Relaxed);
            return;
        }
        shard.rows.fetch_add(u64::from(ended.rows.get()), Relaxed);
        shard.input_ns.fetch_add(ended.timing.input_ns, Relaxed);
        shard.infer_ns.fetch_add(ended.timing.infer_ns, Relaxed);
        shard.output_ns.fetch_add(ended.timing.output_ns, Relaxed);
        shard.queue.observe(ended.timing.queue_ns);
        shard.total.observe(total_ns);
    }

    /// It has a host again, and had none.
    pub fn returned(&self, now: Tick) {
        self.evidence.count(|counts| counts.returned(now));
    }

    /// A request is to be answered in parts, or is no more.
    pub fn stream(&self, begins: bool) {
        let shard = self.shard();
        let count = if begins { &shard.streams } else { &shard.streams_over };
        count.fetch_add(1, Relaxed);
    }

    /// Who asks, where users are the units of evidence, and it says so.
    #[inline]
    pub fn user(&self, facts: &Facts<'_>) -> Option<User> {
        self.evidence.user(facts)
    }

    /// A caller took a part of its answer; `since`: the first, so long after its arrival.
    pub fn part(&self, since: Option<Duration>, user: Option<User>) {
        let shard = self.shard();
        shard.parts.fetch_add(1, Relaxed);
        if let Some(since) = since {
            shard.first_part.observe(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX));
            self.evidence.count(|counts| counts.first_part(since, user, clock::now()));
        }
    }

    /// The model ran over a batch.
    pub fn executed(&self, execution: Execution) {
        self.evidence.count(|counts| counts.executed(&execution));
        self.executions.add(execution, clock::unix_ms());
        // A run again is of rows that nobody would have chosen.
        if !execution.failed && execution.sealed != Sealed::Again {
            let Execution { rows, cost, input_ns, infer_ns, output_ns, between_ns, .. } = execution;
            let parts = [input_ns, infer_ns, output_ns, between_ns];
            let took = parts.into_iter().fold(0, u64::saturating_add);
            self.pace.lock().learn(rows, cost, Duration::from_nanos(took), clock::now());
        }
    }

    /// Of a shadow: an answer was compared with the one that a caller, this `user`, had.
    pub fn compared(&self, pair: &Pair, user: Option<User>) {
        self.evidence.count(|counts| counts.compared(pair, user, clock::now()));
    }

    /// How long it takes over batches, as far as is known now.
    pub fn pace(&self) -> Pace {
        *self.pace.lock()
    }

    /// Whether evidence is counted of it, for whom, and by which lines an answer is slow.
    pub(super) fn judge(&self, judged: Option<(&Judged, Option<&Fact>)>) {
        self.evidence.judge(judged);
    }

    /// `None`: it is not judged.
    pub(super) fn evidence(&self, model: &CompactString, version: Version, now: Tick) -> Option<Evidence> {
        self.evidence.told(model, version, now)
    }

    fn shard(&self) -> &Shard {
        let [first, ..] = &self.shards;
        self.shards.get(SEAT.with(|seat| *seat)).unwrap_or(first)
    }

    pub(super) fn totals(&self) -> Totals {
        let mut sum = Totals {
            admitted: 0,
            left: 0,
            rows: 0,
            input_ns: 0,
            infer_ns: 0,
            output_ns: 0,
            total: Seen::none(&SECONDS),
            queue: Seen::none(&SECONDS),
            failures: [0; Kind::ALL.len()],
            failed_ns: 0,
            streams: 0,
            streams_over: 0,
            parts: 0,
            first_part: Seen::none(&SECONDS),
            executions: self.executions.totals(),
        };
        for shard in &self.shards {
            sum.admitted += shard.admitted.load(Relaxed);
            sum.left += shard.left.load(Relaxed);
            sum.rows += shard.rows.load(Relaxed);
            sum.input_ns += shard.input_ns.load(Relaxed);
            sum.infer_ns += shard.infer_ns.load(Relaxed);
            sum.output_ns += shard.output_ns.load(Relaxed);
            sum.total.add(&shard.total);
            sum.queue.add(&shard.queue);
            sum.streams += shard.streams.load(Relaxed);
            sum.streams_over += shard.streams_over.load(Relaxed);
            sum.parts += shard.parts.load(Relaxed);
            sum.first_part.add(&shard.first_part);
            shard.failures.add_to(&mut sum.failures);
            sum.failed_ns += shard.failed_ns.load(Relaxed);
        }
        sum
    }
}

impl Totals {
    /// Requests that wait. Saturates: one that comes and goes while the shards are read may be seen only going.
    pub(super) fn pending(&self) -> u64 {
        self.admitted.saturating_sub(self.left)
    }

    /// Answers in parts under way. Saturates in the same way.
    pub(super) fn streaming(&self) -> u64 {
        self.streams.saturating_sub(self.streams_over)
    }
}

#[cfg(test)]
#[path = "version_tests.rs"]
mod tests;
