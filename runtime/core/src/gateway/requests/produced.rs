//! From what a model made to what its caller gets.

use crate::base::{
    call::{Produced, Timing},
    contract::Contract,
    inference::Answer,
    tensor::Tensor,
};
use compact_str::CompactString;
use std::sync::Arc;

/// What a caller gets of what its model made.
pub(in crate::gateway) fn answer(
    contract: &Arc<Contract>,
    id: CompactString,
    outputs: &[usize],
    produced: Produced,
    timing: Timing,
) -> Answer {
    let wanted = |(place, _): &(usize, Tensor)| outputs.contains(place);
    let whole = |(place, mut tensor): (usize, Tensor)| {
        if contract.unbatched && !tensor.shape.is_empty() {
            tensor.shape.remove(0); // of the one row
        }
        (place, tensor)
    };
    let outputs = produced.outputs.into_iter().enumerate().filter(wanted).map(whole).collect();
    Answer {
        contract: Arc::clone(contract),
        id,
        outputs,
        parameters: produced.parameters,
        timing,
        prediction: None,
    }
}
