//! A gateway that ends lets the sequences that are at work end first: what their models keep of them ends with the
//! server.

use super::Gateway;
use crate::base::{
    clock,
    fault::{Fault, Kind},
    sequence::Correlation,
    units::Tick,
};
use parking_lot::{Condvar, Mutex};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct Ending {
    begun: AtomicBool,
    /// How often a sequence may have ended since.
    moves: Mutex<u64>,
    moved: Condvar,
}

impl Gateway {
    /// Nothing new is taken: only who goes on with a sequence is let in.
    pub(super) fn turns_away(&self, correlation: Option<&Correlation>) -> bool {
        self.ending.begun.load(Relaxed) && correlation.is_none_or(|one| one.start)
    }

    /// It takes nothing, and has nothing any more.
    pub(super) fn is_over(&self) -> bool {
        self.gate.is_shut() && self.gate.inside() == 0
    }

    pub(super) fn is_ending(&self) -> bool {
        self.ending.begun.load(Relaxed)
    }

    /// Blocks until no sequence is at work; at most three quarters of the time that an end may take, for what runs then
    /// has to end too. Returns the time that is left.
    pub(super) fn let_sequences_end(&self, grace: Duration) -> Duration {
        let began = clock::now();
        let until = began.plus(grace * 3 / 4);
        let mut moves = self.ending.moves.lock();
        while let Some(next) = self.next_end(clock::now()) {
            self.ending.begun.store(true, Relaxed);
            let (now, seen) = (clock::now(), *moves);
            if until <= now {
                break;
            }
            // Or one is forgotten, which nobody tells of.
            self.ending.moved.wait_while_for(&mut moves, |moves| *moves == seen, next.min(until).since(now));
        }
        grace.saturating_sub(clock::now().since(began))
    }

    /// When one may be forgotten, at the latest; `None`: none is at work.
    fn next_end(&self, now: Tick) -> Option<Tick> {
        let services: Vec<_> = self.registry.lock().services().cloned().collect();
        services.iter().filter_map(|service| service.next_end_of_sequence(now)).min()
    }

    /// A call of a sequence was answered, or the host is gone that had some.
    pub(super) fn sequence_moved(&self) {
        if self.is_ending() {
            *self.ending.moves.lock() += 1;
            self.ending.moved.notify_all();
        }
    }
}

pub(super) fn draining() -> Fault {
    Fault::new(Kind::Unavailable, "Server exiting: it finishes what it has and takes nothing new")
}
