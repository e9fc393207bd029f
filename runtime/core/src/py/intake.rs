//! Where a lane gets its batches.

use super::{batch::Batch, layout::Layout};
use crate::base::contract::Batching;
use crate::host;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::sync::Arc;

/// An open version. When the last reference goes, so does the version: nobody could pull its batches.
#[pyclass(frozen, module = "headrace_core")]
#[derive(Debug)]
pub(super) struct Intake {
    host: Arc<host::Host>,
    intake: Arc<host::Intake>,
    layout: Arc<Layout>,
}

impl Intake {
    pub(super) fn new(py: Python<'_>, host: Arc<host::Host>, intake: Arc<host::Intake>) -> Intake {
        let layout = Arc::new(Layout::new(py, Arc::clone(intake.contract())));
        Intake { host, intake, layout }
    }
}

#[pymethods]
impl Intake {
    /// Blocks, without the interpreter, until there is a batch for this lane; None once closed and empty.
    fn next_batch(&self, py: Python<'_>, lane: u32) -> PyResult<Option<Batch>> {
        let lanes = self.intake.contract().lanes;
        if lane >= lanes {
            return Err(PyValueError::new_err(format!(
                "lane {lane} of a version that was opened with {lanes}"
            )));
        }
        let next = py.detach(|| self.intake.next_batch());
        Ok(next.map(|batch| Batch::new(batch, Arc::clone(&self.layout))))
    }

    /// Changes the limits of the batches to come; JSON as in the contract's `batching`.
    fn update(&self, py: Python<'_>, batching: &str) -> PyResult<()> {
        let batching: Batching = serde_json::from_str(batching)
            .map_err(|e| PyValueError::new_err(format!("the batching settings do not parse: {e}")))?;
        py.detach(|| self.host.update(&self.intake, &batching));
        Ok(())
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.host.abandon(&self.intake);
    }
}
