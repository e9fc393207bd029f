//! The inputs of a batch, side by side: each row is copied once, and a batch of one call not at all.

use super::{elements, staging::Staging};
use crate::base::{
    call::Call,
    datatype::Datatype,
    fault::Fault,
    tensor::{Shape, Tensor, elements as count_of},
    units::Rows,
};
use bytes::Bytes;
use smallvec::SmallVec;

/// One input of a whole batch; the first axis is its rows.
#[derive(Clone, Debug)]
pub enum Gathered {
    /// Row-major and aligned for its datatype.
    Fixed { datatype: Datatype, shape: Shape, data: Bytes },
    /// BYTES, flat and row-major: views of what came, not copied.
    Elements { shape: Shape, elements: Vec<Bytes> },
}

/// In the contract's order.
pub type Inputs = SmallVec<[Gathered; 2]>;

/// The calls fit the contract and each other (`fit`, `plan`). A call whose BYTES lengths lie gets its fault
/// in `refused` (by seat) and empty elements in the batch.
pub(super) fn gather(
    calls: &[Call],
    rows: Rows,
    staging: &Staging,
    refused: &mut Vec<(usize, Fault)>,
) -> Inputs {
    let Some(first) = calls.first() else { return Inputs::new() };
    let one = |(at, model): (usize, &Tensor)| {
        let mut shape = model.shape.clone();
        if let Some(batch) = shape.first_mut() {
            *batch = i64::from(rows.get());
        }
        match model.datatype.size() {
            None => Gathered::Elements { shape, elements: split(calls, at, refused) },
            Some(size) => {
                let data = match calls {
                    [_] if model.data.as_ptr().addr().is_multiple_of(size) => model.data.clone(),
                    _ => stack(calls, at, staging),
                };
                Gathered::Fixed { datatype: model.datatype, shape, data }
            }
        }
    };
    first.inputs.iter().enumerate().map(one).collect()
}

fn stack(calls: &[Call], input: usize, staging: &Staging) -> Bytes {
    let parts = || calls.iter().filter_map(|call| call.inputs.get(input));
    let mut lease = staging.lease(parts().map(|tensor| tensor.data.len()).sum());
    parts().for_each(|tensor| lease.push(&tensor.data));
    lease.freeze()
}

fn split(calls: &[Call], input: usize, refused: &mut Vec<(usize, Fault)>) -> Vec<Bytes> {
    let mut all = Vec::new();
    for (seat, call) in calls.iter().enumerate() {
        let Some(tensor) = call.inputs.get(input) else { continue };
        let count = count_of(&tensor.shape).unwrap_or(0);
        match elements::split(&tensor.data, count) {
            Some(elements) => all.extend(elements),
            None => {
                let note = format!("{count} BYTES elements do not fit {} bytes of data", tensor.data.len());
                refused.push((seat, Fault::invalid(note)));
                all.resize(all.len() + count, Bytes::new());
            }
        }
    }
    all
}
