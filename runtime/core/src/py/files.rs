//! Image files to a model's input, without the interpreter.

use super::elements::BytesTensor;
use super::ragged::{Wanted, room};
use super::threads;
use crate::image::{
    self,
    ragged::{check_files, preprocess_files},
};
use numpy::{PyArray1, PyArrayMethods};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// What the image kernel does with pixels, done with those of JPEG, PNG and WebP files, upright: the tensor that they become.
/// The second value has, for each file, what is wrong with it, or None; its part of the tensor is zero then.
///
/// ValueError for what a transform cannot be, or one of pixels that files do not have.
#[pyfunction]
#[pyo3(signature = (files, transform, *, threads = None))]
pub(super) fn preprocess_image_files<'py>(
    py: Python<'py>,
    files: &Bound<'py, PyAny>,
    transform: Wanted,
    threads: Option<i64>,
) -> PyResult<(Bound<'py, PyAny>, Vec<Option<String>>)> {
    let Wanted(transform) = transform;
    check_files(&transform).map_err(PyValueError::new_err)?;
    let threads = threads::count(threads)?;
    with_files(files, |files| {
        let out = room(py, &transform, files.len(), None)?;
        let bytes = out.call_method1("reshape", (-1,))?.call_method1("view", ("uint8",))?;
        let mut bytes = bytes.cast::<PyArray1<u8>>()?.try_readwrite()?;
        let into = bytes.as_slice_mut()?;
        let faults = py.detach(|| preprocess_files(files, &transform, threads, into));
        drop(bytes);
        Ok((out, faults))
    })
}

/// Of each file: (height, width) as a JPEG's header says, a text that says what is wrong with it, or None where it is no
/// JPEG. What is too large to be decoded has a text.
#[pyfunction]
pub(super) fn jpeg_sizes(py: Python<'_>, files: &Bound<'_, PyAny>) -> PyResult<Vec<Option<Header>>> {
    with_files(files, |files| {
        let read = py.detach(|| image::jpeg_sizes(files));
        let header = |one| match one {
            Ok(size) => Header::Size(size),
            Err(wrong) => Header::Wrong(wrong),
        };
        Ok(read.into_iter().map(|one| one.map(header)).collect())
    })
}

#[derive(IntoPyObject)]
pub(super) enum Header {
    Size((u32, u32)),
    Wrong(String),
}

/// Lends the bytes of each file. Those of a buffer that Python owns are copied, for it may change while they are read;
/// files are small.
pub(super) fn with_files<T>(
    files: &Bound<'_, PyAny>,
    work: impl FnOnce(&[&[u8]]) -> PyResult<T>,
) -> PyResult<T> {
    if let Ok(tensor) = files.cast::<BytesTensor>() {
        let files: Vec<&[u8]> = tensor.get().elements.iter().map(|element| &element[..]).collect();
        return work(&files);
    }
    let copied = files.try_iter()?.map(|file| PyBuffer::<u8>::get(&file?)?.to_vec(files.py()));
    let copied = copied.collect::<PyResult<Vec<_>>>()?;
    work(&copied.iter().map(Vec::as_slice).collect::<Vec<_>>())
}
