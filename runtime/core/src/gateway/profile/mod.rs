//! Profiles: what the tensors of some requests are like, of versions that the table has as profiled.
//!
//! Of a request that is chosen the tensors are kept, not copied, until its caller has the answer ([`sample`]). A thread
//! of the lowest priority then looks at them ([`observer`]) and adds up what it finds ([`counts`]). What is unusual in
//! that is decided elsewhere, by who has seen all gateways; the metrics page shows what that has said last ([`scores`]).

mod counts;
mod observer;
mod sample;
mod scores;

use crate::base::units::{Tick, Version};
use crate::decide::policy::Profiled;
use crate::gateway::{
    Gateway,
    memory::admission::{Ledger, Of},
    table::state::Model,
};
use crate::meter::{Family, label};
use arc_swap::ArcSwap;
use compact_str::CompactString;
use counts::Counts;
use observer::Observer;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use scores::Scores;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::time::Duration;

pub(super) use sample::Sample;

/// Bytes of requests and answers that wait to be looked at.
const BYTES: usize = 32 << 20;

type ByModel = FxHashMap<CompactString, Vec<Arc<Profile>>>;

/// Of one gateway.
#[derive(Debug)]
pub(super) struct Profiles {
    of: ArcSwap<ByModel>,
    /// Whether there is one: all that a request looks at where there is none.
    any: AtomicBool,
    held: Arc<Ledger>,
    observer: Observer,
    scores: Scores,
    /// Counts that were begun.
    begun: AtomicU64,
}

impl Default for Profiles {
    fn default() -> Profiles {
        Profiles {
            of: ArcSwap::default(),
            any: AtomicBool::new(false),
            held: Ledger::new(Of::Requests, BYTES),
            observer: Observer::default(),
            scores: Scores::default(),
            begun: AtomicU64::new(0),
        }
    }
}

/// Of one version, for as long as the table has it as profiled in this way.
#[derive(Debug)]
struct Profile {
    model: CompactString,
    wish: Profiled,
    /// Which count it is: of the same one totals only grow.
    since: u64,
    /// The next request is chosen that comes at or after this tick.
    next: AtomicU64,
    /// Chosen, and not looked at for want of room.
    missed: AtomicU64,
    counts: Mutex<Counts>,
}

impl Profile {
    /// Whether a request that arrived then is chosen. As many a second are as are wished for, and no more than one thread
    /// looks at in a tenth of its time.
    fn chooses(&self, arrived: Tick) -> bool {
        let next = self.next.load(Relaxed);
        let after = arrived.plus(Duration::from_secs(1) / self.wish.per_second.max(1));
        arrived.nanos() >= next && self.next.compare_exchange(next, after.nanos(), Relaxed, Relaxed).is_ok()
    }

    fn looked_at(&self, took: Duration, now: Tick) {
        self.next.fetch_max(now.plus(took * 9).nanos(), Relaxed);
    }

    fn told(&self) -> Value {
        let (rows, tensors) = self.counts.lock().told();
        json!({
            "model": self.model,
            "version": self.wish.version,
            "since": self.since,
            "rows": rows,
            "missed": self.missed.load(Relaxed),
            "tensors": tensors,
        })
    }
}

impl Profiles {
    /// Those of a new table. One that is asked for as before goes on with what it has counted.
    pub(super) fn follow(&self, models: &FxHashMap<CompactString, Model>) {
        let before = self.of.load();
        let mut after = ByModel::default();
        for (name, model) in models {
            let known = before.get(name).map(Vec::as_slice).unwrap_or_default();
            for wish in model.policy.profiled() {
                let held = known.iter().find(|one| one.wish == *wish).cloned();
                let profile = held.unwrap_or_else(|| Arc::new(self.begin(name, wish)));
                after.entry(name.clone()).or_default().push(profile);
            }
        }
        let any = !after.is_empty();
        self.of.store(Arc::new(after));
        self.any.store(any, Release);
    }

    fn begin(&self, model: &CompactString, wish: &Profiled) -> Profile {
        Profile {
            model: model.clone(),
            wish: wish.clone(),
            since: self.begun.fetch_add(1, Relaxed) + 1,
            next: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            counts: Mutex::default(),
        }
    }

    #[inline]
    fn are_there(&self) -> bool {
        self.any.load(Acquire)
    }

    fn of(&self, model: &str, version: Version) -> Option<Arc<Profile>> {
        self.of.load().get(model)?.iter().find(|one| one.wish.version == version).cloned()
    }

    fn sorted(&self) -> Vec<Arc<Profile>> {
        let mut all: Vec<_> = self.of.load().values().flatten().cloned().collect();
        all.sort_unstable_by(|a, b| (&a.model, a.wish.version).cmp(&(&b.model, b.wish.version)));
        all
    }

    /// Bytes that wait to be looked at.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held.taken()
    }

    pub(super) fn families(&self) -> Vec<Family> {
        if !self.are_there() {
            return Vec::new();
        }
        let mut rows = Family {
            name: "headrace_profiled_rows_total".into(),
            kind: "counter",
            help: "Rows that were looked at for what they are like".into(),
            rows: Vec::new(),
        };
        for one in self.sorted() {
            let labels = format!("{},version=\"{}\"", label("model", &one.model), one.wish.version);
            rows.rows.push((labels, one.counts.lock().rows().to_string()));
        }
        let is_profiled = |model: &str, version| self.of(model, version).is_some();
        [rows].into_iter().chain(self.scores.families(is_profiled)).collect()
    }
}

impl Gateway {
    /// What was counted of the versions that are profiled, as JSON: totals, which only grow while `began` and a version's
    /// `since` are the same. `scores`, a list as JSON, is what the metrics page shows from now on; why it cannot.
    pub fn profiles(&self, scores: &str) -> Result<String, String> {
        self.profiles.scores.take(scores)?;
        let versions: Vec<_> = self.profiles.sorted().iter().map(|one| one.told()).collect();
        Ok(json!({"began": self.began, "versions": versions}).to_string())
    }
}
