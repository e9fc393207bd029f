//! One request on its way through an ensemble: a step goes as soon as all that it reads is there.

use crate::base::{
    call::{Call, Produced, Tensors},
    callers::Callers,
    clock,
    fault::{Fault, Kind},
    inference::{Answer, Inference, Input, Parameters},
    tensor::Tensor,
    units::{Rows, Tick},
};
use crate::decide::{
    ensemble::{Graph, Planned},
    validate::unfit_outputs,
};
use crate::gateway::{Gateway, memory::admission::Reserved, queue::flights::Asker};
use futures_util::{StreamExt, stream::FuturesUnordered};
use smallvec::SmallVec;
use std::future::ready;
use std::sync::Arc;

/// A tensor that steps read, until the last has it.
#[derive(Debug)]
struct Held {
    tensor: Tensor,
    readers: u32,
    /// Of what a step made: it counts with the bytes of requests, since it is one's input next.
    _reserved: Option<Arc<Reserved>>,
}

#[derive(Debug)]
pub(super) struct Run<'a> {
    gateway: &'a Arc<Gateway>,
    graph: &'a Graph,
    asker: Asker,
    /// Who waits for its steps: the ensemble, and those that wait for that.
    callers: Callers,
    parameters: Parameters,
    deadline: Tick,
    rows: Rows,
    held: Vec<Option<Held>>,
    /// Of each step, how many others it waits for.
    waits_for: SmallVec<[usize; 8]>,
}

type Made = (usize, Result<(Answer, Arc<Reserved>), Fault>);

