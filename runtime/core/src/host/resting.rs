//! Sequences of which the model says nothing until it has heard from elsewhere.

use super::{
    intake::Intake,
    sequence::{Refused, Sequence},
};
use std::sync::atomic::Ordering;

impl Sequence {
    /// Nothing will be said of it until [`Intake::wake`]: a step for it alone would be for nothing.
    pub fn rest(&self) -> Result<(), Refused> {
        self.may_speak()?;
        self.rests.store(true, Ordering::Release);
        Ok(())
    }

    /// No step is for it alone.
    pub(super) fn waits(&self) -> bool {
        self.is_paused() || self.rests.load(Ordering::Acquire)
    }
}

impl Intake {
    /// Ends the rest of a sequence at work; any thread may say so, whether it rests or not.
    pub fn wake(&self, sequence: &Sequence) {
        sequence.rests.store(false, Ordering::Release);
        self.wake_stepper(&mut self.state.lock());
    }
}
