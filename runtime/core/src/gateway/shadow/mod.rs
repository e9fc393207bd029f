//! Shadows: versions that get copies of what others answered, while nobody is served, and whose answers are compared.
//!
//! A copy is made when its caller has the answer. It waits in the line of its shadow ([`line`]) until no caller is
//! inside this gateway ([`quiet`]), is sent as a call that nobody retries or counts ([`send`]), and what comes back is
//! compared on a thread of the lowest priority ([`judge`], [`record`]), which keeps the worst pairs if it is told to
//! ([`kept`], [`pair`]).

mod copies;
mod judge;
mod kept;
mod line;
mod pair;
mod quiet;
mod record;
mod send;

pub(super) use copies::Copies;
pub(super) use quiet::Inside;

use crate::gateway::{
    memory::admission::{Ledger, Of},
    queue::service::Service,
    table::state::Model,
};
use crate::meter::Family;
use arc_swap::ArcSwap;
use compact_str::CompactString;
use judge::Judge;
use kept::Kept;
use line::{Shadow, Wish};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use quiet::Quiet;
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Release};

/// Bytes of requests and answers that all shadows keep together, and one of them: a part of the arena that calls have.
const ALL_BYTES: usize = 32 << 20;
const BYTES: usize = 16 << 20;

type ByModel = FxHashMap<CompactString, Vec<Arc<Shadow>>>;

/// Of one gateway.
#[derive(Debug)]
pub(super) struct Shadows {
    of: ArcSwap<ByModel>,
    /// Whether there is one: all that a request looks at where there is none.
    any: AtomicBool,
    quiet: Arc<Quiet>,
    held: Arc<Ledger>,
    judge: Judge,
    /// Of all pairs that are kept.
    worst: Option<PathBuf>,
}

impl Shadows {
    pub(super) fn new(worst: Option<PathBuf>) -> Shadows {
        Shadows {
            of: ArcSwap::default(),
            any: AtomicBool::new(false),
            quiet: Arc::default(),
            held: Ledger::new(Of::Requests, ALL_BYTES),
            judge: Judge::default(),
            worst,
        }
    }

    /// Those of a new table. One that was there goes on with what it has and knows; one that is gone forgets it.
    pub(super) fn follow(&self, models: &FxHashMap<CompactString, Model>) {
        let before = self.of.load();
        let mut after = ByModel::default();
        for (name, model) in models {
            for wanted in model.policy.shadows() {
                let Some(service) = model.service(wanted.version) else { continue };
                let wish = Wish::of(*wanted, &model.policy);
                let known = before.get(name).into_iter().flatten();
                let held = known.into_iter().find(|one| Arc::ptr_eq(&one.service, service));
                let shadow = match held {
                    Some(shadow) => {
                        shadow.wish_for(wish);
                        Arc::clone(shadow)
                    }
                    None => {
                        let kept = Kept::new(self.folder(service), wish.shadow.keep_worst);
                        Shadow::new(Arc::clone(service), wish, Ledger::new(Of::Requests, BYTES), kept)
                    }
                };
                after.entry(name.clone()).or_default().push(shadow);
            }
        }
        let gone = |shadow: &&Arc<Shadow>| {
            let left = after.get(&shadow.service.model);
            !left.is_some_and(|left| left.iter().any(|one| Arc::ptr_eq(one, shadow)))
        };
        for shadow in before.values().flatten().filter(gone) {
            shadow.end();
            shadow.kept.limit(0);
        }
        let any = !after.is_empty();
        self.of.store(Arc::new(after));
        self.any.store(any, Release);
    }

    /// One name for a model and a version, whatever a model may be called.
    fn folder(&self, service: &Service) -> Option<PathBuf> {
        let model = utf8_percent_encode(&service.model, NON_ALPHANUMERIC);
        Some(self.worst.as_ref()?.join(format!("{model}@{}", service.version)))
    }

    /// Nobody is copied any more.
    pub(super) fn end(&self) {
        self.of.load().values().flatten().for_each(|shadow| shadow.end());
    }

    /// What they found, for Python: a list.
    pub(super) fn told(&self) -> Value {
        self.sorted().iter().map(|shadow| shadow.told()).collect()
    }

    pub(super) fn families(&self) -> Vec<Family> {
        record::families(&self.sorted())
    }

    fn sorted(&self) -> Vec<Arc<Shadow>> {
        let mut all: Vec<_> = self.of.load().values().flatten().cloned().collect();
        all.sort_unstable_by(|a, b| {
            (&a.service.model, a.service.version).cmp(&(&b.service.model, b.service.version))
        });
        all
    }
}
