//! One shadow: what waits for it, what it may hold, and what was dropped.

use super::{kept::Kept, record::Record};
use crate::base::{
    call::{Produced, Timing},
    contract::Contract,
    inference::Inference,
    units::{Tick, User, Version},
};
use crate::decide::{
    mirror::Cause,
    policy::{self, ModelPolicy},
};
use crate::gateway::{
    memory::admission::{Ledger, Reserved},
    queue::service::Service,
};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::task::AbortHandle;

/// Copies that may wait.
const MOST_WAITING: usize = 64;
/// Copies that hosts may have, or whose answers are being compared.
pub(super) const MOST_IN_FLIGHT: usize = 16;
/// How long one may wait to be sent.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// Of the first of the copies that the version which answered gets too, so many; then one of so many.
const FIRST_NOISE: u64 = 16;
const NOISE_OF: u64 = 50;

/// What a table says of a shadow.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) shadow: policy::Shadow,
    /// Whose answers are compared: those that have a share.
    serving: Vec<Version>,
}

impl Wish {
    pub(super) fn of(shadow: policy::Shadow, policy: &ModelPolicy) -> Wish {
        let shares = policy.shares().iter().filter(|one| one.share > 0 && one.version != shadow.version);
        Wish { shadow, serving: shares.map(|one| one.version).collect() }
    }

    pub(super) fn is_of(&self, primary: Version) -> bool {
        self.serving.contains(&primary)
    }

    pub(super) fn may_repeat(&self, contract: &Contract) -> bool {
        self.shadow.repeatable || contract.repeatable
    }
}

/// A request on its way to a shadow, and what its caller was answered.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) inference: Box<Inference>,
    pub(super) contract: Arc<Contract>,
    /// `None`: the model failed.
    pub(super) answer: Option<Produced>,
    /// Its run; none of a model that failed.
    pub(super) ran: Timing,
    /// Who gets it: the shadow, or the version that answered, for the noise.
    pub(super) to: Arc<Service>,
    /// Its caller, where evidence is counted by users.
    pub(super) user: Option<User>,
    pub(super) since: Tick,
    /// Its bytes, until hosts and comparison have let go of them.
    pub(super) hold: Arc<Reserved>,
}

impl Copy {
    /// Of the request, which was found to fit.
    pub(super) fn rows(&self) -> u32 {
        let shape = self.inference.inputs.first().map(|input| input.tensor.shape.as_slice());
        let first = shape.and_then(|shape| shape.first()).filter(|_| !self.contract.unbatched);
        first.map_or(1, |rows| u32::try_from(*rows).unwrap_or(u32::MAX))
    }

    pub(super) fn is_noise(&self) -> bool {
        self.to.version == self.contract.version
    }
}

#[derive(Debug)]
pub(super) struct Shadow {
    pub(super) service: Arc<Service>,
    pub(super) wish: ArcSwap<Wish>,
    line: Mutex<VecDeque<Copy>>,
    pub(super) came: Notify,
    pub(super) seats: Arc<Semaphore>,
    pub(super) held: Arc<Ledger>,
    /// Copies that were put into the line.
    pub(super) copied: AtomicU64,
    dropped: [AtomicU64; Cause::ALL.len()],
    pub(super) record: Mutex<Record>,
    pub(super) kept: Kept,
    task: Mutex<Work>,
}

/// What sends the copies of a shadow.
#[derive(Debug, Default)]
enum Work {
    #[default]
    None,
    Goes(AbortHandle),
    /// For good: a request that came before may still have a copy for it.
    Over,
}

impl Shadow {
    pub(super) fn new(service: Arc<Service>, wish: Wish, held: Arc<Ledger>, kept: Kept) -> Arc<Shadow> {
        Arc::new(Shadow {
            service,
            wish: ArcSwap::from_pointee(wish),
            line: Mutex::default(),
            came: Notify::new(),
            seats: Arc::new(Semaphore::new(MOST_IN_FLIGHT)),
            held,
            copied: AtomicU64::new(0),
            dropped: Default::default(),
            record: Mutex::default(),
            kept,
            task: Mutex::default(),
        })
    }

    pub(super) fn wish_for(&self, wish: Wish) {
        self.record.lock().keep(|primary| wish.is_of(primary));
        self.kept.limit(wish.shadow.keep_worst);
        self.wish.store(Arc::new(wish));
    }

    /// It is no shadow any more.
    pub(super) fn end(&self) {
        if let Work::Goes(task) = std::mem::replace(&mut *self.task.lock(), Work::Over) {
            task.abort();
        }
        self.line.lock().clear();
    }

    /// Has what sends its copies begun, if nothing does, and has not ended.
    pub(super) fn begin(&self, spawn: impl FnOnce() -> AbortHandle) {
        let mut task = self.task.lock();
        if matches!(*task, Work::None) {
            *task = Work::Goes(spawn());
        }
    }

    fn is_over(&self) -> bool {
        matches!(*self.task.lock(), Work::Over)
    }

    pub(super) fn drops(&self, cause: Cause) {
        if let Some(count) = self.dropped.get(usize::from(cause.number()).saturating_sub(1)) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn dropped(&self) -> impl Iterator<Item = (Cause, u64)> {
        Cause::ALL.iter().zip(&self.dropped).map(|(cause, count)| (*cause, count.load(Relaxed)))
    }

    pub(super) fn is_full(&self) -> bool {
        self.line.lock().len() >= MOST_WAITING
    }

    pub(super) fn push(&self, copy: Copy) {
        if self.is_over() {
            return;
        }
        let mut line = self.line.lock();
        if line.len() >= MOST_WAITING {
            drop(line);
            return self.lose(&copy, Cause::Full);
        }
        if !copy.is_noise() {
            self.copied.fetch_add(1, Relaxed);
        }
        line.push_back(copy);
        drop(line);
        self.came.notify_one();
    }

    /// Those for the noise are not counted: they are a sample.
    pub(super) fn lose(&self, copy: &Copy, cause: Cause) {
        if !copy.is_noise() {
            self.drops(cause);
        }
    }

    /// Whether the next copy is one to measure the noise by.
    pub(super) fn measures_noise(&self) -> bool {
        let copied = self.copied.load(Relaxed);
        let of_each = self.wish.load().shadow.noise_of_each;
        of_each || copied < FIRST_NOISE || copied.is_multiple_of(NOISE_OF)
    }

    /// Until when the first in the line waits.
    pub(super) fn patience(&self) -> Option<Tick> {
        self.line.lock().front().map(|copy| copy.since.plus(PATIENCE))
    }

    pub(super) fn expire(&self, now: Tick) {
        loop {
            let mut line = self.line.lock();
            let is_late = line.front().is_some_and(|copy| copy.since.plus(PATIENCE) <= now);
            let Some(copy) = is_late.then(|| line.pop_front()).flatten() else { return };
            drop(line);
            self.lose(&copy, Cause::NoSlack);
        }
    }

    pub(super) fn next(&self) -> Option<Copy> {
        self.line.lock().pop_front()
    }
}
