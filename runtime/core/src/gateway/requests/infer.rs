//! A request's way through the gateway: routed, checked, admitted, awaited, answered.

use super::{predictions::identified, produced::answer};
use crate::base::{
    callers::Callers,
    contract::Contract,
    fault::{Fault, Kind},
    inference::{Answer, Inference},
    named::Named,
    panics,
    units::{Rows, Version},
};
use crate::decide::{
    facts::Facts,
    validate::{is_oversize, miscounted},
};
use crate::gateway::{
    Gateway,
    demand::Unrouted,
    ending::draining,
    leaving::Unheard,
    memory::admission::Reserved,
    note::shortened,
    profile::Sample,
    queue::{
        service::{Running, Service},
        submit::{Asked, refused},
        waiting::Waiting,
    },
    shadow::{Copies, Inside},
};
use crate::sync::gate::Pass;
use futures_util::future::Either;
use std::future::{Future, ready};
use std::pin::pin;
use std::sync::Arc;

/// Where a request goes, and who is inside meanwhile.
type Sought = Result<(Inside, Arc<Service>, Arc<Running>), Fault>;
type Found = Result<(Arc<Service>, Arc<Running>), Unrouted>;

impl Gateway {
    /// Routes, checks against the contract, waits, and lets `deliver` write the answer down, which is a success only
    /// then. Dropping the future cancels the call.
    ///
    /// Must run inside a tokio runtime with timers.
    pub async fn infer<T, D: Future<Output = Result<T, Fault>>>(
        self: &Arc<Gateway>,
        inference: Box<Inference>,
        reserved: Reserved,
        deliver: impl FnOnce(Answer) -> D,
    ) -> Result<T, Fault> {
        let model = inference.model.clone();
        let (inside, service, running) = self.seek(&inference).await?;
        let mut copies = self.copies(&inside, &inference, (&service, &running));
        let mut sample = self.sample(&inference, (&service, &running));
        if running.contract.streams {
            let fault = refused(
                &running,
                inference.arrived,
                Rows::ZERO,
                only_in_parts(&running.contract, inference.callers.is_some()),
            );
            return Err(self.told(fault, &model, Some(service.version)));
        }
        if is_oversize(&running.contract, &inference) {
            // Boxed: rare, and large enough to make every request's future larger.
            return Box::pin(self.infer_in_parts(inference, reserved, (service, running), deliver)).await;
        }
        let to = (&service, &running);
        let answered = panics::survive_all(pin!(self.ask(
            inference,
            reserved,
            to,
            (copies.as_deref_mut(), sample.as_deref_mut()),
            deliver
        )))
        .await
        .flatten();
        drop(inside);
        if let Some(sample) = sample.filter(|_| answered.is_ok()) {
            self.look_at(sample);
        }
        if let Some(copies) = copies {
            copies.send(self, answered.as_ref().err());
        }
        answered.map_err(|fault| self.told(fault, &model, Some(service.version)))
    }

    /// The version that a request is for. Who asks for none that there is, or leaves meanwhile, was counted.
    ///
    /// Found at once, almost always, and boxed where not: to wait takes so much room that it would make every request's
    /// future larger.
    pub(super) fn seek<'a>(&'a self, inference: &'a Inference) -> impl Future<Output = Sought> + use<'a> {
        self.timers.get_or_init(tokio::runtime::Handle::current);
        let mut unheard = Unheard::new(self, true);
        // The same for as long as it waits: who goes to whom is not decided by who is there first.
        let mut drawn = None;
        let pass = match inference.callers {
            None => self.gate.enter(),
            Some(_) => self.gate.enter_behind(),
        };
        let found = match pass {
            None => Err(draining()),
            Some(pass) => match self.find(inference, || *drawn.get_or_insert_with(|| self.draw())) {
                Ok((service, running)) => Ok((self.shadows.inside(pass), service, running)),
                Err(Unrouted::Fault(fault)) if fault.kind != Kind::Unavailable => Err(fault),
                Err(_) => return Either::Right(Box::pin(self.seek_on(inference, pass, drawn, unheard))),
            },
        };
        unheard.is_heard();
        Either::Left(ready(self.sought(inference, found)))
    }

