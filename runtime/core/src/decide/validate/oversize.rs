//! Is a request more than a batch of its model?

use crate::base::{
    contract::Contract,
    inference::{Inference, Parameters, Value},
};

/// Whether it has to be cut.
pub(crate) fn is_oversize(contract: &Contract, inference: &Inference) -> bool {
    let batching = &contract.batching;
    let rows = || inference.inputs.first().and_then(|input| input.tensor.shape.first());
    // Where cost counts, it is known when the request was bound.
    let counts = batching.max_cost.is_some();
    batching.split_oversize && (counts || rows().is_some_and(|rows| *rows > i64::from(batching.max_rows)))
}

/// Memory that parameters take: each copy of a request, and each part of one that is cut, has its own.
pub(crate) fn parameter_bytes(parameters: &Parameters) -> usize {
    let value = |value: &Value| if let Value::Text(text) = value { text.len() } else { 0 };
    parameters.iter().map(|(name, one)| name.len() + value(one) + size_of_val(one)).sum()
}
