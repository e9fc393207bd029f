//! What every batch of a version needs of Python, made once: its tensors' names as Python strings.

use crate::base::contract::Contract;
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Layout {
    pub(super) contract: Arc<Contract>,
    /// Those that the host fills come last.
    pub(super) inputs: Vec<Py<PyString>>,
    pub(super) outputs: Vec<Py<PyString>>,
}

impl Layout {
    pub(super) fn new(py: Python<'_>, contract: Arc<Contract>) -> Layout {
        let intern = |name: &str| PyString::intern(py, name).unbind();
        let controls = contract.sequences.iter().flat_map(|sequences| &sequences.controls);
        let inputs = contract.inputs.iter().chain(controls.map(|control| &control.tensor));
        let inputs = inputs.map(|spec| intern(&spec.name)).collect();
        let outputs = contract.outputs.iter().map(|spec| intern(&spec.name)).collect();
        Layout { inputs, outputs, contract }
    }
}
