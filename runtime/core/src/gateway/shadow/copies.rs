//! A caller's request, as long as it may be copied: kept beside it until the caller has the answer.

use super::{
    line::{Copy, Shadow},
    quiet::Inside,
};
use crate::base::{
    call::{Produced, Timing},
    clock,
    fault::{Fault, Kind},
    inference::Inference,
    units::User,
};
use crate::decide::{
    facts::Facts,
    mirror::{self, Cause},
    validate::{is_oversize, parameter_bytes},
};
use crate::gateway::{
    Gateway,
    memory::admission::Reserved,
    queue::service::{Running, Service},
};
use smallvec::SmallVec;
use std::sync::Arc;

/// Reference counts of what a caller sent, and of what it was answered.
#[derive(Debug)]
pub(in crate::gateway) struct Copies {
    inference: Box<Inference>,
    service: Arc<Service>,
    running: Arc<Running>,
    to: SmallVec<[Arc<Shadow>; 1]>,
    answer: Option<(Produced, Timing)>,
    /// Who asked, where evidence about the one that it is for is counted by users.
    user: Option<User>,
}

impl Gateway {
    /// For a request that `service` is about to answer. Almost always `None`, at the cost of one look.
    pub(in crate::gateway) fn copies(
        &self,
        inside: &Inside,
        inference: &Inference,
        (service, running): (&Arc<Service>, &Arc<Running>),
    ) -> Option<Box<Copies>> {
        if inside.sees_shadows() { self.copies_of(inference, (service, running)) } else { None }
    }

    #[inline(never)]
    fn copies_of(
        &self,
        inference: &Inference,
        (service, running): (&Arc<Service>, &Arc<Running>),
    ) -> Option<Box<Copies>> {
        let to = self.shadows_of(inference, service);
        if to.is_empty() {
            return None;
        }
        if let Some(cause) = barred(inference, running) {
            to.iter().for_each(|shadow| shadow.drops(cause));
            return None;
        }
        let facts = Facts::of(inference);
        let user = to.iter().find_map(|shadow| shadow.service.running()?.meter.user(&facts));
        let mut inference = Box::new(inference.clone());
        inference.outputs.clear();
        inference.facts.clear();
        (inference.version, inference.traced) = (None, false);
        let (service, running) = (Arc::clone(service), Arc::clone(running));
        Some(Box::new(Copies { inference, service, running, to, answer: None, user }))
    }

    /// For a request that is not copied, whoever answers it.
    pub(in crate::gateway) fn copies_none(
        &self,
        inside: &Inside,
        inference: &Inference,
        service: &Arc<Service>,
        cause: Cause,
    ) {
        if inside.sees_shadows() {
            self.shadows_of(inference, service).iter().for_each(|shadow| shadow.drops(cause));
        }
    }

    /// Those whose share it is in.
    fn shadows_of(&self, inference: &Inference, service: &Arc<Service>) -> SmallVec<[Arc<Shadow>; 1]> {
        let shadows = self.shadows.of.load();
        let Some(shadows) = shadows.get(&service.model) else { return SmallVec::new() };
        let state = self.state.load();
        let Some(model) = state.models.get(&service.model) else { return SmallVec::new() };
        let key = model.policy.mirror_key(&Facts::of(inference), &inference.id);
        let is_copied = |shadow: &&Arc<Shadow>| {
            let wish = shadow.wish.load();
            wish.is_of(service.version) && mirror::is_copied(&wish.shadow, key, || self.draw())
        };
        shadows.iter().filter(is_copied).cloned().collect()
    }
}

/// Why there can be no copy of it.
fn barred(inference: &Inference, running: &Running) -> Option<Cause> {
    let contract = &running.contract;
    let elsewhere = inference.inputs.iter().any(|input| input.region.is_some())
        || inference.outputs.iter().any(|output| output.region.is_some());
    let table = [
        (contract.streams, Cause::Stream),
        (contract.sequences.is_some(), Cause::Sequence),
        (elsewhere, Cause::SharedMemory),
        (is_oversize(contract, inference), Cause::Cut),
    ];
    table.into_iter().find_map(|(is_so, cause)| is_so.then_some(cause))
}

impl Copies {
    pub(in crate::gateway) fn answered(&mut self, produced: &Produced, timing: &Timing) {
        let outputs = produced.outputs.clone();
        self.answer = Some((Produced { outputs, parameters: Vec::new() }, *timing));
    }

    /// Its caller has the answer, or the fault. Whoever left, or was not served, is not copied.
    pub(in crate::gateway) fn send(self, gateway: &Arc<Gateway>, fault: Option<&Fault>) {
        let failed = fault.is_some_and(|fault| fault.kind == Kind::ModelFailed);
        if self.answer.is_none() && !failed {
            return;
        }
        let inputs: usize = self.inference.inputs.iter().map(|input| input.tensor.data.len()).sum();
        let inputs = inputs.saturating_add(parameter_bytes(&self.inference.parameters));
        let bytes = inputs.saturating_add(self.answer.as_ref().map_or(0, |(produced, _)| produced.bytes()));
        for shadow in &self.to {
            if shadow.is_full() {
                shadow.drops(Cause::Full);
                continue;
            }
            let held = gateway.shadows.held.take_shared(&shadow.held, 0, bytes);
            let Some(held) = held.ok().filter(|_| !gateway.ledger.is_short()) else {
                shadow.drops(Cause::Memory);
                continue;
            };
            let hold = Arc::new(held);
            let wish = shadow.wish.load();
            let measures =
                self.answer.is_some() && shadow.measures_noise() && wish.may_repeat(&self.running.contract);
            shadow.push(self.copy(&shadow.service, &hold));
            if measures {
                shadow.push(self.copy(&self.service, &hold));
            }
            gateway.attend(shadow);
        }
    }

    fn copy(&self, to: &Arc<Service>, hold: &Arc<Reserved>) -> Copy {
        Copy {
            inference: self.inference.clone(),
            contract: Arc::clone(&self.running.contract),
            answer: self.answer.as_ref().map(|(produced, _)| produced.clone()),
            ran: self.answer.as_ref().map_or_else(Timing::default, |(_, timing)| *timing),
            to: Arc::clone(to),
            user: self.user,
            since: clock::now(),
            hold: Arc::clone(hold),
        }
    }
}