    async fn seek_on(
        &self,
        inference: &Inference,
        pass: Pass,
        drawn: Option<u64>,
        mut unheard: Unheard<&Gateway>,
    ) -> Sought {
        let found = self.find_later(inference, drawn).await;
        unheard.is_heard();
        let found = found.map(|(service, running)| (self.shadows.inside(pass), service, running));
        self.sought(inference, found)
    }

    fn sought(&self, inference: &Inference, found: Sought) -> Sought {
        let found = found.and_then(|found| match &inference.callers {
            Some(callers) if callers.has(&found.1.model, found.1.version) => {
                Err(in_a_ring(callers, &found.1))
            }
            Some(_) | None => Ok(found),
        });
        let number = || inference.version.as_ref().and_then(Named::number);
        found.map_err(|fault| self.turned_away(fault, &inference.model, number()))
    }

    /// A fault as its caller reads it, after it was reported. Those of [`Gateway::infer`] are; this is for those
    /// that a front finds itself.
    pub(in crate::gateway) fn told(&self, fault: Fault, model: &str, version: Option<Version>) -> Fault {
        shortened(self.report(fault, model, version))
    }

    /// The same for an inference that ends before it is known which version it is for: counts it.
    pub(in crate::gateway) fn turned_away(
        &self,
        fault: Fault,
        model: &str,
        version: Option<Version>,
    ) -> Fault {
        self.meter.refused(fault.kind);
        self.told(fault, model, version)
    }

    fn find(&self, inference: &Inference, draw: impl FnOnce() -> u64) -> Found {
        let state = self.state.load();
        let service = state.route(inference, draw)?;
        // A version that stands had a carrier, and so has a contract.
        let running = service.running().ok_or_else(|| service.unavailable("it has no host"))?;
        Ok((Arc::clone(service), running))
    }

    async fn find_later(
        &self,
        inference: &Inference,
        mut drawn: Option<u64>,
    ) -> Result<(Arc<Service>, Arc<Running>), Fault> {
        let find = || self.find(inference, || *drawn.get_or_insert_with(|| self.draw()));
        let named = inference.version.as_ref();
        let awaits = || self.state.load().awaits(&inference.model, named, &Facts::of(inference));
        self.later(find, awaits, (inference.arrived, inference.deadline)).await
    }

    async fn ask<T, D: Future<Output = Result<T, Fault>>>(
        &self,
        inference: Box<Inference>,
        reserved: Reserved,
        (service, running): (&Arc<Service>, &Arc<Running>),
        (copies, sample): (Option<&mut Copies>, Option<&mut Sample>),
        deliver: impl FnOnce(Answer) -> D,
    ) -> Result<T, Fault> {
        let contract = &running.contract;
        let arrived = inference.arrived;
        let Asked { ticket, deadline, id, outputs } =
            self.submit(inference, reserved, (service, running), None).await?;
        let (produced, success) = Waiting::new(service, ticket).until(arrived, deadline).await?;
        if let Some(fault) = miscounted(contract, &produced) {
            success.fails(&fault);
            return Err(fault);
        }
        if let Some(copies) = copies {
            copies.answered(&produced, &success.timing);
        }
        if let Some(sample) = sample {
            sample.answered(contract, &produced);
        }
        let prediction = self.prediction(contract, &produced);
        let answer = answer(contract, id, &outputs, produced, success.timing);
        let delivered = deliver(identified(answer, prediction)).await;
        success.ends(delivered.as_ref().err());
        delivered
    }
}

/// What waits for a call holds its lane meanwhile, and other rows of its batch.
fn in_a_ring(callers: &Callers, to: &Service) -> Fault {
    let (model, version) = (&to.model, to.version);
    Fault::invalid(format!(
        "model '{model}' version {version} would wait for itself: this call is made for an answer that it waits for \
         (callers: {})",
        callers.text()
    ))
}

fn only_in_parts(contract: &Contract, is_call: bool) -> Fault {
    let (model, version) = (&contract.model, contract.version);
    if is_call {
        return Fault::invalid(format!(
            "model '{model}' version {version} answers a request with any number of parts: ask it with \
             context.call_in_parts(), or with exec(decoupled=True)"
        ));
    }
    Fault::invalid(format!(
        "model '{model}' version {version} answers a request with any number of parts: ask it with ModelStreamInfer over \
         gRPC, or with POST /v2/models/{model}/generate or /generate_stream over HTTP"
    ))
}
