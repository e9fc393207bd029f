//! A request's way through the gateway: routed, checked, admitted, awaited, answered.

use super::{
    Gateway,
    admission::Reserved,
    leaving::dropped,
    mailbox::Mailbox,
    note::shortened,
    pending::{Delivery, Pending, expired},
    service::{Running, Service},
    suspects::Suspicion,
};
use crate::base::{
    call::Timing,
    clock,
    contract::Contract,
    fault::{Fault, Kind},
    inference::{Answer, Inference, Input},
    panics,
    primitive::oneshot,
    tensor::Tensor,
    units::{CallId, Rows, Tick, Version},
};
use crate::decide::{
    priority,
    queue::Place,
    rank::Rank,
    validate::{self, Bound},
};
use crate::meter::Ended;
use smallvec::SmallVec;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

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
        self.timers.get_or_init(tokio::runtime::Handle::current);
        let (model, version) = (inference.model.clone(), inference.version);
        let found = async {
            let pass = self.gate.enter().ok_or_else(draining)?;
            let (service, running) = match self.find(&inference) {
                // Boxed: rare, and large enough to make every request's future larger.
                Err(fault) if fault.kind == Kind::Unavailable => {
                    Box::pin(self.find_later(&inference, fault)).await?
                }
                found => found?,
            };
            Ok::<_, Fault>((pass, service, running))
        };
        let (_pass, service, running) = match self.hear(pin!(found)).await {
            Ok(found) => found,
            Err(fault) => {
                return Err(self.turned_away(fault, &model, version));
            }
        };
        let asked = self.ask(inference, reserved, (&service, &running), deliver);
        let answered = panics::survive_all(pin!(asked)).await;
        answered.flatten().map_err(|fault| self.told(fault, &model, Some(service.version)))
    }

    /// A fault as its caller reads it, after it was reported. Those of [`Gateway::infer`] are; this is for those
    /// that a front finds itself.
    pub(super) fn told(&self, fault: Fault, model: &str, version: Option<Version>) -> Fault {
        shortened(self.report(fault, model, version))
    }

    /// The same for an inference that ends before it is known which version it is for: counts it.
    pub(super) fn turned_away(&self, fault: Fault, model: &str, version: Option<Version>) -> Fault {
        self.meter.refused(fault.kind);
        self.told(fault, model, version)
    }

    fn find(&self, inference: &Inference) -> Result<(Arc<Service>, Arc<Running>), Fault> {
        let state = self.state.load();
        let service = state.route(inference, || self.draw())?;
        // A version that stands had a carrier, and so has a contract.
        let running = service.running().ok_or_else(|| service.unavailable("it has no host"))?;
        Ok((Arc::clone(service), running))
    }

    /// A gateway that has just begun is still dialling: who asks for a version that nobody has carried yet waits,
    /// as after the loss of a host. (It has no contract, and so no queue, before its first carrier.)
    async fn find_later(
        &self,
        inference: &Inference,
        fault: Fault,
    ) -> Result<(Arc<Service>, Arc<Running>), Fault> {
        let until = self.since.get().map_or(Tick::default(), |since| since.plus(self.limits().park()));
        let until = clock::instant(until.min(inference.deadline));
        loop {
            let arrival = self.arrivals.notified();
            match self.find(inference) {
                Err(again) if again.kind == Kind::Unavailable && self.state.load().awaits(inference) => {}
                found => return found,
            }
            if tokio::time::timeout_at(until, arrival).await.is_err() {
                let late = inference.deadline <= clock::now();
                return Err(if late { expired(inference.arrived, inference.deadline) } else { fault });
            }
        }
    }

    async fn ask<T, D: Future<Output = Result<T, Fault>>>(
        &self,
        mut inference: Box<Inference>,
        reserved: Reserved,
        (service, running): (&Arc<Service>, &Arc<Running>),
        deliver: impl FnOnce(Answer) -> D,
    ) -> Result<T, Fault> {
        let contract = &running.contract;
        let arrived = inference.arrived;
        let deadline = match contract.batching.deadline_ms {
            Some(ms) if inference.deadline == Tick::NEVER => arrived.plus(span(ms)),
            Some(_) | None => inference.deadline,
        };
        // Until it is admitted, who refuses it counts it.
        let refuse = |rows: Rows, fault: Fault| {
            let total = clock::now().since(arrived);
            running.meter.settled(&Ended { rows, fault: Some(fault.kind), total, timing: Timing::default() });
            fault
        };
        let bound = if strings(&inference.inputs) > LONG {
            let bound;
            (bound, inference) =
                Box::pin(bind_aside(contract, inference)).await.map_err(|fault| refuse(Rows::ZERO, fault))?;
            bound
        } else {
            bind(contract, &mut inference)
        };
        let Bound { inputs, rows, outputs } = bound.map_err(|fault| refuse(Rows::ZERO, fault))?;
        let now = clock::now();
        if deadline <= now {
            return Err(refuse(rows, expired(arrived, deadline)));
        }
        let call = CallId(self.last_call.fetch_add(1, Relaxed) + 1);
        let level = priority::level(&contract.batching, &inference.parameters);
        let rank = Rank::new(level, arrived, deadline, call.0);
        let place = Place { tenant: self.tenants.of(&contract.batching, &inference.facts), rank };
        let (caller, answer) = oneshot::channel();
        let mut pending = Box::new(Pending {
            id: call,
            caller: Some(caller),
            mailbox: Mailbox::here(),
            service: Arc::clone(service),
            running: Arc::clone(running),
            inputs,
            rows,
            parameters: std::mem::take(&mut inference.parameters),
            arrived,
            admitted: now,
            sent: now,
            deadline,
            place,
            tries: 0,
            crashes: 0,
            suspicion: Suspicion::default(),
            _reserved: reserved,
        });
        if let Some(fault) = pending.judge(&self.suspects, now) {
            return Err(refuse(rows, fault));
        }
        service.submit(pending, now).map_err(|(_, fault)| refuse(rows, fault))?;
        let waiting = Waiting { service, id: call, place, answer, over: false };
        let (produced, success) = waiting.until(arrived, deadline).await?;
        let (made, declared) = (produced.outputs.len(), contract.outputs.len());
        if made != declared {
            let note = format!("the host answered with {made} outputs, the contract has {declared}");
            success.ends(Some(Kind::Internal));
            return Err(Fault::internal(note));
        }
        let wanted = |(place, _): &(usize, Tensor)| outputs.contains(place);
        let outputs: SmallVec<[(usize, Tensor); 2]> =
            produced.outputs.into_iter().enumerate().filter(wanted).collect();
        let answer = Answer {
            contract: Arc::clone(contract),
            id: std::mem::take(&mut inference.id),
            outputs,
            parameters: produced.parameters,
            timing: success.timing,
        };
        let delivered = deliver(answer).await;
        success.ends(delivered.as_ref().err().map(|fault| fault.kind));
        delivered
    }
}

