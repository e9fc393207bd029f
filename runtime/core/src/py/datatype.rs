//! NumPy's element types and the protocol's.

use crate::base::datatype::Datatype;
use numpy::{PyArrayDescr, PyArrayDescrMethods};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// One for each number of a datatype. Looked up for every tensor of every batch.
static DESCRIPTORS: [PyOnceLock<Py<PyArrayDescr>>; 15] = [const { PyOnceLock::new() }; 15];

/// `ml_dtypes` is imported when the first BF16 tensor comes. BYTES is `object`.
pub(super) fn descriptor(py: Python<'_>, datatype: Datatype) -> PyResult<Bound<'_, PyArrayDescr>> {
    let make = || -> PyResult<Py<PyArrayDescr>> {
        let name = match datatype {
            Datatype::Bf16 => {
                let kind = py.import("ml_dtypes")?.getattr("bfloat16")?;
                return Ok(PyArrayDescr::new(py, kind)?.unbind());
            }
            Datatype::Bool => "bool",
            Datatype::Uint8 => "uint8",
            Datatype::Uint16 => "uint16",
            Datatype::Uint32 => "uint32",
            Datatype::Uint64 => "uint64",
            Datatype::Int8 => "int8",
            Datatype::Int16 => "int16",
            Datatype::Int32 => "int32",
            Datatype::Int64 => "int64",
            Datatype::Fp16 => "float16",
            Datatype::Fp32 => "float32",
            Datatype::Fp64 => "float64",
            Datatype::Bytes => "object",
        };
        Ok(PyArrayDescr::new(py, name)?.unbind())
    };
    let slot = DESCRIPTORS.get(usize::from(datatype.number()));
    match slot {
        Some(slot) => Ok(slot.get_or_try_init(py, make)?.bind(py).clone()),
        None => Ok(make()?.into_bound(py)),
    }
}

/// What an array's elements are on the wire; `None` for those that have no place there, such as complex
/// numbers or another machine's byte order.
pub(super) fn datatype(of: &Bound<'_, PyArrayDescr>) -> Option<Datatype> {
    let native = || of.is_native_byteorder() != Some(false);
    Some(match (of.kind(), of.itemsize()) {
        (b'b', 1) => Datatype::Bool,
        (b'u', 1) => Datatype::Uint8,
        (b'i', 1) => Datatype::Int8,
        (b'O' | b'S' | b'U' | b'T', _) => Datatype::Bytes,
        (b'u', 2) if native() => Datatype::Uint16,
        (b'u', 4) if native() => Datatype::Uint32,
        (b'u', 8) if native() => Datatype::Uint64,
        (b'i', 2) if native() => Datatype::Int16,
        (b'i', 4) if native() => Datatype::Int32,
        (b'i', 8) if native() => Datatype::Int64,
        (b'f', 2) if native() => Datatype::Fp16,
        (b'f', 4) if native() => Datatype::Fp32,
        (b'f', 8) if native() => Datatype::Fp64,
        // bfloat16 is an extension type: it is the one that ml_dtypes registered, or it is not.
        (_, 2) if of.typeobj().name().is_ok_and(|name| name == "bfloat16") && native() => Datatype::Bf16,
        _ => return None,
    })
}
