//! The inputs of a batch, side by side: each row is copied once, and a batch of one call not at all.

use super::{
    by_slot, elements,
    lay::{lay, product, sizes},
    running::Running,
    staging::Staging,
};
use crate::base::{
    call::Call,
    contract::{Join, Pad, TensorSpec},
    datatype::Datatype,
    fault::Fault,
    tensor::{Shape, Tensor, elements as count_of},
    units::Rows,
};
use crate::decide::extents::Extent;
use bytes::Bytes;
use smallvec::SmallVec;

/// One input of a whole batch; the first axis is its rows.
#[derive(Clone, Debug)]
pub enum Gathered {
    /// Row-major and aligned for its datatype.
    Fixed { datatype: Datatype, shape: Shape, data: Bytes },
    /// BYTES, flat and row-major: views of what came, not copied.
    Elements { shape: Shape, elements: Vec<Bytes> },
    /// All of it is in callers' memory on a device.
    OnDevice { datatype: Datatype, shape: Shape },
}

/// In the contract's order.
pub type Inputs = SmallVec<[Gathered; 2]>;

/// The calls fit the contract and each other (`fit`, `plan`), and `extents` are theirs. A call whose BYTES lengths lie gets its fault
/// in `refused` (by seat) and empty elements in the batch. Up to `padded` rows, the last one is repeated: whatever a
/// model makes of made-up values, of these it has made it before.
pub(super) fn gather(
    specs: &[TensorSpec],
    extents: &[Extent],
    calls: &[Call],
    running: &Running,
    staging: &Staging,
    refused: &mut Vec<(usize, Fault)>,
) -> Inputs {
    let Some(first) = calls.first() else { return Inputs::new() };
    let (rows, padded) = (running.rows(), running.padded());
    if running.seated().by_slot {
        return by_slot::gather(calls, running, staging, refused);
    }
    let more = count(padded.minus(rows));
    let one = |(at, model): (usize, &Tensor)| {
        let (mut shape, mut more) = (model.shape.clone(), more);
        if let Some(batch) = shape.first_mut() {
            *batch = i64::from(padded.get());
        }
        if let Some(extent) = extents.iter().find(|extent| extent.input == at) {
            shape = extent.whole.clone();
            if extent.is_flat {
                more = 0; // rows that are nobody's are empty
            } else if let Some(spec) = specs.get(at).filter(|_| extent.padding() > 0) {
                let data = pad(spec, extent, calls, more, staging);
                return Gathered::Fixed { datatype: model.datatype, shape, data };
            }
        }
        match model.datatype.size() {
            None => {
                let mut elements = split(calls, at, refused);
                repeat_last(&mut elements, count(rows), more);
                Gathered::Elements { shape, elements }
            }
            Some(_) if calls.iter().all(|call| is_on_device(call, at)) => {
                Gathered::OnDevice { datatype: model.datatype, shape }
            }
            Some(size) => {
                let data = match calls {
                    [_] if more == 0 && !staging.is_lent() && is_aligned(model, size) => model.data.clone(),
                    _ => stack(calls, at, more, staging),
                };
                Gathered::Fixed { datatype: model.datatype, shape, data }
            }
        }
    };
    first.inputs.iter().enumerate().map(one).collect()
}

/// The inputs of a call that is in no batch: views, or a copy of what is not aligned. A fault for BYTES lengths that lie.
pub(super) fn alone(inputs: &[Tensor], staging: &Staging) -> Result<Inputs, Fault> {
    let one = |tensor: &Tensor| {
        let (datatype, shape) = (tensor.datatype, tensor.shape.clone());
        let Some(size) = datatype.size() else {
            let count = count_of(&shape).unwrap_or(0);
            let elements = elements::split(&tensor.data, count).ok_or_else(|| lie(count, tensor))?;
            return Ok(Gathered::Elements { shape, elements });
        };
        let copy = || {
            let mut lease = staging.lease(tensor.data.len());
            lease.push(&tensor.data);
            lease.freeze()
        };
        Ok(Gathered::Fixed {
            datatype,
            shape,
            data: if is_aligned(tensor, size) { tensor.data.clone() } else { copy() },
        })
    };
    inputs.iter().map(one).collect()
}

