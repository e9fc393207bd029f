//! A request of more rows than a batch may have, where the model lets it be cut (`batching.split_oversize`): its parts
//! wait and run as requests of their own, and their answers are joined, which costs one copy.
//!
//! It is one request to its caller, to the metrics and to its deadline. Where one part fails, it fails, and the others
//! are taken back.

use super::{predictions::identified, produced::answer};
use crate::base::{
    call::{Produced, Tensors, Timing},
    contract::{Contract, MOST_PARTS},
    fault::{Fault, Kind},
    inference::{Answer, Inference},
    panics,
    strings::Strings,
    tensor::Tensor,
    units::{CallId, Rows},
};
use crate::decide::{
    cost::{cost, too_dear},
    validate::{Bound, miscounted, parameter_bytes},
};
use crate::gateway::{
    Gateway,
    memory::admission::Reserved,
    queue::{
        recent::Recent,
        service::{Running, Service},
        submit::{self, Held, One, refused},
        success::Success,
        waiting::Waiting,
    },
};
use bytes::Bytes;
use futures_util::future::try_join_all;
use std::future::Future;
use std::ops::Range;
use std::pin::pin;
use std::sync::{Arc, atomic::Ordering::Relaxed};

impl Gateway {
    /// As [`Gateway::infer`] does for others.
    pub(super) async fn infer_in_parts<T, D: Future<Output = Result<T, Fault>>>(
        &self,
        inference: Box<Inference>,
        reserved: Reserved,
        (service, running): (Arc<Service>, Arc<Running>),
        deliver: impl FnOnce(Answer) -> D,
    ) -> Result<T, Fault> {
        let asked = self.ask_in_parts(inference, reserved, (&service, &running), deliver);
        let answered = panics::survive_all(pin!(asked)).await;
        answered.flatten().map_err(|fault| self.told(fault, &service.model, Some(service.version)))
    }

    async fn ask_in_parts<T, D: Future<Output = Result<T, Fault>>>(
        &self,
        mut inference: Box<Inference>,
        reserved: Reserved,
        (service, running): (&Arc<Service>, &Arc<Running>),
        deliver: impl FnOnce(Answer) -> D,
    ) -> Result<T, Fault> {
        let (contract, arrived) = (&running.contract, inference.arrived);
        let refuse = |rows: Rows, fault: Fault| refused(running, arrived, rows, fault);
        let bound = submit::bind(contract, &mut inference).await;
        let Bound { inputs, on_device, rows, outputs, .. } =
            bound.map_err(|fault| refuse(Rows::ZERO, fault))?;
        let parts = cut(contract, rows, &inputs).map_err(|fault| refuse(rows, fault))?;
        if on_device.is_some() && parts.len() > 1 {
            return Err(refuse(rows, on_a_device(contract)));
        }
        drop(inputs);
        let copied = parts.len().saturating_mul(parameter_bytes(&inference.parameters));
        if copied > MOST_COPIED {
            return Err(refuse(rows, too_much(parts.len(), copied)));
        }
        let deadline = submit::deadline(contract, &inference);
        // Counts it from here on, also if its caller leaves.
        let call = CallId(self.last_call.fetch_add(1, Relaxed) + 1);
        let keeps = Recent::keeps(call, inference.traced);
        let mut whole = Success::of(running, call, rows, (deadline, parts.len()), &inference);
        let reserved = Arc::new(reserved);
        let asked = async {
            let mut waiting = Vec::with_capacity(parts.len());
            let mut first = 0;
            for Part { rows: some, cost, inputs } in parts {
                let range = first..first + some.get();
                first = range.end;
                let parameters = inference.parameters.clone();
                let one = One::part(inputs, on_device.clone(), some, cost, parameters);
                let held = Held::Shared { _reserved: Arc::clone(&reserved) };
                let ticket = self.enqueue(&inference, one, held, (service, running));
                let ticket = ticket.map_err(|fault| of_rows(fault, &range, rows))?;
                waiting.push((range, Waiting::new(service, ticket)));
            }
            let parts = waiting.into_iter().map(|(range, part)| async move {
                part.until(arrived, deadline).await.map_err(|fault| of_rows(fault, &range, rows))
            });
            // With the first that fails the others are taken back.
            join(contract, try_join_all(parts).await?)
        };
        let (produced, timing) = match asked.await {
            Ok(joined) => joined,
            Err(fault) => {
                whole.fails(&fault);
                return Err(fault);
            }
        };
        whole.timing = timing;
        if !keeps {
            whole.forgets();
        }
        let prediction = self.prediction(contract, &produced);
        let answer = answer(contract, std::mem::take(&mut inference.id), &outputs, produced, timing);
        let delivered = deliver(identified(answer, prediction)).await;
        whole.ends(delivered.as_ref().err());
        delivered
    }
}

