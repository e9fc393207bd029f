//! The inputs of a batch in which each sequence has a row of its own: rows of slots without a request are copies of the
//! first one, for of these values the model has made something before.

use super::{
    elements,
    gather::{Gathered, Inputs, lie},
    running::Running,
    staging::Staging,
};
use crate::base::{
    call::Call,
    fault::Fault,
    tensor::{Tensor, elements as count_of},
};
use bytes::Bytes;

/// Each call has one row.
pub(super) fn gather(
    calls: &[Call],
    running: &Running,
    staging: &Staging,
    refused: &mut Vec<(usize, Fault)>,
) -> Inputs {
    let all = usize::try_from(running.padded().get()).unwrap_or(0);
    let mut owners: Vec<usize> = vec![0; all];
    for at in 0..calls.len() {
        if let Some(owner) = running.seated().row(at).and_then(|row| owners.get_mut(row)) {
            *owner = at;
        }
    }
    let Some(first) = calls.first() else { return Inputs::new() };
    let one = |(input, model): (usize, &Tensor)| {
        let mut shape = model.shape.clone();
        if let Some(batch) = shape.first_mut() {
            *batch = i64::from(running.padded().get());
        }
        let of = |call: &usize| calls.get(*call).and_then(|call| call.inputs.get(input));
        let Some(_) = model.datatype.size() else {
            let rows: Vec<Vec<Bytes>> = (0..calls.len()).map(|at| strings(of(&at), at, refused)).collect();
            let row = |call: &usize| rows.get(*call).into_iter().flatten().cloned();
            return Gathered::Elements { shape, elements: owners.iter().flat_map(row).collect() };
        };
        let mut lease = staging.lease(model.data.len().saturating_mul(all));
        owners.iter().filter_map(of).for_each(|tensor| lease.push(&tensor.data));
        Gathered::Fixed { datatype: model.datatype, shape, data: lease.freeze() }
    };
    first.inputs.iter().enumerate().map(one).collect()
}

/// Of one call; empty ones, if their lengths lie.
fn strings(tensor: Option<&Tensor>, call: usize, refused: &mut Vec<(usize, Fault)>) -> Vec<Bytes> {
    let Some(tensor) = tensor else { return Vec::new() };
    let count = count_of(&tensor.shape).unwrap_or(0);
    elements::split(&tensor.data, count).unwrap_or_else(|| {
        refused.push((call, lie(count, tensor)));
        vec![Bytes::new(); count]
    })
}
