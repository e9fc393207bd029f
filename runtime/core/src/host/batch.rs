//! A batch on its way through a model: its inputs, who waits for which rows, and how it ends.

use super::{
    gather::{Inputs, gather},
    intake::{Intake, Settling},
    outputs::{Output, check},
    room::Took,
    running::Running,
    search::Search,
    settle::{self, Run},
    staging::Staging,
};
use crate::base::{
    call::{Call, Reply, Tensors},
    clock,
    contract::Contract,
    fault::{Fault, Kind, Phase},
    inference::Parameters,
    units::{CallId, Rows, Tick},
};
use crate::decide::extents::{Extent, extents};
use std::{sync::Arc, time::Duration};

/// One call's place in a batch.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) reply: Reply,
    pub(super) rows: Rows,
    pub(super) queue_ns: u64,
    /// Kept where the call may have to run again. Boxed: others would be moved about with room for it.
    again: Option<Box<Again>>,
    /// The model (or we) found its input unfit: its answer, whatever becomes of the batch.
    pub(super) refused: Option<Fault>,
    parameters: Parameters,
}

/// What of a call its answer does not need.
#[derive(Debug)]
struct Again {
    id: CallId,
    inputs: Tensors,
    arrived: Tick,
    deadline: Tick,
    level: u8,
    attempt: u8,
}

impl Seat {
    /// `keeps`: the call may run again.
    pub(super) fn new(call: Call, sealed: Tick, keeps: bool) -> Seat {
        let Call { id, inputs, rows, parameters, arrived, deadline, level, attempt, credit: _, reply } = call;
        let again = keeps.then(|| Box::new(Again { id, inputs, arrived, deadline, level, attempt }));
        Seat { reply, rows, queue_ns: nanos(arrived, sealed), again, refused: None, parameters }
    }

    pub(super) fn can_run_again(&self) -> bool {
        self.again.is_some() && self.refused.is_none()
    }

    pub(super) fn into_call(self) -> Option<Call> {
        let Seat { reply, rows, parameters, again, .. } = self;
        let Again { id, inputs, arrived, deadline, level, attempt } = *again?;
        let credit = 0;
        Some(Call { id, inputs, rows, parameters, arrived, deadline, level, attempt, credit, reply })
    }
}

/// Owes each of its callers an answer, unless it was given up meanwhile; dropping it pays with an error.
#[derive(Debug)]
pub struct Batch {
    intake: Arc<Intake>,
    running: Arc<Running>,
    inputs: Inputs,
    /// Of those whose rows have different sizes.
    extents: Vec<Extent>,
    /// It is a part of a batch that failed.
    search: Option<Search>,
    sealed: Tick,
    gathered: Tick,
    /// When the model got it: later, if others were in it.
    entered: Tick,
}

impl Batch {
    pub(super) fn gather(
        intake: Arc<Intake>,
        calls: Vec<Call>,
        running: Arc<Running>,
        search: Option<Search>,
        staging: &Staging,
    ) -> Batch {
        #[cfg(test)]
        crate::base::panics::trip(&format!("a batch of {}", intake.contract().model));
        let sealed = clock::now();
        let mut refused = Vec::new();
        let specs = &intake.contract().inputs;
        let (rows, padded) = (running.rows(), running.padded());
        let extents = extents(specs, &calls, padded);
        let inputs = gather(specs, &extents, &calls, rows, padded, staging, &mut refused);
        let keeps = intake.contract().repeatable && calls.len() > 1;
        let mut seats: Vec<Seat> = calls.into_iter().map(|call| Seat::new(call, sealed, keeps)).collect();
        for (at, fault) in refused {
            if let Some(seat) = seats.get_mut(at) {
                seat.refused = Some(fault);
            }
        }
        running.sit(seats);
        let gathered = clock::now();
        Batch { intake, running, inputs, extents, search, sealed, gathered, entered: gathered }
    }

    pub fn contract(&self) -> &Arc<Contract> {
        self.intake.contract()
    }

    /// Of its inputs and outputs: some of them may be nobody's.
    pub fn rows(&self) -> Rows {
        self.running.padded()
    }

    fn nobodys_rows(&self) -> Option<Rows> {
        Some(self.running.padded().minus(self.running.rows())).filter(|rows| *rows > Rows::ZERO)
    }

    pub(super) fn running(&self) -> &Arc<Running> {
        &self.running
    }

    pub(super) fn intake(&self) -> &Arc<Intake> {
        &self.intake
    }

    pub(super) fn has_entered(&mut self) {
        self.entered = clock::now();
    }

    /// In the contract's order.
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// Of the inputs whose rows have different sizes.
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// Rows of each call and the parameters that came with it; `None` once the callers have their answers.
    pub fn parameters(&self) -> Option<Vec<(Rows, Parameters)>> {
        let of = |seat: &Seat| (seat.rows, seat.parameters.clone());
        let nobodys = self.nobodys_rows().map(|rows| (rows, Parameters::new()));
        self.running.look(|seats| seats.iter().map(of).chain(nobodys).collect())
    }