fn on_a_device(contract: &Contract) -> Fault {
    let Contract { model, batching, .. } = contract;
    let note = format!(
        "a request with tensors in memory of a device is not cut: send at most {} rows at once to model '{model}'",
        batching.max_rows
    );
    Fault::new(Kind::Unsupported, note)
}

/// Bytes of parameters, of which each part has a copy, together.
const MOST_COPIED: usize = 1 << 20;

fn too_much(parts: usize, bytes: usize) -> Fault {
    let note = format!(
        "the request would be cut into {parts} parts, each of which has its parameters: {bytes} bytes of them, and \
         {MOST_COPIED} are kept; send fewer, or fewer rows"
    );
    Fault::new(Kind::TooLarge, note)
}

/// What is too dear is cut into no more.
const MOST: usize = MOST_PARTS as usize;

#[derive(Debug)]
struct Part {
    rows: Rows,
    cost: u64,
    inputs: Tensors,
}

/// Full batches, and what is left; halves of them where a whole one costs too much.
fn cut(contract: &Contract, rows: Rows, inputs: &Tensors) -> Result<Vec<Part>, Fault> {
    let (batching, all) = (&contract.batching, len(rows));
    let most = usize::try_from(batching.max_rows.max(1)).unwrap_or(usize::MAX);
    let starts: Vec<_> = inputs.iter().map(|input| Starts::of(input, all)).collect();
    let mut parts = Vec::with_capacity(all.div_ceil(most));
    let mut ranges: Vec<_> = (0..all).step_by(most).map(|first| first..all.min(first + most)).rev().collect();
    while let Some(range) = ranges.pop() {
        let rows = Rows::new(u32::try_from(range.len()).unwrap_or(u32::MAX));
        let slice = |(input, starts): (&Tensor, &Starts)| starts.slice(input, range.clone());
        let inputs: Tensors = inputs.iter().zip(&starts).map(slice).collect();
        let mut costs = 0;
        if let Some(max_cost) = batching.max_cost {
            costs = cost(contract, rows, &inputs)?;
            if costs > max_cost && range.len() > 1 && parts.len() + ranges.len() < MOST {
                let middle = range.start + range.len() / 2;
                ranges.extend([middle..range.end, range.start..middle]);
                continue;
            }
            if costs > max_cost {
                return Err(too_dear(contract, costs, max_cost));
            }
        }
        parts.push(Part { rows, cost: costs, inputs });
    }
    Ok(parts)
}

/// Of a part: its rows are counted from its own first.
fn of_rows(fault: Fault, range: &Range<u32>, all: Rows) -> Fault {
    if range.len() == usize::try_from(all.get()).unwrap_or(usize::MAX) {
        return fault;
    }
    let (first, last) = (range.start, range.end.saturating_sub(1));
    let note = format!("of its rows {first} to {last}, which are a part of {}: {}", all.get(), fault.note);
    Fault { note: note.into(), ..fault }
}