impl<'a> Run<'a> {
    pub(super) fn new(
        gateway: &'a Arc<Gateway>,
        graph: &'a Graph,
        call: &mut Call,
    ) -> Result<Run<'a>, Fault> {
        if call.on_device.is_some() {
            // Bound as if it ran here: only a host can look at a device.
            let note = "memory of a device that a client has registered is not passed on to the steps of an ensemble: \
                        send the tensors in the request";
            return Err(Fault::new(Kind::Unsupported, note));
        }
        // Without one nobody waits for it any more.
        let gone = || Fault::new(Kind::Cancelled, "the caller is gone");
        let asker = gateway.flights.asker(call.id).ok_or_else(gone)?;
        let contract = &graph.contract;
        let callers = Callers::behind(asker.callers.as_ref(), &contract.model, contract.version);
        let callers = callers.map_err(Fault::invalid)?;
        let mut held: Vec<_> = graph.tensors.iter().map(|_| None).collect();
        let inputs = std::mem::take(&mut call.inputs).into_iter().zip(&graph.readers);
        for (place, (mut tensor, readers)) in held.iter_mut().zip(inputs) {
            if graph.contract.unbatched && !tensor.shape.is_empty() {
                tensor.shape.remove(0); // of the one row
            }
            *place = Some(Held { tensor, readers: *readers, _reserved: None });
        }
        let parameters = std::mem::take(&mut call.parameters);
        let waits_for = graph.steps.iter().map(|step| step.waits_for).collect();
        Ok(Run {
            gateway,
            graph,
            asker,
            callers,
            parameters,
            deadline: call.deadline,
            rows: call.rows,
            held,
            waits_for,
        })
    }

    /// The first step that fails is the answer; what is under way beside it is taken back.
    pub(super) async fn whole(mut self) -> Result<Produced, Fault> {
        let graph = self.graph;
        let mut under_way = FuturesUnordered::new();
        for at in graph.first() {
            under_way.push(self.ask(at)?);
        }
        while let Some((at, made)) = under_way.next().await {
            let Some(step) = graph.steps.get(at) else { continue };
            let (answer, reserved) = made.map_err(|fault| of_step(graph, step, fault))?;
            self.keep(step, answer, &reserved)?;
            for next in &step.then {
                let Some(left) = self.waits_for.get_mut(*next) else { continue };
                *left -= 1;
                if *left == 0 {
                    under_way.push(self.ask(*next)?);
                }
            }
        }
        self.outputs()
    }

    /// A request of its own to the step's model, as its callers make them.
    fn ask(&mut self, at: usize) -> Result<impl Future<Output = Made> + use<'a>, Fault> {
        let step = self.graph.steps.get(at).ok_or_else(lost)?;
        let mut inputs = SmallVec::new();
        for (name, place) in &step.inputs {
            let tensor = self.take(*place)?;
            inputs.push(Input { name: name.clone(), tensor, region: None });
        }
        let bytes = inputs.iter().map(|input: &Input| input.tensor.data.len()).sum();
        // Counted as any request, until its host has let go of it: also where its caller leaves before that.
        let reserved = self.gateway.ledger.take(bytes)?;
        let inference = Box::new(Inference {
            model: step.model.clone(),
            version: step.version.map(Into::into),
            id: self.asker.id.clone(),
            parameters: self.parameters.clone(),
            inputs,
            outputs: Vec::new(),
            deadline: self.deadline,
            arrived: clock::now(),
            facts: self.asker.facts.clone(),
            traced: self.asker.traced,
            callers: Some(self.callers.clone()),
        });
        let gateway = self.gateway;
        Ok(async move {
            let counted = |answer: Answer| {
                let bytes = answer.outputs.iter().map(|(_, tensor)| tensor.data.len()).sum();
                ready(gateway.ledger.take(bytes).map(|reserved| (answer, Arc::new(reserved))))
            };
            (at, gateway.infer(inference, reserved, counted).await)
        })
    }

    fn take(&mut self, place: usize) -> Result<Tensor, Fault> {
        let held = self.held.get_mut(place).ok_or_else(lost)?;
        match held {
            Some(one) if one.readers > 1 => {
                one.readers -= 1;
                Ok(one.tensor.clone())
            }
            _ => held.take().map(|one| one.tensor).ok_or_else(lost),
        }
    }

    /// What the step made, for who reads it.
    fn keep(&mut self, step: &Planned, answer: Answer, reserved: &Arc<Reserved>) -> Result<(), Fault> {
        let Answer { contract, mut outputs, .. } = answer;
        for (name, place) in &step.outputs {
            let found = contract.outputs.iter().position(|spec| spec.name == *name);
            let found = found.and_then(|at| outputs.iter().position(|(one, _)| *one == at));
            let Some(found) = found else {
                let note = format!("version {} makes no output '{name}'", contract.version);
                return Err(of_step(self.graph, step, Fault::new(Kind::ModelFailed, note)));
            };
            let (_, tensor) = outputs.swap_remove(found);
            let readers = self.graph.readers.get(*place).copied().unwrap_or_default();
            let held = Held { tensor, readers, _reserved: Some(Arc::clone(reserved)) };
            *self.held.get_mut(*place).ok_or_else(lost)? = Some(held);
        }
        Ok(())
    }

    fn outputs(mut self) -> Result<Produced, Fault> {
        let graph = self.graph;
        let mut outputs = Tensors::new();
        for place in &graph.outputs {
            let mut tensor = self.take(*place)?;
            if graph.contract.unbatched {
                tensor.shape.insert(0, 1);
            }
            outputs.push(tensor);
        }
        let produced = Produced { outputs, parameters: Parameters::new() };
        match unfit_outputs(&graph.contract, &produced, self.rows) {
            None => Ok(produced),
            Some(why) => Err(Fault::new(Kind::ModelFailed, format!("{}{why}", of(graph)))),
        }
    }
}

fn lost() -> Fault {
    Fault::internal("the gateway lost a tensor of an ensemble")
}

/// As Triton begins what it says of one.
fn of(graph: &Graph) -> String {
    format!("in ensemble '{}', ", graph.contract.model)
}

/// What became of a step, as the ensemble's caller is told. It is final: what may be tried again was, for the step.
fn of_step(graph: &Graph, step: &Planned, fault: Fault) -> Fault {
    // The ensemble is there, its model is not.
    let is_gone = matches!(fault.kind, Kind::NotFound | Kind::HostLost);
    let kind = if is_gone { Kind::Unavailable } else { fault.kind };
    let model = format!("'{}'", step.model);
    let named = if fault.note.contains(&model) { String::new() } else { format!("model {model}: ") };
    let note = format!("{}{named}{}", of(graph), fault.note);
    Fault::new(kind, note).retry_after(fault.retry_after)
}
