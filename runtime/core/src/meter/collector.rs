//! Counts of evidence while a version is judged: begun, gone on with and ended as tables say.

use super::evidence::{Counts, Evidence};
use crate::base::units::{Tick, User, Version};
use crate::decide::{
    facts::Facts,
    policy::{Fact, Judged},
};
use arc_swap::ArcSwapOption;
use compact_str::CompactString;
use parking_lot::Mutex;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};

/// Of users' hashes: nobody outside can choose who is taken for whom.
static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Counts for a version while it is judged; looked at by each request and run.
#[derive(Debug, Default)]
pub(super) struct Collector {
    /// All that a version costs that is not judged. Relaxed: who ends while a count begins may be in it or not.
    is_on: AtomicBool,
    /// Where requests say who asks, while users are the units.
    who: ArcSwapOption<Fact>,
    collected: Mutex<Collected>,
}

#[derive(Debug, Default)]
struct Collected {
    since: u64,
    /// Boxed: three kilobytes, and rarely there.
    counts: Option<Box<Counts>>,
}

impl Collector {
    /// Begins a count, goes on with the one that is of the same rollout, step and lines, or ends it.
    pub(super) fn judge(&self, judged: Option<(&Judged, Option<&Fact>)>) {
        let who = judged.filter(|(judged, _)| judged.users_at_step.is_some()).and_then(|(_, fact)| fact);
        let judged = judged.map(|(judged, _)| judged);
        let mut collected = self.collected.lock();
        self.who.store(who.cloned().map(Arc::new));
        if collected.counts.as_ref().map(|counts| &counts.judged) == judged {
            return;
        }
        collected.since += u64::from(judged.is_some());
        collected.counts = judged.map(|judged| Box::new(Counts::new(judged)));
        self.is_on.store(judged.is_some(), Relaxed);
    }

    #[inline]
    pub(super) fn user(&self, facts: &Facts<'_>) -> Option<User> {
        if !self.is_on.load(Relaxed) {
            return None;
        }
        facts.read(self.who.load().as_deref()?, |value| user(KEYS.hash_one(value)))
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

fn user(hash: u64) -> User {
    User(NonZeroU64::new(hash).unwrap_or(NonZeroU64::MIN))
}

#[cfg(test)]
#[path = "collector_tests.rs"]
mod tests;
