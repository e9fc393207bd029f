//! A batch on its way through a model: its inputs, who waits for which rows, and how it ends.

use super::{
    gather::{Inputs, gather},
    intake::Intake,
    outputs::{Output, check},
    running::Running,
    settle::{self, Run},
    staging::Staging,
};
use crate::base::{
    call::{Call, Reply},
    clock,
    contract::Contract,
    fault::{Fault, Kind, Phase},
    inference::Parameters,
    units::{Rows, Tick},
};
use std::sync::Arc;

/// One call's place in a batch.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) reply: Reply,
    pub(super) rows: Rows,
    pub(super) queue_ns: u64,
    /// The model (or we) found its input unfit: its answer, whatever becomes of the batch.
    pub(super) refused: Option<Fault>,
    parameters: Parameters,
}

/// Owes each of its callers an answer; dropping it pays with an error.
#[derive(Debug)]
pub struct Batch {
    intake: Arc<Intake>,
    running: Arc<Running>,
    seats: Vec<Seat>,
    inputs: Inputs,
    rows: Rows,
    sealed: Tick,
    ready: Tick,
}

impl Batch {
    pub(super) fn gather(
        intake: Arc<Intake>,
        calls: Vec<Call>,
        running: Arc<Running>,
        staging: &Staging,
    ) -> Batch {
        let sealed = clock::now();
        let rows = running.rows();
        let mut refused = Vec::new();
        let inputs = gather(&calls, rows, staging, &mut refused);
        let seat = |call: Call| Seat {
            reply: call.reply,
            rows: call.rows,
            queue_ns: nanos(call.arrived, sealed),
            refused: None,
            parameters: call.parameters,
        };
        let mut batch = Batch {
            intake,
            running,
            seats: calls.into_iter().map(seat).collect(),
            inputs,
            rows,
            sealed,
            ready: sealed,
        };
        for (at, fault) in refused {
            if let Some(seat) = batch.seats.get_mut(at) {
                seat.refused = Some(fault);
            }
        }
        batch.ready = clock::now();
        batch
    }

    pub fn contract(&self) -> &Arc<Contract> {
        self.intake.contract()
    }

    pub fn rows(&self) -> Rows {
        self.rows
    }

    /// In the contract's order.
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// Rows of each call and the parameters that came with it.
    pub fn parameters(&self) -> impl Iterator<Item = (Rows, &Parameters)> {
        self.seats.iter().map(|seat| (seat.rows, &seat.parameters))
    }

    /// Rows of each call, and whether its caller still waits and it is not refused.
    pub fn live(&self) -> impl Iterator<Item = (Rows, bool)> + '_ {
        let wanted =
            |(at, seat): (usize, &Seat)| (seat.rows, seat.refused.is_none() && !self.running.is_gone(at));
        self.seats.iter().enumerate().map(wanted)
    }

    /// Answers the caller of this row with a 400 when the batch settles; false without such a row.
    /// The first reason stays.
    pub fn reject(&mut self, row: usize, why: &str) -> bool {
        let mut first = 0;
        for seat in &mut self.seats {
            let rows = usize::try_from(seat.rows.get()).unwrap_or(usize::MAX);
            if row < first + rows {
                let note = if rows == 1 { why.to_owned() } else { format!("row {}: {why}", row - first) };
                seat.refused.get_or_insert_with(|| Fault::invalid(note));
                return true;
            }
            first += rows;
        }
        false
    }

    /// Checks what the model returned against what it declared, copies it, and answers everybody.
    /// `returned` is when the model came back. The message is what the callers were told, if not an answer.
    pub fn complete(mut self, returned: Tick, given: Result<Vec<Output<'_>>, String>) -> Option<String> {
        let all_refused = self.seats.iter().all(|seat| seat.refused.is_some());
        if all_refused && given.is_err() {
            self.settle(returned, Ok(Vec::new())); // nobody is left to be answered with outputs
            return None;
        }
        let contract = Arc::clone(self.contract());
        let checked = given.and_then(|given| check(&contract, self.rows, &given).map(|()| given));
        match checked {
            Ok(given) => {
                self.settle(returned, Ok(given));
                None
            }
            Err(note) => {
                self.settle(returned, Err(model_failed(note.clone())));
                Some(note)
            }
        }
    }

    /// The model raised: its message goes to every caller.
    pub fn fail(mut self, returned: Tick, message: String) {
        self.settle(returned, Err(model_failed(message)));
    }

    fn settle(&mut self, returned: Tick, result: Result<Vec<Output<'_>>, Fault>) {
        let run = Run {
            contract: self.intake.contract(),
            arena: self.intake.arena(),
            rows: self.rows,
            input_ns: nanos(self.sealed, self.ready),
            infer_ns: nanos(self.ready, returned),
            returned,
        };
        let seats = std::mem::take(&mut self.seats);
        settle::settle(&run, seats, result, || self.intake.release(&self.running));
        self.intake.settled();
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if !self.seats.is_empty() {
            let Contract { model, version, .. } = &**self.intake.contract();
            let note = format!("model '{model}' version {version} dropped its batch unanswered");
            self.settle(clock::now(), Err(model_failed(note)));
        }
    }
}

fn model_failed(note: String) -> Fault {
    Fault::new(Kind::ModelFailed, note).at(Phase::Started)
}

fn nanos(from: Tick, to: Tick) -> u64 {
    u64::try_from(to.since(from).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
