//! BYTES outputs: whatever Python may mean by a tensor of strings, as elements on the wire.

use super::elements::BytesTensor;
use crate::base::tensor::{Shape, elements as count_of};
use crate::host::Elements;
use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

/// Why it is none, as the end of "but returned ...".
pub(super) type Wrong = String;

/// `row` is the declared shape of a row: a flat sequence of as many elements as the batch needs is taken too,
/// as BYTES inputs come.
pub(super) fn read(
    value: &Bound<'_, PyAny>,
    rows: u32,
    row: &[i64],
) -> PyResult<Result<(Shape, Elements), Wrong>> {
    if let Ok(tensor) = value.cast::<BytesTensor>() {
        let tensor = tensor.get();
        let mut elements = Elements::default();
        for element in &tensor.elements {
            if elements.push(element).is_err() {
                return Ok(Err(TOO_LONG.into()));
            }
        }
        return Ok(Ok((Shape::from_slice(&tensor.sizes), elements)));
    }
    if let Ok(array) = value.cast::<PyUntypedArray>() {
        let shape = array.shape().iter().map(|size| i64::try_from(*size)).collect::<Result<Shape, _>>()?;
        let flat = value.call_method0("ravel")?.call_method0("tolist")?;
        let mut elements = Elements::default();
        for element in flat.try_iter()? {
            if let Err(wrong) = push(&mut elements, &element?)? {
                return Ok(Err(wrong));
            }
        }
        return Ok(Ok((shape, elements)));
    }
    if is_list(value) {
        let (mut shape, mut elements) = (Shape::new(), Elements::default());
        if let Err(wrong) = nested(value, 0, &mut shape, &mut elements)? {
            return Ok(Err(wrong));
        }
        return Ok(Ok((unflattened(shape, rows, row), elements)));
    }
    Ok(Err(format!("an object of type {}", value.get_type().name()?)))
}

const TOO_LONG: &str = "an element of 4 GiB or more, which has no length on the wire";

fn is_list(value: &Bound<'_, PyAny>) -> bool {
    value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>()
}

/// The first element of each level says how long its lists are; the others must agree.
fn nested(
    value: &Bound<'_, PyAny>,
    level: usize,
    shape: &mut Shape,
    elements: &mut Elements,
) -> PyResult<Result<(), Wrong>> {
    if !is_list(value) {
        return if level == shape.len() {
            push(elements, value)
        } else {
            Ok(Err("lists of differing depth".into()))
        };
    }
    let len = i64::try_from(value.len()?)?;
    match shape.get(level) {
        None if elements.count() > 0 => return Ok(Err("lists of differing depth".into())),
        None if level >= MAX_RANK => return Ok(Err(format!("lists nested deeper than {MAX_RANK}"))),
        None => shape.push(len),
        Some(other) if *other != len => {
            return Ok(Err(format!("lists of differing lengths, {other} and {len}")));
        }
        Some(_) => {}
    }
    for item in value.try_iter()? {
        if let Err(wrong) = nested(&item?, level + 1, shape, elements)? {
            return Ok(Err(wrong));
        }
    }
    Ok(Ok(()))
}

/// As many axes as NumPy has at most; also ends lists that contain themselves.
const MAX_RANK: usize = 64;

/// A flat list stands for a tensor of the declared shape if it has just enough elements.
fn unflattened(shape: Shape, rows: u32, row: &[i64]) -> Shape {
    let mut full = Shape::from_slice(&[i64::from(rows)]);
    full.extend_from_slice(row);
    if shape.len() == 1 && !row.is_empty() && count_of(&full) == count_of(&shape) { full } else { shape }
}

fn push(elements: &mut Elements, element: &Bound<'_, PyAny>) -> PyResult<Result<(), Wrong>> {
    let pushed = if let Ok(bytes) = element.cast::<PyBytes>() {
        elements.push(bytes.as_bytes())
    } else if let Ok(text) = element.cast::<PyString>() {
        match text.to_cow() {
            Ok(text) => elements.push(text.as_bytes()),
            Err(e) => return Ok(Err(format!("a str that is no UTF-8: {e}"))),
        }
    } else if let Ok(buffer) = PyBuffer::<u8>::get(element) {
        elements.push(&buffer.to_vec(element.py())?)
    } else {
        let kind = element.get_type().name()?;
        return Ok(Err(format!("an element of type {kind}; elements are bytes or str")));
    };
    Ok(pushed.map_err(|_| TOO_LONG.into()))
}
