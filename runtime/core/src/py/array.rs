//! Arrays over the core's memory, and the memory of arrays: all of the seam's unsafe code.
#![expect(unsafe_code, reason = "NumPy's C interface; each block names what makes it sound")]

use super::datatype::descriptor;
use crate::base::datatype::Datatype;
use bytes::Bytes;
use numpy::npyffi::{NPY_ARRAY_ALIGNED, NPY_ARRAY_C_CONTIGUOUS, npy_intp};
use numpy::{PY_ARRAY_API, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyMemoryError;
use pyo3::types::{PyMemoryView, PyTuple};
use pyo3::{PyTypeInfo, ffi, prelude::*};
use smallvec::SmallVec;
use std::ffi::c_int;

/// Keeps memory alive for the arrays and memoryviews that look into it. Read-only: NumPy asks it before it
/// lets anybody set an array's `writeable` flag.
#[pyclass(frozen, module = "headrace_core")]
#[derive(Debug)]
pub(super) struct Memory {
    bytes: Bytes,
}

#[pymethods]
impl Memory {
    /// # Safety
    /// `view` is the pointer that CPython hands to a `bf_getbuffer` slot.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let bytes = &slf.get().bytes;
        let len = isize::try_from(bytes.len())?;
        let at = bytes.as_ptr().cast_mut().cast();
        // SAFETY: `view` comes from CPython, which takes its own reference to `slf`, and with it to `bytes`,
        // whose address is stable; `readonly = 1` keeps Python from writing.
        let rc = unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), at, len, 1, flags) };
        if rc == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}

pub(super) fn memoryview(py: Python<'_>, bytes: Bytes) -> PyResult<Bound<'_, PyMemoryView>> {
    PyMemoryView::from(Bound::new(py, Memory { bytes })?.as_any())
}

/// A read-only array of zeros that takes no memory but that of one.
pub(super) fn zeros<'py>(py: Python<'py>, datatype: Datatype, shape: &[i64]) -> PyResult<Bound<'py, PyAny>> {
    let numpy = py.import("numpy")?;
    let zero = numpy.call_method1("zeros", (PyTuple::empty(py), descriptor(py, datatype)?))?;
    numpy.call_method1("broadcast_to", (zero, PyTuple::new(py, shape)?))
}

/// A read-only array that looks at `data`, which it keeps alive. `data` has the size of the shape and is
/// aligned for the datatype.
pub(super) fn view<'py>(
    py: Python<'py>,
    datatype: Datatype,
    shape: &[i64],
    data: &Bytes,
) -> PyResult<Bound<'py, PyAny>> {
    let expected = crate::base::tensor::byte_len(datatype, shape);
    if expected != Some(data.len()) {
        return Err(PyMemoryError::new_err(format!("{shape:?} does not fit {} bytes", data.len())));
    }
    let mut dims =
        shape.iter().map(|size| npy_intp::try_from(*size)).collect::<Result<SmallVec<[_; 8]>, _>>()?;
    let descriptor = descriptor(py, datatype)?.into_dtype_ptr();
    let memory = Bound::new(py, Memory { bytes: data.clone() })?;
    let kind = PyUntypedArray::type_object_raw(py);
    let flags = NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED;
    let at = data.as_ptr().cast_mut().cast();
    let rank = c_int::try_from(dims.len())?;
    let (strides, model) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: the descriptor's reference is given away, as the function takes it; `dims` has `rank` sizes whose
    // product fits `data`, checked above; without NPY_ARRAY_WRITEABLE nobody writes through the array.
    let array = unsafe {
        PY_ARRAY_API.PyArray_NewFromDescr(
            py,
            kind,
            descriptor,
            rank,
            dims.as_mut_ptr(),
            strides,
            at,
            flags,
            model,
        )
    };
    // SAFETY: a new reference, or null with an exception set.
    let array = unsafe { Bound::from_owned_ptr_or_err(py, array) }?;
    // SAFETY: `array` was just made an ndarray; the reference to `memory` is given away, as the function takes it.
    let rc = unsafe { PY_ARRAY_API.PyArray_SetBaseObject(py, array.as_ptr().cast(), memory.into_ptr()) };
    if rc == 0 { Ok(array) } else { Err(PyErr::fetch(py)) }
}

/// The memory of an array; `None` if it is not contiguous in rows.
///
/// Another thread may write to the array while we look: it then gets to send what it wrote, as with any buffer
/// it hands to C. Nothing here depends on the values.
pub(super) fn contents<'a>(array: &'a Bound<'_, PyUntypedArray>) -> Option<&'a [u8]> {
    if !array.is_c_contiguous() {
        return None;
    }
    let len = array.len().checked_mul(array.dtype().itemsize())?;
    if len == 0 {
        return Some(&[]);
    }
    let object = array.as_array_ptr();
    // SAFETY: a live array object, kept by `array`.
    let at = unsafe { (*object).fields.data };
    // SAFETY: a contiguous array has `len` bytes at its data pointer, which stays while `array` is referenced:
    // NumPy refuses to resize an array that somebody else holds.
    Some(unsafe { std::slice::from_raw_parts(at.cast(), len) })
}
