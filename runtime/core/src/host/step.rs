//! A step of a version that answers in parts: which sequences it is for, and how it ends.

use super::{
    gather::{Inputs, alone},
    intake::Intake,
    room::{Begun, Over},
    sequence::Sequence,
    sequences::{Ended, Outlets, distinct},
};
use crate::base::{
    call::{Execution, Outlet, Sealed},
    clock,
    fault::{Fault, Kind, Phase},
    panics,
    units::{Rows, Tick},
};
use std::{sync::Arc, time::Duration};

/// A sequence that the lane sees for the first time.
#[derive(Debug)]
pub struct Joined {
    pub sequence: Arc<Sequence>,
    /// In the contract's order.
    pub inputs: Inputs,
}

/// Owed an end: what the model said of its sequences counts from then on. Dropping it fails all of them.
#[derive(Debug)]
pub struct Step {
    intake: Arc<Intake>,
    number: u64,
    rows: Rows,
    joined: Vec<Joined>,
    left: Vec<u64>,
    outlets: Outlets,
    is_over: bool,
}

impl Step {
    /// Answers those that ended without the model, and views the inputs of those that join.
    pub(super) fn begin(intake: &Arc<Intake>, begun: Begun) -> Step {
        let Begun { inside, joined, left, ended, outlets } = begun;
        intake.answer_ended(ended, inside.rows);
        let mut rows = inside.rows;
        let mut whole = Vec::with_capacity(joined.len());
        for (sequence, inputs) in joined {
            let gathered = panics::survive(|| alone(&inputs, &intake.staging));
            match gathered
                .unwrap_or_else(|id| Err(Fault::internal(format!("its inputs cannot be read [{id}]"))))
            {
                Ok(inputs) => whole.push(Joined { sequence, inputs }),
                Err(fault) => {
                    rows = rows.minus(sequence.rows());
                    sequence.close(Err(fault));
                }
            }
        }
        let (intake, number) = (Arc::clone(intake), inside.number);
        Step { intake, number, rows, joined: whole, left, outlets, is_over: false }
    }

    pub fn intake(&self) -> &Arc<Intake> {
        &self.intake
    }

    /// Of the sequences that may emit. Zero: there is nothing for the model to do.
    pub fn rows(&self) -> Rows {
        self.rows
    }

    /// Once.
    pub fn take_joined(&mut self) -> Vec<Joined> {
        std::mem::take(&mut self.joined)
    }

    /// Numbers of sequences that ended since the last step without the model. Once.
    pub fn take_left(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.left)
    }

    /// Sends what the model said. The numbers of those that it ended.
    pub fn finish(mut self) -> Vec<u64> {
        self.end(None)
    }

    /// The model raised: all sequences at work end with its message, but those that it had ended before.
    pub fn fail(mut self, message: String) -> Vec<u64> {
        self.end(Some(message))
    }

    fn end(&mut self, failed: Option<String>) -> Vec<u64> {
        self.is_over = true;
        let over = self.intake.state.lock().room.end_step(self.number, failed.is_some());
        let Some(over) = over else { return Vec::new() };
        let end =
            failed.map_or(Ok(()), |message| Err(Fault::new(Kind::ModelFailed, message).at(Phase::Started)));
        let numbers = over.sequences.iter().map(|sequence| sequence.number()).collect();
        self.intake.answer_over(&over, &self.outlets, &end);
        numbers
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if !self.is_over {
            self.end(Some(self.intake.unfinished()));
        }
    }
}

/// Sequences that are being answered.
struct Answering<'a>(&'a Intake);

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.0.settled();
    }
}

impl Intake {
    /// A lane that asks for the next step while it has one left that one unfinished, though a variable may still name it:
    /// its callers would wait for as long.
    pub(super) fn forget_step(&self) {
        let over = self.state.lock().room.end_forgotten_step();
        if let Some(over) = over {
            let outlets = distinct(over.sequences.iter());
            let fault = Fault::new(Kind::ModelFailed, self.unfinished()).at(Phase::Started);
            self.answer_over(&over, &outlets, &Err(fault));
        }
    }

    fn unfinished(&self) -> String {
        let contract = self.contract();
        format!("model '{}' version {} left its step unfinished", contract.model, contract.version)
    }

    /// Counts the step, then answers those that ended with it, then sends all of it.
    fn answer_over(&self, over: &Over, outlets: &[Arc<dyn Outlet>], end: &Result<(), Fault>) {
        let _answering = Answering(self);
        let now = clock::now();
        self.count_step(over, outlets, end.is_err(), now);
        for sequence in &over.sequences {
            sequence.settle(end.clone(), now, over.inside.rows);
        }
        outlets.iter().for_each(|outlet| outlet.flush());
    }

    /// `rows`: of the step that they would have been in.
    pub(super) fn answer_ended(&self, ended: Ended, rows: Rows) {
        if ended.is_empty() {
            return;
        }
        let _answering = Answering(self);
        let now = clock::now();
        let outlets = distinct(ended.iter().map(|(sequence, _)| sequence));
        for (sequence, fault) in ended {
            sequence.settle(Err(fault), now, rows);
        }
        outlets.iter().for_each(|outlet| outlet.flush());
    }

    /// The model did not come back within the limit.
    pub(super) fn answer_for_step(&self, over: &Over, limit: Duration) {
        let contract = self.contract();
        let note = format!(
            "model '{}' version {} did not return from a step within {} s and was given up; if one may take longer, \
             raise limits.hang_timeout_s in its model.yaml",
            contract.model,
            contract.version,
            limit.as_secs_f64(),
        );
        let outlets = distinct(over.sequences.iter());
        self.answer_over(over, &outlets, &Err(Fault::new(Kind::ModelHung, note).at(Phase::Started)));
    }

    /// One run of the model; none where it had nothing to do.
    fn count_step(&self, over: &Over, outlets: &[Arc<dyn Outlet>], failed: bool, now: Tick) {
        let rows = over.inside.rows;
        let heard = outlets.iter().find(|outlet| outlet.is_heard());
        let (Some(outlet), true) = (heard, rows > Rows::ZERO) else { return };
        let infer_ns = u64::try_from(now.since(over.inside.entered).as_nanos()).unwrap_or(u64::MAX);
        let (sealed, rows) = (Sealed::Step, rows.get());
        let execution = Execution {
            rows,
            padding: 0,
            padding_bytes: 0,
            sealed,
            input_ns: 0,
            infer_ns,
            output_ns: 0,
            between_ns: 0,
            cost: 0,
            failed,
        };
        outlet.executed(self.contract(), execution);
    }
}

#[cfg(test)]
#[path = "step_tests.rs"]
mod tests;
