//! What Python sees of the core, and nothing else: `headrace_core`.
//!
//! Classes are frozen and hold no state of their own beyond a lock; whatever blocks lets the interpreter go.

mod array;
mod batch;
mod behalf;
mod calls;
mod datatype;
mod elements;
mod fault;
mod files;
mod gateway;
mod gpu;
mod host;
mod image;
mod inputs;
mod intake;
mod layout;
mod lent;
mod metrics;
mod on_device;
mod outputs;
mod ragged;
mod sequence;
mod signals;
mod step;
mod text;
mod threads;
mod upstream;

use pyo3::prelude::*;

/// Many small blocks a request, freed on other threads than they were taken on. Tests have one that counts.
#[cfg_attr(not(any(test, feature = "fuzzing")), global_allocator)]
#[cfg_attr(any(test, feature = "fuzzing"), expect(dead_code, reason = "as said"))]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[pymodule(gil_used = false)]
mod headrace_core {
    #[pymodule_export]
    use super::batch::Batch;
    #[pymodule_export]
    use super::calls::{CallFailed, Calls, Ongoing};
    #[pymodule_export]
    use super::elements::BytesTensor;
    #[pymodule_export]
    use super::files::{jpeg_sizes, preprocess_image_files};
    #[pymodule_export]
    use super::gateway::{Gateway, check_policy, limits};
    #[pymodule_export]
    use super::gpu::gpu_memory;
    #[pymodule_export]
    use super::host::Host;
    #[pymodule_export]
    use super::image::decode_images;
    #[pymodule_export]
    use super::intake::Intake;
    #[pymodule_export]
    use super::metrics::{Metric, Metrics};
    #[pymodule_export]
    use super::on_device::{DeviceMemory, DeviceSpan};
    #[pymodule_export]
    use super::ragged::preprocess_images;
    #[pymodule_export]
    use super::sequence::SequenceRow;
    #[pymodule_export]
    use super::signals::Signals;
    #[pymodule_export]
    use super::step::{Sequence, Step};
    #[pymodule_export]
    use super::threads::{cores, use_threads};
    #[pymodule_export]
    use super::upstream::{Kept, upstream_models};

    use super::{Bound, PyModule, PyModuleMethods, PyResult};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
