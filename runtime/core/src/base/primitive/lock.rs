//! A lock and a condition with the signatures of parking_lot, of loom's parts.
//!
//! No wait times out: whoever would be saved by its time alone is found as a deadlock.

use loom::{
    sync,
    thread::{self, Thread},
};
use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

#[derive(Debug, Default)]
pub struct Mutex<T>(sync::Mutex<T>);

/// Without `held` only while its owner waits, or works unlocked.
#[derive(Debug)]
pub struct MutexGuard<'a, T> {
    home: &'a Mutex<T>,
    held: Option<sync::MutexGuard<'a, T>>,
}

impl<T> Mutex<T> {
    pub fn new(value: T) -> Mutex<T> {
        Mutex(sync::Mutex::new(value))
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard { home: self, held: Some(self.acquire()) }
    }

    fn acquire(&self) -> sync::MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> MutexGuard<'_, T> {
    pub fn unlocked<U>(guard: &mut Self, work: impl FnOnce() -> U) -> U {
        guard.held = None;
        let done = work();
        guard.held = Some(guard.home.acquire());
        done
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        let Some(held) = &self.held else { unreachable!("looked at while unlocked") };
        held
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        let Some(held) = &mut self.held else { unreachable!("changed while unlocked") };
        held
    }
}

/// Loom's own keeps a waiter in its queue that was woken by something else; a later notice is then lost on it.
#[derive(Debug, Default)]
pub struct Condvar {
    waiting: Mutex<VecDeque<Arc<Waiter>>>,
}

#[derive(Debug)]
struct Waiter {
    thread: Thread,
    told: AtomicBool,
}

impl Condvar {
    pub fn new() -> Condvar {
        Condvar::default()
    }

    pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let waiter = Arc::new(Waiter { thread: thread::current(), told: AtomicBool::new(false) });
        self.waiting.lock().push_back(Arc::clone(&waiter));
        MutexGuard::unlocked(guard, || {
            while !waiter.told.load(Acquire) {
                thread::park();
            }
        });
    }

    pub fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _: Duration) {
        self.wait(guard);
    }

    pub fn notify_one(&self) {
        let waiter = self.waiting.lock().pop_front();
        waiter.iter().for_each(|waiter| waiter.tell());
    }

    pub fn notify_all(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        waiting.iter().for_each(|waiter| waiter.tell());
    }
}

impl Waiter {
    fn tell(&self) {
        self.told.store(true, Release);
        self.thread.unpark();
    }
}
