//! A BYTES input as Python sees it.

use super::array::memoryview;
use bytes::Bytes;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyMemoryView, PySlice, PyTuple};

/// The elements of a BYTES tensor, flat and row-major; each is a read-only memoryview of what came.
#[pyclass(frozen, sequence, module = "headrace_core")]
#[derive(Debug)]
pub(super) struct BytesTensor {
    pub(super) sizes: Vec<i64>,
    pub(super) elements: Vec<Bytes>,
}

#[pymethods]
impl BytesTensor {
    /// The batch axis first.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.sizes)
    }

    fn __len__(&self) -> usize {
        self.elements.len()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, at: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if let Ok(slice) = at.cast::<PySlice>() {
            let picked = slice.indices(isize::try_from(self.elements.len())?)?;
            let mut views = Vec::with_capacity(picked.slicelength);
            for step in 0..isize::try_from(picked.slicelength)? {
                views.push(self.element(py, picked.start + step * picked.step)?);
            }
            return Ok(PyList::new(py, views)?.into_any());
        }
        let at: isize = at.extract()?;
        let len = isize::try_from(self.elements.len())?;
        Ok(self.element(py, if at < 0 { at + len } else { at })?.into_any())
    }

    fn __repr__(&self) -> String {
        format!("BytesTensor(shape={:?})", self.sizes)
    }
}

impl BytesTensor {
    fn element<'py>(&self, py: Python<'py>, at: isize) -> PyResult<Bound<'py, PyMemoryView>> {
        let element = usize::try_from(at).ok().and_then(|at| self.elements.get(at));
        let outside = || PyIndexError::new_err(format!("no element {at} among {}", self.elements.len()));
        memoryview(py, element.ok_or_else(outside)?.clone())
    }
}
