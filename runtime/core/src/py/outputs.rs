//! What a model returned, as contiguous arrays: NumPy as it is, torch, DLPack and buffers through NumPy.

use super::{array::contents, datatype, layout::Layout, text};
use crate::base::{contract::TensorSpec, datatype::Datatype, tensor::Shape, units::Rows};
use crate::host::{Elements, Output, wrong_names, wrong_output};
use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyMapping};

/// One output, held until it is copied.
#[derive(Debug)]
pub(super) enum Held<'py> {
    Array { array: Bound<'py, PyUntypedArray>, datatype: Datatype, shape: Shape },
    Elements { shape: Shape, elements: Elements },
}

/// In the contract's order, or what is wrong with what the model returned.
pub(super) fn hold<'py>(
    layout: &Layout,
    rows: Rows,
    given: &Bound<'py, PyAny>,
) -> Result<Vec<Held<'py>>, String> {
    let py = given.py();
    let contract = &layout.contract;
    let Ok(given) = mapping(given) else {
        return Err(wrong_names(contract, &[format!("an object of type {}", kind(given))]));
    };
    let mut held = Vec::with_capacity(layout.outputs.len());
    for (spec, name) in contract.outputs.iter().zip(&layout.outputs) {
        let Some(value) = given.get_item(name.bind(py)).ok().flatten() else {
            return Err(names(layout, &given));
        };
        let read = read(spec, rows, &value).unwrap_or_else(|e| Err(format!("what cannot be read: {e}")));
        held.push(read.map_err(|returned| wrong_output(contract, spec, rows, &returned))?);
    }
    if given.len() == held.len() { Ok(held) } else { Err(names(layout, &given)) }
}

/// As the core checks and copies it; `None` for an array that is not contiguous after all.
pub(super) fn lend<'a>(held: &'a mut [Held<'_>]) -> Option<Vec<Output<'a>>> {
    let lend = |held: &'a mut Held<'_>| match held {
        Held::Array { array, datatype, shape } => {
            Some(Output::Fixed { datatype: *datatype, shape: shape.clone(), data: contents(array)? })
        }
        Held::Elements { shape, elements } => {
            Some(Output::Elements { shape: shape.clone(), elements: std::mem::take(elements) })
        }
    };
    held.iter_mut().map(lend).collect()
}

fn mapping<'py>(given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    if let Ok(dict) = given.cast::<PyDict>() {
        return Ok(dict.clone());
    }
    let dict = PyDict::new(given.py());
    dict.update(given.cast::<PyMapping>()?)?;
    Ok(dict)
}

fn names(layout: &Layout, given: &Bound<'_, PyDict>) -> String {
    let names: Vec<_> = given.keys().iter().map(|name| name.to_string()).collect();
    wrong_names(&layout.contract, &names)
}

fn kind(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "?".into(), |name| name.to_string())
}

/// What is an array keeps its own datatype, whatever the specification says; what is none can be BYTES alone.
pub(super) fn read<'py>(
    spec: &TensorSpec,
    rows: Rows,
    value: &Bound<'py, PyAny>,
) -> PyResult<Result<Held<'py>, String>> {
    let array = match value.cast::<PyUntypedArray>() {
        Ok(array) => array.clone(),
        Err(_) => match as_array(value)? {
            Some(array) => array,
            None if spec.datatype == Datatype::Bytes => {
                let read = text::read(value, rows.get(), &spec.shape)?;
                return Ok(read.map(|(shape, elements)| Held::Elements { shape, elements }));
            }
            None => {
                let wanted = datatype::descriptor(value.py(), spec.datatype)?;
                let made = format!("numpy.array(it, '{}') makes one", wanted.str()?);
                return Ok(Err(format!("an object of type {}, which is no array: {made}", kind(value))));
            }
        },
    };
    let shape = array.shape().iter().map(|size| i64::try_from(*size)).collect::<Result<Shape, _>>()?;
    let Some(datatype) = datatype::datatype(&array.dtype()) else {
        return Ok(Err(format!("an array of {} with shape {shape:?}", array.dtype().str()?)));
    };
    if datatype == Datatype::Bytes && spec.datatype == Datatype::Bytes {
        let read = text::read(&array, rows.get(), &spec.shape)?;
        return Ok(read.map(|(shape, elements)| Held::Elements { shape, elements }));
    }
    // One more copy, of what the model transposed or cut out.
    let array = if array.is_c_contiguous() { array } else { contiguous(&array)? };
    Ok(Ok(Held::Array { array, datatype, shape }))
}

fn contiguous<'py>(array: &Bound<'py, PyUntypedArray>) -> PyResult<Bound<'py, PyUntypedArray>> {
    static ASCONTIGUOUSARRAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let function = ASCONTIGUOUSARRAY.import(array.py(), "numpy", "ascontiguousarray")?;
    Ok(function.call1((array,))?.cast_into()?)
}

/// `None` for what is no array at all: numbers, lists and text are not guessed at.
fn as_array<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyUntypedArray>>> {
    static ASARRAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static FROM_DLPACK: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = value.py();
    if value.hasattr(intern!(py, "detach"))? && value.hasattr(intern!(py, "cpu"))? {
        return Ok(Some(torch(value)?.cast_into()?));
    }
    if value.hasattr(intern!(py, "__cuda_array_interface__"))? && value.hasattr(intern!(py, "get"))? {
        return Ok(Some(value.call_method0(intern!(py, "get"))?.cast_into()?)); // CuPy
    }
    if value.hasattr(intern!(py, "__dlpack__"))? {
        return Ok(Some(FROM_DLPACK.import(py, "numpy", "from_dlpack")?.call1((value,))?.cast_into()?));
    }
    let is_array = value.hasattr(intern!(py, "__array__"))?
        || value.hasattr(intern!(py, "__array_interface__"))?
        || is_buffer(value);
    if !is_array {
        return Ok(None);
    }
    Ok(Some(ASARRAY.import(py, "numpy", "asarray")?.call1((value,))?.cast_into()?))
}

/// Text is a buffer too, and one element rather than an array of numbers.
fn is_buffer(value: &Bound<'_, PyAny>) -> bool {
    let is_text = value.is_instance_of::<pyo3::types::PyBytes>();
    !is_text && pyo3::buffer::PyUntypedBuffer::get(value).is_ok()
}

/// From any device, without its history. NumPy has no name for torch's bfloat16: its bits are looked at anew.
fn torch<'py>(tensor: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = tensor.py();
    let tensor = tensor.call_method0(intern!(py, "detach"))?.call_method0(intern!(py, "cpu"))?;
    let kind = tensor.getattr(intern!(py, "dtype"))?.str()?;
    if kind != "torch.bfloat16" {
        return tensor.call_method0(intern!(py, "numpy"));
    }
    let bits = py.import("torch")?.getattr(intern!(py, "int16"))?;
    let bits = tensor.call_method1(intern!(py, "view"), (bits,))?.call_method0(intern!(py, "numpy"))?;
    bits.call_method1(intern!(py, "view"), (datatype::descriptor(py, Datatype::Bf16)?,))
}
