//! What callers sent, as Python sees it.

use super::{array, elements::BytesTensor, layout::Layout};
use crate::base::inference::{Parameters, Value};
use crate::decide::extents::Extent;
use crate::host::{Gathered, Inputs};
use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Name to read-only array of shape [rows, ...]; BYTES to a BytesTensor. Valid as long as it is referenced.
pub(super) fn arrays(py: Python<'_>, layout: &Layout, inputs: Inputs) -> PyResult<Py<PyDict>> {
    let dict = PyDict::new(py);
    for (name, input) in layout.inputs.iter().zip(inputs) {
        let value = match input {
            Gathered::Fixed { datatype, shape, data } => array::view(py, datatype, &shape, &data)?,
            Gathered::OnDevice { datatype, shape } => array::zeros(py, datatype, &shape)?,
            Gathered::Elements { shape, elements } => {
                Bound::new(py, BytesTensor { sizes: shape.to_vec(), elements })?.into_any()
            }
        };
        dict.set_item(name.bind(py), value)?;
    }
    Ok(dict.unbind())
}

pub(super) fn sizes(py: Python<'_>, layout: &Layout, extents: &[Extent]) -> PyResult<Py<PyDict>> {
    let dict = PyDict::new(py);
    for extent in extents.iter().filter(|extent| !extent.is_flat) {
        let (sizes, shape) = extent.sizes();
        let name = layout.inputs.get(extent.input).map(|name| name.bind(py));
        dict.set_item(name, PyArray1::from_vec(py, sizes).reshape(shape)?)?;
    }
    Ok(dict.unbind())
}

pub(super) fn offsets(py: Python<'_>, layout: &Layout, extents: &[Extent]) -> PyResult<Py<PyDict>> {
    let dict = PyDict::new(py);
    for extent in extents.iter().filter(|extent| extent.is_flat) {
        let name = layout.inputs.get(extent.input).map(|name| name.bind(py));
        dict.set_item(name, PyArray1::from_vec(py, extent.offsets()))?;
    }
    Ok(dict.unbind())
}

pub(super) fn parameters<'py>(py: Python<'py>, parameters: &Parameters) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in parameters {
        match value {
            Value::Bool(value) => dict.set_item(&**name, value)?,
            Value::Int(value) => dict.set_item(&**name, value)?,
            Value::Uint(value) => dict.set_item(&**name, value)?,
            Value::Double(value) => dict.set_item(&**name, value)?,
            Value::Text(value) => dict.set_item(&**name, value)?,
        }
    }
    Ok(dict)
}
