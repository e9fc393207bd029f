//! Sequences that ask nothing are forgotten, though nobody else asks anything either.
//!
//! One timer for a stateful version, set when a sequence falls quiet while no timer runs, and never moved: a wake-up each
//! `idle_ms` at most, none while no sequence is at work.

use super::{
    intake::{Intake, State, answer},
    kept::Kept,
    room::Leaving,
};
use crate::base::{clock, primitive::MutexGuard, units::Tick};
use std::sync::{Arc, Weak};
use tokio::sync::Notify;

/// Lives as long as the intake.
pub(super) async fn expire(intake: Weak<Intake>, quiet: Arc<Notify>) {
    loop {
        let Some(next) = intake.upgrade().map(|held| held.expire(clock::now())) else { return };
        match next {
            Some(at) => tokio::time::sleep_until(clock::instant(at)).await,
            None => quiet.notified().await,
        }
    }
}

impl Intake {
    /// When to look again.
    pub(super) fn expire(&self, now: Tick) -> Option<Tick> {
        let mut state = self.state.lock();
        let next = state.room.expire(now);
        state.expires = next.is_some();
        self.settle_slots(state);
        next
    }

    /// After anything that may have moved sequences. Whoever leaves is answered, and what was kept of sequences that are
    /// over dropped, without the lock: that takes the interpreter, whose holder may want the lock.
    pub(super) fn settle_slots(&self, mut state: MutexGuard<'_, State>) {
        if !state.room.has_slots() {
            return;
        }
        if state.holding && state.room.has_waiting() {
            self.holder.notify_one(); // what it holds open may be full by now
        }
        self.wake_next(&mut state);
        if !state.expires && state.room.next_expiry().is_some() {
            state.expires = true;
            self.quiet.notify_one();
        }
        if state.room.is_empty() {
            self.empty.notify_all();
        }
        let (leaving, dropped): (Leaving, Vec<Arc<Kept>>) = state.room.take_leaving();
        drop(state);
        answer(leaving);
        drop(dropped);
    }
}

#[cfg(test)]
#[path = "slots_tests.rs"]
mod tests;
