//! A batch on its way through a model: its inputs, who waits for which rows, and how it ends.

use super::{
    controls,
    entrance::{Entered, Left},
    gather::{Inputs, gather},
    intake::{Intake, Settling},
    outputs::{Output, check},
    placed::{Placed, placed},
    room::Took,
    running::Running,
    search::Search,
    seat::Seat,
    settle::{self, Run},
    staging::Staging,
};
use crate::base::{
    call::Call,
    clock,
    contract::Contract,
    fault::{Fault, Kind, Phase},
    units::{Rows, Tick},
};
use crate::decide::extents::{Extent, extents};
use std::{sync::Arc, time::Duration};

/// Owes each of its callers an answer, unless it was given up meanwhile; dropping it pays with an error.
#[derive(Debug)]
pub struct Batch {
    intake: Arc<Intake>,
    running: Arc<Running>,
    inputs: Inputs,
    /// Of those whose rows have different sizes.
    extents: Vec<Extent>,
    placed: Vec<Placed>,
    /// It is a part of a batch that failed.
    search: Option<Search>,
    sealed: Tick,
    /// When its rows were gathered, and its lane had prepared them.
    ready: Tick,
    /// When the model got it: later, if others were in it.
    entered: Tick,
    /// When the model came back, where its lane had more to do then.
    returned: Option<Tick>,
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
        let extents = extents(specs, &calls, running.padded());
        let mut inputs = gather(specs, &extents, &calls, &running, staging, &mut refused);
        if let Some(sequences) = &intake.contract().sequences {
            inputs.extend(controls::fill(&sequences.controls, &running, staging));
        }
        let keeps = intake.contract().repeatable && calls.len() > 1;
        let placed = placed(&calls, running.padded());
        let mut seats: Vec<Seat> = calls.into_iter().map(|call| Seat::new(call, sealed, keeps)).collect();
        for (at, fault) in refused {
            if let Some(seat) = seats.get_mut(at) {
                seat.refused = Some(fault);
            }
        }
        running.sit(seats);
        let ready = clock::now();
        Batch {
            intake,
            running,
            inputs,
            extents,
            placed,
            search,
            sealed,
            ready,
            entered: ready,
            returned: None,
        }
    }

    pub fn contract(&self) -> &Arc<Contract> {
        self.intake.contract()
    }

    /// Of its inputs and outputs: some of them may be nobody's.
    pub fn rows(&self) -> Rows {
        self.running.padded()
    }

    pub(super) fn running(&self) -> &Arc<Running> {
        &self.running
    }

    pub(super) fn intake(&self) -> &Arc<Intake> {
        &self.intake
    }

    pub fn has_entered(&mut self, entered: Entered) {
        (self.ready, self.entered) = (entered.ready, entered.at);
    }

    pub fn has_left(&mut self, left: Left) {
        self.entered = left.since.unwrap_or(self.entered);
        self.returned.get_or_insert(left.returned);
    }

    /// Makes way for the next one.
    pub(super) fn leave(&mut self) {
        if let Some(since) = self.intake.leave(&self.running) {
            self.entered = since;
        }
    }

    /// In the contract's order.
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// Of the inputs whose rows have different sizes.
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// The calls with tensors on a device. Whoever gave them up, what is there is looked at until the batch is let go.
    pub fn placed(&self) -> &[Placed] {
        &self.placed
    }

    /// Checks what the model returned against what it declared, copies it, and answers everybody.
    /// `returned` is when the model came back. The message is what the callers were told, if not an answer.
    pub fn complete(mut self, returned: Tick, given: Result<Vec<Output<'_>>, String>) -> Option<String> {
        self.leave();
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
    pub fn fail(mut self, returned: Tick, message: String) {
        self.leave();
        let Some(seats) = self.running.take() else { return };
        let run = self.run(returned);
        match self.intake.parts(&seats, self.search.as_ref()) {
            Some(parts) => {
                settle::count(&run, &seats, true);
                self.intake.run_again(&self.running, seats, parts);
            }
            // With nothing left to run over models stumble: their callers sent that, and are told so.
            None if seats.iter().all(|seat| seat.refused.is_some()) => {
                self.answer(&run, seats, Ok(Vec::new()));
            }
            None => self.answer(&run, seats, Err(model_failed(message))),
        }
    }

    /// The device that it was on does nothing any more: its host is as good as dead.
    pub(super) fn lose(mut self, note: String) {
        self.leave();
        self.settle(clock::now(), Err(Fault::new(Kind::HostLost, note).at(Phase::Started)));
    }

    /// The model hangs in another batch and will not get this one: it may run elsewhere.
    pub fn give_back(self) {
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
        let returned = self.returned.unwrap_or(returned);
        Run {
            contract: self.intake.contract(),
            arena: self.intake.arena(),
            rows: self.running.rows(),
            padded: self.running.padded(),
            extents: &self.extents,
            seated: self.running.seated(),
            sealed: self.running.sealed(),
            waited_ns: nanos(self.ready, self.entered),
            between_ns: self.running.between_ns(),
            cost: self.running.cost(),
            input_ns: nanos(self.sealed, self.ready),
            infer_ns: nanos(self.entered, returned),
            returned,
        }
    }

    pub(super) fn answer(&self, run: &Run<'_>, seats: Vec<Seat>, result: Result<Vec<Output<'_>>, Fault>) {
        let _settling = Settling { intake: &self.intake, running: &self.running };
        let tells = result.is_ok() && self.search.is_none();
        let before = Duration::from_nanos(run.input_ns);
        let release = |all| {
            // Lanes that prepare do that, and answer, while the model has others.
            let model = if self.intake.prepares { Duration::from_nanos(run.infer_ns) } else { all };
            let took = tells.then_some(Took { model, before, ended: clock::now() });
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
            self.leave();
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