/// Where rows begin in a tensor's data.
enum Starts {
    Every(usize),
    /// Of BYTES, and where the last one ends.
    At(Vec<usize>),
}

impl Starts {
    /// Of a tensor that was checked: its data has what its shape says.
    fn of(tensor: &Tensor, rows: usize) -> Starts {
        if tensor.datatype.size().is_some() {
            return Starts::Every(tensor.data.len() / rows.max(1));
        }
        let elements = tensor.shape.iter().skip(1).map(|size| usize::try_from(*size).unwrap_or(0)).product();
        let (mut at, mut starts) = (0, vec![0]);
        let mut strings = Strings::of(&tensor.data);
        for _ in 0..rows {
            let row = strings.by_ref().take(elements).flatten();
            at += row.map(|element| element.len() + 4).sum::<usize>();
            starts.push(at);
        }
        Starts::At(starts)
    }

    fn slice(&self, tensor: &Tensor, rows: Range<usize>) -> Tensor {
        let at = |row: usize| match self {
            Starts::Every(bytes) => row * bytes,
            Starts::At(starts) => starts.get(row).or(starts.last()).copied().unwrap_or_default(),
        };
        let (start, end) = (at(rows.start).min(tensor.data.len()), at(rows.end).min(tensor.data.len()));
        let mut shape = tensor.shape.clone();
        if let Some(first) = shape.first_mut() {
            *first = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        }
        Tensor { datatype: tensor.datatype, shape, data: tensor.data.slice(start..end) }
    }
}

/// One answer of the parts', in their order. Its stages are those of all: they waited beside each other, and ran one
/// after the other as far as is known.
fn join(contract: &Contract, parts: Vec<(Produced, Success)>) -> Result<(Produced, Timing), Fault> {
    let (mut timing, mut all) = (Timing::default(), Vec::with_capacity(parts.len()));
    for (produced, success) in parts {
        if let Some(fault) = miscounted(contract, &produced) {
            return Err(fault);
        }
        let one = success.timing;
        timing = Timing {
            queue_ns: timing.queue_ns.max(one.queue_ns),
            input_ns: timing.input_ns.saturating_add(one.input_ns),
            infer_ns: timing.infer_ns.saturating_add(one.infer_ns),
            output_ns: timing.output_ns.saturating_add(one.output_ns),
            batch_rows: timing.batch_rows.max(one.batch_rows),
            sealed: one.sealed,
        };
        all.push(produced);
    }
    if let [one] = all.as_mut_slice() {
        return Ok((std::mem::take(one), timing)); // nothing is to be joined
    }
    let parameters = all.first().map(|first| first.parameters.clone()).unwrap_or_default();
    let outputs = contract.outputs.iter().enumerate().map(|(at, spec)| {
        let parts: Vec<_> = all.iter().filter_map(|part| part.outputs.get(at)).collect();
        stack(&parts).ok_or_else(|| {
            Fault::internal(format!(
                "the rows of output '{}' of model '{}' have other sizes in one part of a request that was cut than in \
                 another: they cannot be joined",
                spec.name, contract.model
            ))
        })
    });
    Ok((Produced { outputs: outputs.collect::<Result<_, _>>()?, parameters }, timing))
}

/// `None` where rows have different sizes.
fn stack(parts: &[&Tensor]) -> Option<Tensor> {
    let (first, row) = (parts.first()?, parts.first()?.shape.get(1..)?);
    if parts.iter().any(|part| part.shape.get(1..) != Some(row)) {
        return None;
    }
    let mut shape = first.shape.clone();
    *shape.first_mut()? = parts.iter().filter_map(|part| part.shape.first()).sum();
    let mut data = Vec::with_capacity(parts.iter().map(|part| part.data.len()).sum());
    parts.iter().for_each(|part| data.extend_from_slice(&part.data));
    Some(Tensor { datatype: first.datatype, shape, data: Bytes::from(data) })
}

fn len(rows: Rows) -> usize {
    usize::try_from(rows.get()).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
