//! Calls that models make, as Python makes them.

use super::{
    array,
    elements::BytesTensor,
    gateway::seconds,
    inputs,
    outputs::{Held, read},
};
use crate::base::{
    callers::Callers,
    clock,
    contract::TensorSpec,
    datatype::Datatype,
    fault::Fault,
    inference::{Parameters, Value},
    strings::Strings,
    tensor::Tensor,
    units::Rows,
};
use crate::link::calls;
use crate::wire::{asking::Asking, oip_proto::told::Told};
use bytes::Bytes;
use compact_str::CompactString;
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString};
use std::sync::Arc;

create_exception!(headrace_core, CallFailed, PyException, "A call has no answer: a code of ours, and why.");

/// Model, version, id, parameters, and outputs by name: read-only arrays; BYTES as a BytesTensor.
type Answer<'py> = (String, String, String, Bound<'py, PyDict>, Bound<'py, PyDict>);

/// The way to the gateway of this node, for all models of this process.
#[pyclass(frozen, module = "headrace_core")]
#[derive(Debug)]
pub(super) struct Calls(pub(super) Arc<calls::Calls>);

/// A call on its way. Dropped before its end, it is taken back.
#[pyclass(frozen, module = "headrace_core")]
#[derive(Debug)]
pub(super) struct Ongoing(calls::Ongoing);

/// The rest of what is asked.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct How<'py> {
    /// Empty: as the gateway chooses.
    version: String,
    id: String,
    /// None: all.
    outputs: Vec<String>,
    parameters: Bound<'py, PyDict>,
    timeout_s: f64,
    /// Versions that wait for the answer, as in "front/2 middle/1".
    callers: String,
    in_parts: bool,
}

#[pymethods]
impl Calls {
    /// `at`: the gateway's setting `calls`. OSError if there is no thread to be had.
    #[new]
    fn new(at: String) -> PyResult<Calls> {
        Ok(Calls(calls::Calls::new(at)?))
    }

    /// Copies what is asked, and sends it. `inputs`: name and array, or lists of bytes or text. TypeError or ValueError
    /// for what cannot be sent, CallFailed if too much is on its way.
    fn begin(
        &self,
        py: Python<'_>,
        model: &str,
        inputs: Vec<(String, Bound<'_, PyAny>)>,
        how: How<'_>,
    ) -> PyResult<Ongoing> {
        let How { version, id, outputs, parameters, timeout_s, callers, in_parts } = how;
        let deadline = clock::now().plus(seconds(timeout_s)?);
        let callers = Callers::parse(&callers).map_err(|why| failed(Fault::invalid(why)))?;
        let parameters = sent(&parameters)?;
        let outputs: Vec<CompactString> = outputs.into_iter().map(CompactString::from).collect();
        let (mut specs, mut tensors) = (Vec::new(), Vec::new());
        for (name, value) in &inputs {
            let tensor = tensor(name, value)?;
            specs.push(TensorSpec::new(name, tensor.datatype, []));
            tensors.push(tensor);
        }
        let asking = Asking {
            model,
            version: &version,
            id: &id,
            outputs: &outputs,
            inputs: &specs,
            tensors: &tensors,
            unbatched: false,
            parameters: &parameters,
            in_parts,
        };
        let message = asking.write().map_err(failed)?;
        let question = calls::Question { message, in_parts, callers, deadline };
        py.detach(|| self.0.begin(question)).map(Ongoing).map_err(failed)
    }
}

#[pymethods]
impl Ongoing {
    /// Blocks, without the interpreter, until the answer is there, or the next part; None after the last. CallFailed
    /// where there is none.
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Option<Answer<'py>>> {
        match py.detach(|| self.0.next()) {
            None => Ok(None),
            Some(Ok(told)) => answer(py, told).map(Some),
            Some(Err(fault)) => Err(failed(fault)),
        }
    }

    /// Has `tell` called, on a thread that all calls share, once `next` would not block.
    fn ready(&self, tell: Py<PyAny>) {
        self.0.ready(move || {
            // At the interpreter's end nobody is left to hear of it.
            let _ = Python::try_attach(|py| {
                if let Err(error) = tell.call0(py) {
                    error.write_unraisable(py, Some(tell.bind(py)));
                }
            });
        });
    }

    /// Takes it back.
    fn cancel(&self) {
        self.0.cancel();
    }
}

fn failed(fault: Fault) -> PyErr {
    CallFailed::new_err((fault.kind.code(), fault.note.into_owned()))
}

fn tensor(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    // What is no array can be texts alone.
    let texts = TensorSpec::new(name, Datatype::Bytes, []);
    let wrong = |what: String| PyTypeError::new_err(format!("input '{name}' should be an array, not {what}"));
    let (datatype, shape, data) = match read(&texts, Rows::ZERO, value)?.map_err(wrong)? {
        Held::Elements { shape, elements } => (Datatype::Bytes, shape, elements.into_data().into()),
        Held::Array { array, datatype, shape } => {
            let data =
                array::contents(&array).ok_or_else(|| wrong("one that is not contiguous".to_owned()))?;
            (datatype, shape, Bytes::copy_from_slice(data))
        }
    };
    Ok(Tensor { datatype, shape, data })
}

fn sent(parameters: &Bound<'_, PyDict>) -> PyResult<Parameters> {
    let mut sent = Parameters::new();
    for (name, value) in parameters {
        let name: String = name.extract()?;
        let value = if value.is_instance_of::<PyBool>() {
            Value::Bool(value.extract()?)
        } else if value.is_instance_of::<PyInt>() {
            Value::Int(value.extract()?)
        } else if value.is_instance_of::<PyFloat>() {
            Value::Double(value.extract()?)
        } else if value.is_instance_of::<PyString>() {
            Value::Text(value.extract()?)
        } else {
            let kind = value.get_type().name()?;
            let what = format!("parameter '{name}' should be a bool, int, float or str, not {kind}");
            return Err(PyTypeError::new_err(what));
        };
        sent.push((name.into(), value));
    }
    Ok(sent)
}

fn answer(py: Python<'_>, told: Told) -> PyResult<Answer<'_>> {
    let outputs = PyDict::new(py);
    for (name, tensor) in told.outputs {
        outputs.set_item(name.as_str(), seen(py, &tensor)?)?;
    }
    let parameters = inputs::parameters(py, &told.parameters)?;
    Ok((told.model.into(), told.version.into(), told.id.into(), parameters, outputs))
}

fn seen<'py>(py: Python<'py>, tensor: &Tensor) -> PyResult<Bound<'py, PyAny>> {
    if tensor.datatype != Datatype::Bytes {
        return array::view(py, tensor.datatype, &tensor.shape, &tensor.data);
    }
    let elements = Strings::of(&tensor.data).flatten().map(|one| tensor.data.slice_ref(one)).collect();
    Ok(Bound::new(py, BytesTensor { sizes: tensor.shape.to_vec(), elements })?.into_any())
}
