//! Tensors in their callers' memory on a device, as the lanes that copy them see them.

use super::layout::Layout;
use crate::base::device::{DeviceRegion, End, Opened, Span};
use crate::host::Placed;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::any::Any;
use std::sync::Arc;

/// A client's memory on a device, open in this process from the first use until its last one is over.
#[pyclass(frozen, module = "headrace_core")]
#[derive(Debug)]
pub(super) struct DeviceMemory {
    region: Arc<DeviceRegion>,
}

/// Where the rows of one request are, of one input or output.
#[pyclass(frozen, get_all, module = "headrace_core")]
#[derive(Debug)]
pub(super) struct DeviceSpan {
    name: Py<pyo3::types::PyString>,
    /// It goes there; else it is there.
    is_output: bool,
    /// The first one, in the batch.
    row: u32,
    rows: u32,
    /// How often its last row is to be repeated behind it.
    repeated: u32,
    /// In the region.
    offset: u64,
    byte_size: u64,
    region: Py<DeviceMemory>,
}

/// What Python opened. Its `close()` is called on a thread of its own: whoever lets go last may hold any lock.
#[derive(Debug)]
struct Mapped(Py<PyAny>);

impl Opened for Mapped {
    fn close(self: Box<Self>, end: Arc<End>) {
        // Without a thread it stays open: its owner waits, rather than free what may be written to.
        let spawned = std::thread::Builder::new().name("headrace unmap".into()).spawn(move || {
            let closed = Python::try_attach(|py| {
                if let Err(error) = self.0.call_method0(py, "close") {
                    error.write_unraisable(py, Some(self.0.bind(py)));
                }
                drop(self);
            });
            drop((closed, end));
        });
        drop(spawned);
    }
}

#[pymethods]
impl DeviceMemory {
    /// The 64 bytes of a cudaIpcMemHandle_t.
    #[getter]
    fn handle<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.region.handle)
    }

    /// As the driver counts the node's, by their place on the bus.
    #[getter]
    fn device(&self) -> u32 {
        self.region.device
    }

    #[getter]
    fn byte_size(&self) -> u64 {
        self.region.byte_size
    }

    /// What `keep` was given; None before.
    #[getter]
    fn opened(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let opened: &dyn Any = self.region.opened()?;
        opened.downcast_ref::<Mapped>().map(|mapped| mapped.0.clone_ref(py))
    }

    /// Keeps what was opened until nobody looks at the region any more; then its `close()` is called. ValueError if it
    /// is open.
    fn keep(&self, opened: Py<PyAny>) -> PyResult<()> {
        let kept = self.region.keep(Box::new(Mapped(opened)));
        kept.map_err(|_| PyValueError::new_err("the region is open"))
    }
}

/// In the order of requests; of each, inputs first.
pub(super) fn spans(py: Python<'_>, layout: &Layout, placed: &[Placed]) -> PyResult<Vec<DeviceSpan>> {
    let mut all = Vec::new();
    for Placed { first, rows, repeated, on_device } in placed {
        let sides = [(false, &layout.inputs, &on_device.inputs), (true, &layout.outputs, &on_device.outputs)];
        for (is_output, names, spans) in sides {
            for Span { tensor, region, offset, byte_size } in spans {
                let name = names.get(*tensor).map(|name| name.clone_ref(py));
                let name = name.ok_or_else(|| PyValueError::new_err("a tensor that no contract names"))?;
                let region = Py::new(py, DeviceMemory { region: Arc::clone(region) })?;
                let (row, rows, repeated) = (*first, rows.get(), repeated.get());
                let (offset, byte_size) = (*offset, *byte_size);
                all.push(DeviceSpan { name, is_output, row, rows, repeated, offset, byte_size, region });
            }
        }
    }
    Ok(all)
}
