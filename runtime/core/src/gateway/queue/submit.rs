//! A request on its way into the queue: checked against its version's contract, and admitted.

use super::{
    mailbox::Mailbox,
    parts::Parts,
    pending::{Delivery, Pending},
    recent::Traced,
    service::{Running, Service},
    success::Came,
    suspects::Suspicion,
};
use crate::base::{
    call::{Tensors, Timing},
    clock,
    contract::Contract,
    device::OnDevice,
    fault::{Fault, Kind},
    inference::{Inference, Input, Parameters},
    primitive::oneshot,
    sequence::Correlation,
    units::{CallId, Rows, Tick},
};
use crate::decide::{
    correlate::correlate,
    ensemble::PLATFORM,
    facts::Facts,
    priority,
    queue::Place,
    rank::Rank,
    validate::{self, Bound},
};
use crate::gateway::{Gateway, ending::draining, memory::admission::Reserved};
use compact_str::CompactString;
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// A request that was admitted.
#[derive(Debug)]
pub(in crate::gateway) struct Asked {
    pub(in crate::gateway) ticket: Ticket,
    pub(in crate::gateway) deadline: Tick,
    pub(in crate::gateway) id: CompactString,
    /// Places in the contract's outputs, ascending, each once.
    pub(in crate::gateway) outputs: SmallVec<[usize; 2]>,
}

/// By which its outcome comes, or it is taken back.
#[derive(Debug)]
pub(in crate::gateway) struct Ticket {
    pub(in crate::gateway) call: CallId,
    pub(in crate::gateway) place: Place,
    /// Of a stateful version: which sequence it is of.
    pub(in crate::gateway) correlation: Option<Arc<Correlation>>,
    pub(in crate::gateway) answer: oneshot::Receiver<Delivery>,
}

/// Counts a request that ends before it is admitted.
pub(in crate::gateway) fn refused(running: &Running, arrived: Tick, rows: Rows, fault: Fault) -> Fault {
    // Whoever asked: that it was not let in says nothing of the version.
    let now = clock::now();
    let came = Came { arrived, admitted: now, user: None };
    running.settled(rows, Some(fault.kind), came, Timing::default(), now);
    fault
}

/// What a call takes of its request, or of a part of it.
#[derive(Debug)]
pub(in crate::gateway) struct One {
    pub(in crate::gateway) inputs: Tensors,
    pub(in crate::gateway) on_device: Option<Arc<OnDevice>>,
    pub(in crate::gateway) rows: Rows,
    pub(in crate::gateway) cost: u64,
    pub(in crate::gateway) parameters: Parameters,
    /// Where they go if its version answers in parts.
    pub(in crate::gateway) parts: Option<Arc<Parts>>,
    /// Of a request that was cut, which is counted as one.
    pub(in crate::gateway) is_part: bool,
    /// For a shadow: counted by that, and never tried again.
    pub(in crate::gateway) is_copy: bool,
}

impl One {
    /// A part of a request that was cut.
    pub(in crate::gateway) fn part(
        inputs: Tensors,
        on_device: Option<Arc<OnDevice>>,
        rows: Rows,
        cost: u64,
        parameters: Parameters,
    ) -> One {
        One { inputs, on_device, rows, cost, parameters, parts: None, is_part: true, is_copy: false }
    }
}

/// The bytes of a request, until its carriers have let go of them.
#[derive(Debug)]
pub(in crate::gateway) enum Held {
    Alone { _reserved: Reserved },
    Shared { _reserved: Arc<Reserved> },
}

/// Its own, or the model's.
pub(in crate::gateway) fn deadline(contract: &Contract, inference: &Inference) -> Tick {
    match contract.batching.deadline_ms {
        Some(ms) if inference.deadline == Tick::NEVER => inference.arrived.plus(span(ms)),
        Some(_) | None => inference.deadline,
    }
}

impl Gateway {
    /// `parts`: where they go if its version answers in parts.
    pub(in crate::gateway) async fn submit(
        &self,
        mut inference: Box<Inference>,
        reserved: Reserved,
        (service, running): (&Arc<Service>, &Arc<Running>),
        parts: Option<Arc<Parts>>,
    ) -> Result<Asked, Fault> {
        let contract = &running.contract;
        // Until it is admitted, who refuses it counts it.
        let arrived = inference.arrived;
        let refuse = |rows: Rows, fault: Fault| refused(running, arrived, rows, fault);
        let bound = bind(contract, &mut inference).await.map_err(|fault| {
            service.not_begun(contract, &inference.parameters);
            refuse(Rows::ZERO, fault)
        });
        let Bound { inputs, on_device, rows, cost, outputs } = bound?;
        let most = contract.batching.max_rows.max(1);
        if rows.get() > most {
            let model = &contract.model;
            let note = format!(
                "the request has {} rows, and model '{model}' takes at most {most} at once: a larger one is cut only where \
                 it has one answer (ModelInfer, or POST /v2/models/{model}/infer)",
                rows.get()
            );
            service.not_begun(contract, &inference.parameters);
            return Err(refuse(rows, Fault::new(Kind::TooLarge, note)));
        }
        let parameters = std::mem::take(&mut inference.parameters);
        let one = One { inputs, on_device, rows, cost, parameters, parts, is_part: false, is_copy: false };
        let ticket =
            self.enqueue(&inference, one, Held::Alone { _reserved: reserved }, (service, running))?;
        let deadline = deadline(contract, &inference);
        Ok(Asked { ticket, deadline, id: std::mem::take(&mut inference.id), outputs })
    }

