//! Memory that Python lends: pinned, so that a device copies from it by itself.
#![expect(unsafe_code, reason = "NumPy's C interface; each block names what makes it sound")]

use crate::host::{Block, Lender};
use numpy::{PyArray1, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::ptr::NonNull;

/// Calls `lend(bytes)`, which returns a NumPy array of uint8, or None once it has told that there is none to be had.
#[derive(Debug)]
pub(super) struct PythonLender {
    lend: Py<PyAny>,
}

impl PythonLender {
    pub(super) fn new(lend: Py<PyAny>) -> PythonLender {
        PythonLender { lend }
    }
}

impl Lender for PythonLender {
    fn lend(&self, len: usize) -> Option<Box<dyn Block>> {
        Python::attach(|py| {
            let asked = self.lend.call1(py, (len,)).and_then(|given| lent(given.bind(py)));
            asked.unwrap_or_else(|error| {
                error.write_unraisable(py, Some(self.lend.bind(py)));
                None
            })
        })
    }
}

fn lent(given: &Bound<'_, PyAny>) -> PyResult<Option<Box<dyn Block>>> {
    if given.is_none() {
        return Ok(None);
    }
    let array = given.cast::<PyArray1<u8>>()?;
    // Checks that it is writable, and that nobody else has it open for writing.
    drop(array.try_readwrite()?);
    let contiguous = NonNull::new(array.data()).filter(|_| array.is_c_contiguous());
    let at = contiguous.ok_or_else(|| PyValueError::new_err("lent memory is to be contiguous"))?;
    Ok(Some(Box::new(Lent { at, len: array.len(), _array: array.clone().unbind() })))
}

/// The whole memory of an array that the lender gave away, and does not touch while we have it.
#[derive(Debug)]
struct Lent {
    at: NonNull<u8>,
    len: usize,
    /// Let go without the interpreter: then Python frees it later.
    _array: Py<PyArray1<u8>>,
}

// SAFETY: the memory belongs to `_array`, which any thread may hold, and is reached through `Lent` alone.
unsafe impl Send for Lent {}
// SAFETY: as above; a shared `Lent` is only read from.
unsafe impl Sync for Lent {}

impl Block for Lent {
    fn bytes(&self) -> &[u8] {
        // SAFETY: `at` and `len` are a contiguous array's, whose memory stays while `_array` holds it: NumPy refuses
        // to resize an array that others hold. It was written in full by whoever made it.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.len) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, the array is writable, and by contract the lender keeps no view of it.
        unsafe { std::slice::from_raw_parts_mut(self.at.as_ptr(), self.len) }
    }
}
