//! Decoding photos without the interpreter.

use super::files::with_files;
use super::threads;
use crate::image::{Target, decode_batch};
use numpy::{PyArray1, PyArrayMethods};
use pyo3::exceptions::{PyMemoryError, PyValueError};
use pyo3::prelude::*;

/// JPEG, PNG or WebP images to RGB bytes of shape [images, height, width, 3], on as many threads as a batch may have
/// in its lane, without the interpreter. `crop` is a share of the largest centred part of the target's proportions.
///
/// The second value has, for each image, what is wrong with it, or None; its pixels are then zero.
/// ValueError for impossible sizes, crops or filters (bilinear, bicubic, lanczos).
#[pyfunction]
#[pyo3(signature = (images, height, width, *, crop = 1.0, filter = "bicubic", threads = None))]
pub(super) fn decode_images<'py>(
    py: Python<'py>,
    images: &Bound<'py, PyAny>,
    height: u32,
    width: u32,
    crop: f64,
    filter: &str,
    threads: Option<i64>,
) -> PyResult<(Bound<'py, PyAny>, Vec<Option<String>>)> {
    let target = Target::new(height, width, crop, filter).map_err(PyValueError::new_err)?;
    let threads = threads::count(threads)?;
    let (pixels, faults) = with_files(images, |files| {
        let decoded = py.detach(|| decode_batch(files, &target, threads));
        decoded.map_err(PyMemoryError::new_err)
    })?;
    let (height, width) = (usize::try_from(height)?, usize::try_from(width)?);
    let pixels = PyArray1::from_vec(py, pixels).reshape([faults.len(), height, width, 3])?;
    Ok((pixels.into_any(), faults))
}