    /// Rows of each call, and whether its caller still waits and it is not refused; `None` once the callers have
    /// their answers.
    pub fn live(&self) -> Option<Vec<(Rows, bool)>> {
        let wanted =
            |(at, seat): (usize, &Seat)| (seat.rows, seat.refused.is_none() && !self.running.is_gone(at));
        let nobodys = self.nobodys_rows().map(|rows| (rows, false));
        self.running.look(|seats| seats.iter().enumerate().map(wanted).chain(nobodys).collect())
    }

    /// Answers the caller of this row with a 400 when the batch settles; false without such a row, `None` once the
    /// callers have their answers. The first reason stays.
    pub fn reject(&self, row: usize, why: &str) -> Option<bool> {
        self.running.look(|seats| {
            let mut first = 0;
            for seat in seats {
                let rows = usize::try_from(seat.rows.get()).unwrap_or(usize::MAX);
                if row < first + rows {
                    let note = if rows == 1 { why.to_owned() } else { format!("row {}: {why}", row - first) };
                    seat.refused.get_or_insert_with(|| Fault::invalid(note));
                    return true;
                }
                first += rows;
            }
            row < usize::try_from(self.rows().get()).unwrap_or(usize::MAX) // nobody's
        })
    }

    /// Checks what the model returned against what it declared, copies it, and answers everybody.
    /// `returned` is when the model came back. The message is what the callers were told, if not an answer.
    pub fn complete(self, returned: Tick, given: Result<Vec<Output<'_>>, String>) -> Option<String> {
        self.intake.leave(&self.running);
        let all_refused = || self.running.look(|seats| seats.iter().all(|seat| seat.refused.is_some()));
        if given.is_err() && all_refused() == Some(true) {
            self.settle(returned, Ok(Vec::new())); // nobody is left to be answered with outputs
            return None;
        }
        let checked = given
            .and_then(|given| check(self.contract(), self.rows(), &self.extents, &given).map(|()| given));
        let wrong = checked.as_ref().err().cloned();
        if self.settle(returned, checked.map_err(model_failed)) {
            wrong
        } else {
            Some(self.too_late(returned))
        }
    }

    /// The model raised. Its message goes to every caller, unless the model is `repeatable`: then to those whose rows
    /// it raises for, as far as a few more runs tell.
    pub fn fail(self, returned: Tick, message: String) {
        self.intake.leave(&self.running);
        let Some(seats) = self.running.take() else { return };
        let run = self.run(returned);
        match self.intake.parts(&seats, self.search.as_ref()) {
            Some(parts) => {
                settle::count(&run, &seats, true);
                self.intake.run_again(&self.running, seats, parts);
            }
            None => self.answer(&run, seats, Err(model_failed(message))),
        }
    }

    /// The model hangs in another batch and will not get this one: it may run elsewhere.
    pub(super) fn give_back(self) {
        let note = "the model hangs in another batch; try again";
        let fault = Fault::new(Kind::Unavailable, note).at(Phase::NotStarted);
        let _settling = Settling { intake: &self.intake, running: &self.running };
        for seat in self.running.take().into_iter().flatten() {
            seat.reply.refuse(fault.clone());
        }
    }

    /// False: it was given up, or is settled.
    fn settle(&self, returned: Tick, result: Result<Vec<Output<'_>>, Fault>) -> bool {
        let Some(seats) = self.running.take() else { return false };
        let run = self.run(returned);
        self.answer(&run, seats, result);
        true
    }

    pub(super) fn run(&self, returned: Tick) -> Run<'_> {
        Run {
            contract: self.intake.contract(),
            arena: self.intake.arena(),
            rows: self.running.rows(),
            padded: self.running.padded(),
            extents: &self.extents,
            sealed: self.running.sealed(),
            waited_ns: nanos(self.gathered, self.entered),
            between_ns: self.running.between_ns(),
            cost: self.running.cost(),
            input_ns: nanos(self.sealed, self.gathered),
            infer_ns: nanos(self.entered, returned),
            returned,
        }
    }

    pub(super) fn answer(&self, run: &Run<'_>, seats: Vec<Seat>, result: Result<Vec<Output<'_>>, Fault>) {
        let _settling = Settling { intake: &self.intake, running: &self.running };
        let tells = result.is_ok() && self.search.is_none();
        let gathering = Duration::from_nanos(run.input_ns);
        let release = |all| {
            let took = tells.then_some(Took { all, gathering, ended: clock::now() });
            self.intake.release(&self.running, took);
        };
        settle::settle(run, seats, result, release);
    }

    fn too_late(&self, returned: Tick) -> String {
        let Contract { model, version, .. } = &**self.intake.contract();
        let after = returned.since(self.entered).as_secs_f64();
        format!(
            "model '{model}' version {version} returned after {after:.3} s: its callers were not waiting any more"
        )
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if self.running.look(|_| ()).is_some() {
            let Contract { model, version, .. } = &**self.intake.contract();
            let note = format!("model '{model}' version {version} dropped its batch unanswered");
            self.intake.leave(&self.running);
            self.settle(clock::now(), Err(model_failed(note)));
        }
    }
}

pub(super) fn model_failed(note: String) -> Fault {
    Fault::new(Kind::ModelFailed, note).at(Phase::Started)
}

fn nanos(from: Tick, to: Tick) -> u64 {
    u64::try_from(to.since(from).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "join_tests.rs"]
mod join_tests;
