//! Decoding photos without the interpreter.

use super::elements::BytesTensor;
use crate::image::{Target, decode_batch};
use numpy::{PyArray1, PyArrayMethods};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyMemoryError, PyValueError};
use pyo3::prelude::*;
use std::num::NonZeroUsize;

/// JPEG, PNG or WebP images to RGB bytes of shape [images, height, width, 3], in as many threads as there are cores,
/// without the interpreter. `crop` is a share of the largest centred part of the target's proportions.
///
/// The second value has, for each image, what is wrong with it, or None; its pixels are then zero.
/// ValueError for impossible sizes, crops or filters (bilinear, bicubic, lanczos).
#[pyfunction]
#[pyo3(signature = (images, height, width, *, crop = 1.0, filter = "bicubic"))]
pub(super) fn decode_images<'py>(
    py: Python<'py>,
    images: &Bound<'py, PyAny>,
    height: u32,
    width: u32,
    crop: f64,
    filter: &str,
) -> PyResult<(Bound<'py, PyAny>, Vec<Option<String>>)> {
    let target = Target::new(height, width, crop, filter).map_err(PyValueError::new_err)?;
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let decoded = if let Ok(tensor) = images.cast::<BytesTensor>() {
        let files: Vec<&[u8]> = tensor.get().elements.iter().map(|element| &element[..]).collect();
        py.detach(|| decode_batch(&files, &target, threads))
    } else {
        // Copied, because a buffer that Python owns may change while it is read; files are small.
        let copied = images.try_iter()?.map(|image| PyBuffer::<u8>::get(&image?)?.to_vec(py));
        let copied = copied.collect::<PyResult<Vec<_>>>()?;
        let files: Vec<&[u8]> = copied.iter().map(Vec::as_slice).collect();
        py.detach(|| decode_batch(&files, &target, threads))
    };
    let (pixels, faults) = decoded.map_err(PyMemoryError::new_err)?;
    let (height, width) = (usize::try_from(height)?, usize::try_from(width)?);
    let pixels = PyArray1::from_vec(py, pixels).reshape([faults.len(), height, width, 3])?;
    Ok((pixels.into_any(), faults))
}
