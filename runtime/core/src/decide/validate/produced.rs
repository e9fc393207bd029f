//! Does what came from a host fit the contract?

use crate::base::{call::Produced, contract::Contract, fault::Fault};

/// Not what the contract says that the model makes.
pub(crate) fn miscounted(contract: &Contract, produced: &Produced) -> Option<Fault> {
    let (made, declared) = (produced.outputs.len(), contract.outputs.len());
    let note = || format!("the host answered with {made} outputs, the contract has {declared}");
    (made != declared).then(|| Fault::internal(note()))
}