/// Strings beyond this are gone through on a thread of their own: each is looked at, and a megabyte may hold a quarter
/// of a million.
const LONG: usize = 1 << 20;

fn strings(inputs: &[Input]) -> usize {
    let strings = inputs.iter().map(|input| &input.tensor).filter(|tensor| tensor.datatype.size().is_none());
    strings.map(|tensor| tensor.data.len()).sum()
}

/// Checks a request against the contract, which takes its inputs.
fn bind(contract: &Contract, inference: &mut Inference) -> Result<Bound, Fault> {
    let inputs = std::mem::take(&mut inference.inputs);
    validate::bind(contract, &inference.id, inputs, &inference.outputs)
}

async fn bind_aside(
    contract: &Arc<Contract>,
    mut inference: Box<Inference>,
) -> Result<(Result<Bound, Fault>, Box<Inference>), Fault> {
    let contract = Arc::clone(contract);
    let aside = tokio::task::spawn_blocking(move || (bind(&contract, &mut inference), inference));
    aside.await.map_err(|_| Fault::internal("a check broke"))
}

/// An admitted call as its caller holds it. Dropped without an answer, it takes the call back.
struct Waiting<'a> {
    service: &'a Arc<Service>,
    id: CallId,
    place: Place,
    answer: oneshot::Receiver<Delivery>,
    /// Answered, or given up.
    over: bool,
}

impl Waiting<'_> {
    async fn until(mut self, arrived: Tick, deadline: Tick) -> Delivery {
        let answered = if deadline == Tick::NEVER {
            Ok((&mut self.answer).await)
        } else {
            tokio::time::timeout_at(clock::instant(deadline), &mut self.answer).await
        };
        self.over = answered.is_ok();
        match answered {
            Ok(Ok(delivery)) => delivery,
            Ok(Err(_)) => Err(Fault::internal("the gateway lost the request")),
            Err(_) => match self.give_up(Kind::Expired) {
                Some(delivery) => delivery,
                None => Err(expired(arrived, deadline)),
            },
        }
    }

    /// Closes first, looks second: who moves the call meanwhile sees that it is closed and ends it.
    /// Returns an answer that came in this very moment.
    fn give_up(&mut self, kind: Kind) -> Option<Delivery> {
        self.over = true;
        self.answer.close();
        match self.answer.try_recv() {
            Ok(delivery) => Some(delivery),
            Err(_) => {
                self.service.abandon(self.id, self.place, kind, clock::now());
                None
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.give_up(dropped());
        }
    }
}

fn span(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or(Duration::MAX)
}

fn draining() -> Fault {
    Fault::new(Kind::Unavailable, "Server exiting: it finishes what it has and takes nothing new")
}
