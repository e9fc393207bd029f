//! A bounded memory of how requests went: some that were answered, and those that were not, so that an operator can ask
//! why one took so long or was refused.

use super::service::Running;
use crate::base::{
    call::Timing,
    clock,
    fault::Kind,
    units::{CallId, Rows, Tick},
};
use compact_str::CompactString;
use parking_lot::Mutex;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Of each kind.
const MOST: usize = 256;
/// One answered request of so many is kept, beside those that asked to be (`x-headrace-timing`).
const ONE_OF: u64 = 256;
/// Of those that failed one a millisecond is kept: under overload there are many, and all alike.
const PAUSE_NS: u64 = 1_000_000;
/// Characters of a name.
const NAME: usize = 128;
/// Characters of a fault.
const NOTE: usize = 500;

/// Characters that are told, as JSON within JSON of ASCII alone: an event of a gateway is one line of a megabyte.
const MOST_TOLD: usize = 900 << 10;

fn escaped(json: &str) -> usize {
    let each = |c: char| match c {
        '"' | '\\' => 2,
        c if c.is_ascii() => 1,
        c => 6 * c.len_utf16(),
    };
    json.chars().map(each).sum::<usize>() + 1
}

#[derive(Debug, Default)]
pub(in crate::gateway) struct Recent {
    answered: Mutex<VecDeque<Record>>,
    failed: Mutex<VecDeque<Record>>,
    last_failed_ns: AtomicU64,
}

/// What is known of a request before it ends.
#[derive(Clone, Debug)]
pub(super) struct Traced {
    /// As its caller named it; may be empty.
    pub(in crate::gateway) id: CompactString,
    pub(in crate::gateway) call: CallId,
    pub(in crate::gateway) rows: Rows,
    pub(super) level: u8,
    pub(in crate::gateway) arrived: Tick,
    pub(in crate::gateway) deadline: Tick,
    pub(super) tries: u8,
    /// That it was cut into: its stages are sums of theirs, which ran beside each other.
    pub(in crate::gateway) parts: usize,
    /// What its caller is told, where that is known by now.
    pub(in crate::gateway) note: Cow<'static, str>,
}

impl Traced {
    /// As its caller named it, but not at any length.
    pub(in crate::gateway) fn name(id: &CompactString) -> CompactString {
        if id.len() <= NAME { id.clone() } else { id.chars().take(NAME).collect() }
    }
}

#[derive(Clone, Debug, Serialize)]
struct Record {
    unix_ms: u64,
    id: CompactString,
    call: u64,
    model: CompactString,
    version: u64,
    rows: u32,
    priority: u8,
    priorities: u8,
    /// What its caller allowed, or the model's default.
    deadline_ms: Option<f64>,
    /// Times that it was sent to a host.
    tries: u8,
    parts: usize,
    /// `answered`, or the kind of fault.
    end: &'static str,
    /// Of a fault.
    note: String,
    total_ms: f64,
    /// In the gateway and in the host, together.
    queue_ms: f64,
    input_ms: f64,
    model_ms: f64,
    output_ms: f64,
    batch_rows: u32,
    /// Why its batch went when it did.
    sealed: &'static str,
}

impl Recent {
    /// Whether an answered request is kept.
    pub(in crate::gateway) fn keeps(call: CallId, asked: bool) -> bool {
        asked || call.0.is_multiple_of(ONE_OF)
    }

    pub(super) fn answered(&self, traced: Traced, running: &Running, timing: &Timing, now: Tick) {
        push(&self.answered, record(traced, running, timing, None, now));
    }

    /// `traced` is asked for only if it is kept.
    pub(super) fn failed(
        &self,
        traced: impl FnOnce() -> Traced,
        running: &Running,
        (kind, note): (Kind, &str),
        timing: &Timing,
        now: Tick,
    ) {
        let last = self.last_failed_ns.load(Relaxed);
        if now.nanos().saturating_sub(last) < PAUSE_NS && last != 0 {
            return;
        }
        self.last_failed_ns.store(now.nanos(), Relaxed);
        push(&self.failed, record(traced(), running, timing, Some((kind, note)), now));
    }

    /// All that is kept, the newest first, as JSON.
    pub(in crate::gateway) fn told(&self) -> String {
        let mut all: Vec<_> = self.answered.lock().iter().chain(&*self.failed.lock()).cloned().collect();
        all.sort_unstable_by_key(|one| std::cmp::Reverse((one.unix_ms, one.call)));
        let (mut told, mut left) = (Vec::new(), MOST_TOLD);
        for one in all.iter().filter_map(|one| serde_json::to_string(one).ok()) {
            let Some(rest) = usize::checked_sub(left, escaped(&one)) else { break };
            left = rest;
            told.push(one);
        }
        format!("[{}]", told.join(","))
    }
}

fn push(to: &Mutex<VecDeque<Record>>, record: Record) {
    let mut kept = to.lock();
    let oldest = if kept.len() >= MOST { kept.pop_front() } else { None };
    kept.push_back(record);
    drop(kept);
    drop(oldest); // not under the lock
}

fn record(
    traced: Traced,
    running: &Running,
    timing: &Timing,
    fault: Option<(Kind, &str)>,
    now: Tick,
) -> Record {
    let Traced { id, call, rows, level, arrived, deadline, tries, parts, .. } = traced;
    let contract = &running.contract;
    let (end, note) = fault.map_or(("answered", ""), |(kind, note)| (kind.code(), note));
    let allowed = (deadline != Tick::NEVER).then(|| deadline.since(arrived).as_secs_f64() * 1e3);
    Record {
        unix_ms: clock::unix_ms(),
        id,
        call: call.0,
        model: contract.model.clone(),
        version: contract.version.0,
        rows: rows.get(),
        priority: level,
        priorities: contract.batching.levels().max(1),
        deadline_ms: allowed,
        tries,
        parts,
        end,
        note: note.chars().take(NOTE).collect(),
        total_ms: now.since(arrived).as_secs_f64() * 1e3,
        queue_ms: ms(timing.queue_ns),
        input_ms: ms(timing.input_ns),
        model_ms: ms(timing.infer_ns),
        output_ms: ms(timing.output_ns),
        batch_rows: timing.batch_rows,
        sealed: if timing.batch_rows > 0 { timing.sealed.code() } else { "" },
    }
}

/// Below 2^53 for the next hundred days.
#[allow(clippy::cast_precision_loss, reason = "see above")]
fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}
