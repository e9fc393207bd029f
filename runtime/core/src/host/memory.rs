//! A batch that is too large for the device's memory is run again in smaller ones, and no later one is as large.

use super::{
    batch::{Batch, model_failed},
    intake::Intake,
    room::Shrunk,
    running::Running,
    seat::Seat,
    settle,
};
use crate::base::{
    call::Call,
    units::{Rows, Tick},
};
use crate::decide::cost::cost;
use std::sync::Arc;

impl Batch {
    /// The model ran out of memory. Where it is `repeatable` the calls go back to where they waited; else, and where
    /// there is no smaller batch, they are told. What it says is for the log.
    pub fn run_out(mut self, returned: Tick, message: String) -> String {
        self.leave();
        let (intake, running) = (self.intake(), self.running());
        let shrunk = intake.state.lock().room.shrink(running);
        let begun = format!("a batch of {} rows ran out of memory", running.padded().get());
        let said = match shrunk {
            Shrunk::To(most) => format!(
                "{begun}: from now on none has more than {}; set batching.max_rows to that, or max_cost",
                most.get()
            ),
            Shrunk::NoSmaller => format!("{begun}, and there is no smaller one"),
            Shrunk::Alone(most) => format!(
                "{begun}, and there is no smaller one: one request takes so much by itself, and other batches may have \
                 {} rows again",
                most.get()
            ),
        };
        let Some(seats) = running.take() else { return said };
        let run = self.run(returned);
        if !matches!(shrunk, Shrunk::To(_))
            || !intake.contract().repeatable
            || !seats.iter().all(Seat::can_run_again)
        {
            self.answer(&run, seats, Err(model_failed(message)));
            return said;
        }
        settle::count(&run, &seats, true);
        intake.take_back(running, seats.into_iter().filter_map(Seat::into_call));
        said
    }
}

impl Intake {
    /// No batch has more rows, as long as the limits are what they are.
    pub fn limit_rows(&self, rows: Rows) {
        self.state.lock().room.limit_to(rows);
    }

    fn take_back(&self, running: &Arc<Running>, calls: impl Iterator<Item = Call>) {
        let mut state = self.state.lock();
        state.room.release(running, None);
        state.room.settled(); // nobody is left to be answered for that run
        for call in calls {
            // It had a price before.
            let cost = cost(&self.current(), call.rows, &call.inputs).unwrap_or_default();
            state.room.admit_again(call, cost);
        }
        self.wake_next(&mut state);
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
