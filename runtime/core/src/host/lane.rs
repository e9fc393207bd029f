//! A lane's side of an intake: it pulls batches and runs the model over them.
//!
//! Lanes block without polling; a call wakes exactly one of them, and a lane that leaves calls behind
//! wakes the next. One idle lane waits for the links themselves, if the host has any: it needs no waking for what
//! it takes in.

use super::{
    batch::Batch,
    intake::{Intake, State, answer},
    room::{Leaving, Turn},
};
use crate::base::{
    clock, panics,
    primitive::{MutexGuard, thread},
};
use std::sync::Arc;

impl Intake {
    /// Blocks until there is a batch to run, with its inputs gathered; `None` once closed and empty. Where lanes prepare
    /// their batches it has still to [`enter`](Batch::entrance) the model.
    pub fn next_batch(self: &Arc<Intake>) -> Option<Batch> {
        loop {
            let mut leaving = Leaving::new();
            let turn = self.turn(&mut leaving);
            answer(leaving);
            if self.contract().sequences.is_some() {
                self.settle_slots(self.state.lock());
            }
            match turn {
                Turn::Run { calls, running, entered, search } => {
                    let gather = || {
                        Batch::gather(Arc::clone(self), calls, Arc::clone(&running), search, &self.staging)
                    };
                    let Ok(mut batch) = panics::survive(gather) else {
                        self.forget(&running);
                        continue;
                    };
                    if entered || self.prepares {
                        return Some(batch);
                    }
                    match batch.entrance().wait() {
                        Some(entered) => {
                            batch.has_entered(entered);
                            return Some(batch);
                        }
                        None => batch.give_back(),
                    }
                }
                Turn::Closed => return None,
                Turn::Wait { .. } | Turn::Idle => {}
            }
        }
    }

    /// Waits under the lock, and comes back with work, the end, or calls that left.
    fn turn(&self, leaving: &mut Leaving) -> Turn {
        let mut state = self.state.lock();
        loop {
            let now = clock::now();
            let turn = state.room.turn(now, leaving);
            if !leaving.is_empty() && state.room.is_empty() {
                self.empty.notify_all();
            }
            match turn {
                Turn::Run { entered, .. } => {
                    if entered || self.prepares {
                        self.set_watch(&mut state);
                    }
                    self.wake_next(&mut state);
                    return turn;
                }
                Turn::Closed => {
                    self.wake_next(&mut state);
                    return turn;
                }
                Turn::Wait { .. } | Turn::Idle if !leaving.is_empty() => return turn,
                Turn::Wait { until } if !state.holding => {
                    state.holding = true;
                    self.holder.wait_for(&mut state, until.since(now));
                    state.holding = false;
                }
                Turn::Wait { .. } | Turn::Idle => self.rest(&mut state),
            }
        }
    }

    /// Until there may be something to do.
    pub(super) fn rest(&self, state: &mut MutexGuard<'_, State>) {
        match &self.ear {
            Some(ear) if state.listening.is_none() => {
                state.listening = Some(thread::current().id());
                MutexGuard::unlocked(state, || ear.listen());
                state.listening = None;
            }
            Some(_) | None => {
                state.idle += 1;
                self.idle.wait(state);
                state.idle -= 1;
            }
        }
        state.waking = false;
    }

    /// One idle lane looks at what waits, unless one is on its way or holds the batch open.
    pub(super) fn wake_next(&self, state: &mut MutexGuard<'_, State>) {
        let wanted = state.room.has_waiting() || !state.room.is_open();
        if !wanted || state.waking || state.holding {
            return;
        }
        match (state.listening, &self.ear) {
            // It looks when it has taken in what came.
            (Some(lane), _) if lane == thread::current().id() => {}
            _ if state.idle > 0 => {
                state.waking = true;
                self.idle.notify_one();
            }
            (Some(_), Some(ear)) => {
                state.waking = true;
                ear.ring();
            }
            (Some(_) | None, _) => {}
        }
    }
}
