//! The lane of a version that answers in parts: it steps, again and again, while sequences are at work.
//!
//! There is one such lane: sequences are state of the model, and a second lane would need a second set of them. While
//! nobody is at work it rests as lanes of batches do ([`super::lane`]), at the links if it can. While all that are at
//! work are paused or rest it waits for credit, for who wakes them, a call, a caller that leaves, or the clock.

use super::{
    intake::{Intake, State, answer},
    room::{Leaving, Next},
    step::Step,
};
use crate::base::{clock, primitive::MutexGuard};
use std::sync::Arc;

impl Intake {
    /// Blocks until there is something to do: sequences that may emit, or some to forget. `None` once closed and empty.
    pub fn next_step(self: &Arc<Intake>) -> Option<Step> {
        self.forget_step();
        loop {
            let mut leaving = Leaving::new();
            let next = self.next(&mut leaving);
            answer(leaving);
            match next {
                Next::Step(begun) => return Some(Step::begin(self, *begun)),
                Next::Closed => return None,
                Next::Wait { .. } | Next::Idle => {}
            }
        }
    }

    /// Waits under the lock, and comes back with a step, the end, or calls that left.
    fn next(&self, leaving: &mut Leaving) -> Next {
        let mut state = self.state.lock();
        loop {
            let now = clock::now();
            let next = state.room.step(self.contract(), now, leaving);
            if state.room.is_empty() {
                self.empty.notify_all();
            }
            match next {
                Next::Step(begun) => {
                    self.set_watch(&mut state);
                    return Next::Step(begun);
                }
                Next::Closed => return Next::Closed,
                Next::Wait { .. } | Next::Idle if !leaving.is_empty() => return next,
                Next::Wait { until } => {
                    state.idle += 1;
                    self.idle.wait_for(&mut state, until.since(now));
                    state.idle -= 1;
                    state.waking = false;
                }
                Next::Idle => self.rest(&mut state),
            }
        }
    }

    /// One of those at work may emit again, or is gone.
    pub(super) fn wake_stepper(&self, state: &mut MutexGuard<'_, State>) {
        if state.idle > 0 && !state.waking && state.room.wants_look() {
            state.waking = true;
            self.idle.notify_one();
        }
    }
}
