//! The way of a batch into the model and out of it.
//!
//! Where lanes prepare their batches, or a device works on while its lane has the next one in the model already, a
//! batch is ready before the model is free for it: [`Batch::enter`] waits for that.

use super::{
    batch::Batch,
    intake::{Intake, Settling},
    room::Room,
    running::Running,
    runs::Entry,
};
use crate::base::{clock, units::Tick};
use std::sync::Arc;

/// Who waits for the model with a batch that others may answer meanwhile.
#[derive(Clone, Debug)]
pub struct Entrance {
    intake: Arc<Intake>,
    running: Arc<Running>,
}

impl Entrance {
    /// Blocks until the model is this batch's; `None` once it hangs in another one.
    pub fn wait(&self) -> Option<Entered> {
        let ready = clock::now();
        let at = self.intake.enter(&self.running)?;
        Some(Entered { ready, at })
    }

    /// The model may be given the next batch, for its device takes them in turn; this one's answer is still to come.
    pub fn launched(&self) {
        self.intake.make_way(|room| room.launched(&self.running));
    }

    /// The model and its device have come back from this batch, and its lane has more to do for its answer.
    pub fn left(&self) -> Left {
        let (returned, mut since) = (clock::now(), None);
        self.intake.make_way(|room| since = room.finish(&self.running, returned));
        Left { since, returned }
    }
}

/// When a batch was ready for the model, and when it got it.
#[derive(Clone, Copy, Debug)]
pub struct Entered {
    pub(super) ready: Tick,
    pub(super) at: Tick,
}

/// When the model came back from a batch, and since when its device was this batch's, where that is not when it
/// entered.
#[derive(Clone, Copy, Debug)]
pub struct Left {
    pub(super) since: Option<Tick>,
    pub(super) returned: Tick,
}

impl Batch {
    /// To be waited at by a lane that has its batch before the model is free.
    pub fn entrance(&self) -> Entrance {
        Entrance { intake: Arc::clone(self.intake()), running: Arc::clone(self.running()) }
    }
}

impl Intake {
    /// Waits for the model, which others are in; `None` once it hangs.
    pub(super) fn enter(&self, running: &Arc<Running>) -> Option<Tick> {
        let mut state = self.state.lock();
        loop {
            let now = clock::now();
            match state.room.enter(running, now) {
                Entry::Now => {
                    self.set_watch(&mut state);
                    return Some(now);
                }
                Entry::Later => self.entrance.wait(&mut state),
                Entry::Never => return None,
            }
        }
    }

    /// The model has returned: the next lane may enter while this one answers. Says since when it was this batch's,
    /// where that is not when it entered.
    pub(super) fn leave(&self, running: &Arc<Running>) -> Option<Tick> {
        let mut since = None;
        self.make_way(|room| since = room.leave(running, clock::now()));
        since
    }

    fn make_way(&self, leave: impl FnOnce(&mut Room)) {
        if self.crowded {
            let mut state = self.state.lock();
            leave(&mut state.room);
            if state.holding {
                self.holder.notify_one(); // sooner than was expected
            }
            drop(state);
            self.entrance.notify_one();
        }
    }

    /// A batch that nobody can run any more: its callers were answered as its calls were dropped.
    pub(super) fn forget(&self, running: &Arc<Running>) {
        self.leave(running);
        drop(Settling { intake: self, running });
    }
}
