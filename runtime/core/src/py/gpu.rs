//! What the driver tells of GPUs.

use crate::meter::{self, GpuMemory};
use pyo3::prelude::*;

/// UUID, total and free bytes of the GPU that an entry of CUDA_VISIBLE_DEVICES names: its place in the order of the
/// bus, or the UUID of it or of a part of it (MIG). None where the driver knows none such, or is not there.
#[pyfunction]
pub(super) fn gpu_memory(py: Python<'_>, entry: &str) -> Option<(String, u64, u64)> {
    let found = py.detach(|| meter::gpu_memory(entry));
    found.map(|GpuMemory { uuid, total, free }| (uuid, total, free))
}