/// `more`: how often the last row is repeated.
fn stack(calls: &[Call], input: usize, more: usize, staging: &Staging) -> Bytes {
    let parts = || calls.iter().filter_map(|call| call.inputs.get(input));
    let row = calls.last().and_then(|call| {
        let len = call.inputs.get(input)?.byte_len();
        Some(len / count(call.rows).max(1))
    });
    let row = row.unwrap_or_default();
    let mut lease = staging.lease(parts().map(Tensor::byte_len).sum::<usize>() + more * row);
    for tensor in parts() {
        match tensor.is_on_device() {
            true => lease.fill(&[0], tensor.byte_len()), // laid over there; and nobody finds another's rows here
            false => lease.push(&tensor.data),
        }
    }
    (0..more).for_each(|_| lease.repeat(row));
    lease.freeze()
}

/// Rows of different sizes, each filled up to the whole one, and the last of them `more` times more.
fn pad(spec: &TensorSpec, extent: &Extent, calls: &[Call], more: usize, staging: &Staging) -> Bytes {
    let Join::Pad(Pad { fill, .. }) = &spec.join else { return Bytes::new() };
    let fill = fill.to_le_bytes();
    let element = fill.get(..spec.datatype.size().unwrap_or(0)).unwrap_or_default();
    let row = sizes(extent.whole.get(1..).unwrap_or_default());
    let row_bytes = product(&row) * element.len();
    let all = extent.whole.first().and_then(|rows| usize::try_from(*rows).ok()).unwrap_or(0);
    let mut lease = staging.lease(all * row_bytes);
    for tensor in calls.iter().filter_map(|call| call.inputs.get(extent.input)) {
        // Row by row, as if the batch were one more axis.
        let part = sizes(&tensor.shape);
        let rows = part.first().copied().unwrap_or(0);
        let whole: Vec<usize> = std::iter::once(rows).chain(row.iter().copied()).collect();
        lay(&mut lease, element, &tensor.data, &part, &whole);
    }
    (0..more).for_each(|_| lease.repeat(row_bytes));
    lease.freeze()
}

/// `rows` of equally many elements become `more` rows more.
fn repeat_last(elements: &mut Vec<Bytes>, rows: usize, more: usize) {
    let all = elements.len();
    let last = all - all / rows.max(1)..all;
    for _ in 0..more {
        elements.extend_from_within(last.clone());
    }
}

fn is_on_device(call: &Call, input: usize) -> bool {
    call.inputs.get(input).is_some_and(Tensor::is_on_device)
}

fn is_aligned(tensor: &Tensor, size: usize) -> bool {
    tensor.data.as_ptr().addr().is_multiple_of(size)
}

fn count(rows: Rows) -> usize {
    usize::try_from(rows.get()).unwrap_or(usize::MAX)
}

pub(super) fn split(calls: &[Call], input: usize, refused: &mut Vec<(usize, Fault)>) -> Vec<Bytes> {
    let mut all = Vec::new();
    for (seat, call) in calls.iter().enumerate() {
        let Some(tensor) = call.inputs.get(input) else { continue };
        let count = count_of(&tensor.shape).unwrap_or(0);
        match elements::split(&tensor.data, count) {
            Some(elements) => all.extend(elements),
            None => {
                refused.push((seat, lie(count, tensor)));
                all.resize(all.len() + count, Bytes::new());
            }
        }
    }
    all
}

pub(super) fn lie(count: usize, tensor: &Tensor) -> Fault {
    Fault::invalid(format!("{count} BYTES elements do not fit {} bytes of data", tensor.data.len()))
}