    /// To a carrier, or into the queue. Who is refused was counted.
    #[inline]
    pub(in crate::gateway) fn enqueue(
        &self,
        inference: &Inference,
        one: One,
        held: Held,
        (service, running): (&Arc<Service>, &Arc<Running>),
    ) -> Result<Ticket, Fault> {
        let (batching, now) = (&running.contract.batching, clock::now());
        let (arrived, deadline) = (inference.arrived, deadline(&running.contract, inference));
        let One { inputs, on_device, rows, cost, parameters, parts, is_part, is_copy } = one;
        let call = CallId(self.last_call.fetch_add(1, Relaxed) + 1);
        let level = match is_copy {
            true => batching.levels().max(1), // the lowest, whatever its caller asked for
            false => priority::level(batching, &parameters),
        };
        let rank = Rank::new(level, arrived, deadline, call.0);
        let place = Place { tenant: self.tenants.of(batching, &inference.facts), rank };
        let correlation = correlate(&running.contract, &inference.id, rows, &parameters);
        let correlation = correlation.map_err(|fault| {
            service.not_begun(&running.contract, &parameters);
            refused(running, arrived, rows, fault)
        })?;
        let user = running.meter.user(&Facts { headers: &inference.facts, parameters: &parameters });
        let (caller, answer) = oneshot::channel();
        let mut pending = Box::new(Pending {
            id: call,
            caller: Some(caller),
            mailbox: Mailbox::here(),
            service: Arc::clone(service),
            running: Arc::clone(running),
            parts,
            inputs,
            on_device,
            rows,
            cost,
            is_part,
            is_copy,
            name: Traced::name(&inference.id),
            traced: inference.traced,
            facts: if running.contract.platform == PLATFORM { inference.facts.clone() } else { Vec::new() },
            parameters,
            correlation: correlation.clone(),
            user,
            callers: inference.callers.clone(),
            arrived,
            admitted: now,
            sent: now,
            deadline,
            place,
            tries: 0,
            crashes: 0,
            suspicion: Suspicion::default(),
            _held: held,
        });
        // What was taken before the end began needs what its model asks for.
        let is_inner = pending.callers.is_some();
        let turned_away = (!is_inner && self.turns_away(pending.correlation.as_deref())).then(draining);
        let fault = turned_away.or_else(|| pending.is_late(now));
        if let Some(fault) = fault.or_else(|| pending.judge(&self.suspects, now)) {
            service.not_begun(&pending.running.contract, &pending.parameters);
            pending.record(fault.kind, &fault.note, Timing::default(), now);
            return Err(fault);
        }
        service.submit(pending, now).map_err(|(pending, fault)| {
            service.not_begun(&pending.running.contract, &pending.parameters);
            pending.record(fault.kind, &fault.note, Timing::default(), now);
            fault
        })?;
        Ok(Ticket { call, place, correlation, answer })
    }
}

/// Takes the inputs of a request and checks them against the contract; long strings on a thread of their own.
pub(in crate::gateway) async fn bind(
    contract: &Arc<Contract>,
    inference: &mut Inference,
) -> Result<Bound, Fault> {
    if strings(&inference.inputs) > LONG {
        // Boxed: rare, and its inputs would make every request's future larger.
        return Box::pin(bind_aside(contract, inference)).await;
    }
    let inputs = std::mem::take(&mut inference.inputs);
    validate::bind(contract, &inference.id, inputs, &inference.outputs)
}

async fn bind_aside(contract: &Arc<Contract>, inference: &mut Inference) -> Result<Bound, Fault> {
    let (contract, inputs) = (Arc::clone(contract), std::mem::take(&mut inference.inputs));
    let (id, outputs) = (inference.id.clone(), inference.outputs.clone());
    let aside = tokio::task::spawn_blocking(move || validate::bind(&contract, &id, inputs, &outputs));
    aside.await.unwrap_or_else(|_| Err(Fault::internal("a check broke")))
}

/// Strings beyond this are gone through on a thread of their own: each is looked at, and a megabyte may hold a quarter
/// of a million.
const LONG: usize = 1 << 20;

fn strings(inputs: &[Input]) -> usize {
    let strings = inputs.iter().map(|input| &input.tensor).filter(|tensor| tensor.datatype.size().is_none());
    strings.map(|tensor| tensor.data.len()).sum()
}

fn span(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or(Duration::MAX)
}
