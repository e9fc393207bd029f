//! A request on its way into the queue: checked against its version's contract, and admitted.

use super::{
    Gateway,
    admission::Reserved,
    mailbox::Mailbox,
    parts::Parts,
    pending::{Delivery, Pending},
    service::{Running, Service},
    suspects::Suspicion,
};
use crate::base::{
    call::Timing,
    clock,
    contract::Contract,
    fault::Fault,
    inference::{Inference, Input},
    primitive::oneshot,
    units::{CallId, Rows, Tick},
};
use crate::decide::{
    priority,
    queue::Place,
    rank::Rank,
    validate::{self, Bound},
};
use crate::meter::Ended;
use compact_str::CompactString;
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// A request that was admitted.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) ticket: Ticket,
    pub(super) deadline: Tick,
    pub(super) id: CompactString,
    /// Places in the contract's outputs, ascending, each once.
    pub(super) outputs: SmallVec<[usize; 2]>,
}

/// By which its outcome comes, or it is taken back.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) call: CallId,
    pub(super) place: Place,
    pub(super) answer: oneshot::Receiver<Delivery>,
}

/// Counts a request that ends before it is admitted.
pub(super) fn refused(running: &Running, arrived: Tick, rows: Rows, fault: Fault) -> Fault {
    let total = clock::now().since(arrived);
    running.meter.settled(&Ended { rows, fault: Some(fault.kind), total, timing: Timing::default() });
    fault
}

impl Gateway {
    /// `parts`: where they go if its version answers in parts.
    pub(super) async fn submit(
        &self,
        mut inference: Box<Inference>,
        reserved: Reserved,
        (service, running): (&Arc<Service>, &Arc<Running>),
        parts: Option<Arc<Parts>>,
    ) -> Result<Asked, Fault> {
        let contract = &running.contract;
        let arrived = inference.arrived;
        let deadline = match contract.batching.deadline_ms {
            Some(ms) if inference.deadline == Tick::NEVER => arrived.plus(span(ms)),
            Some(_) | None => inference.deadline,
        };
        // Until it is admitted, who refuses it counts it.
        let refuse = |rows: Rows, fault: Fault| refused(running, arrived, rows, fault);
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
            parts,
            inputs,
            rows,
            name: inference.id.clone(),
            traced: inference.traced,
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
        if let Some(fault) = pending.is_late(now).or_else(|| pending.judge(&self.suspects, now)) {
            pending.record(fault.kind, &fault.note, Timing::default(), now);
            return Err(fault);
        }
        service.submit(pending, now).map_err(|(pending, fault)| {
            pending.record(fault.kind, &fault.note, Timing::default(), now);
            fault
        })?;
        let ticket = Ticket { call, place, answer };
        Ok(Asked { ticket, deadline, id: std::mem::take(&mut inference.id), outputs })
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

fn span(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or(Duration::MAX)
}
