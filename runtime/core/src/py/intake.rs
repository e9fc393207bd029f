//! Where a lane gets its batches.

use super::{
    batch::{Batch, Open},
    layout::Layout,
    step::Step,
};
use crate::base::{contract::Batching, units::Rows};
use crate::host;
use parking_lot::Mutex;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::sync::{Arc, Weak};

/// An open version. When the last reference goes, so does the version: nobody could pull its batches. Who only changes
/// its limits holds a weak one.
#[pyclass(frozen, weakref, module = "headrace_core")]
#[derive(Debug)]
pub(super) struct Intake {
    host: Arc<host::Host>,
    intake: Arc<host::Intake>,
    layout: Arc<Layout>,
    /// What each lane was given last.
    lanes: Vec<Mutex<Weak<Mutex<Option<Open>>>>>,
}

impl Intake {
    pub(super) fn new(py: Python<'_>, host: Arc<host::Host>, intake: Arc<host::Intake>) -> Intake {
        let layout = Arc::new(Layout::new(py, Arc::clone(intake.contract())));
        let lanes = (0..intake.contract().lanes).map(|_| Mutex::default()).collect();
        Intake { host, intake, layout, lanes }
    }
}

#[pymethods]
impl Intake {
    /// Blocks, without the interpreter, until there is a batch for this lane; None once closed and empty.
    ///
    /// A lane runs one batch at a time: if it left the last one unsettled, that one's callers get an error now,
    /// rather than wait for as long as a variable still names it.
    fn next_batch(&self, py: Python<'_>, lane: usize) -> PyResult<Option<Batch>> {
        if self.intake.contract().streams {
            return Err(PyValueError::new_err("the version has steps (next_step) and no batches"));
        }
        let Some(last) = self.lanes.get(lane) else {
            let lanes = self.lanes.len();
            return Err(PyValueError::new_err(format!(
                "lane {lane} of a version that was opened with {lanes}"
            )));
        };
        let forgotten = last.lock().upgrade().and_then(|open| open.lock().take());
        drop(forgotten);
        let Some(batch) = py.detach(|| self.intake.next_batch()) else { return Ok(None) };
        let (batch, open) = Batch::new(batch, Arc::clone(&self.layout));
        *last.lock() = open;
        Ok(Some(batch))
    }

    /// No batch has more rows from now on, until the limits are changed.
    fn limit_rows(&self, rows: u32) {
        self.intake.limit_rows(Rows::new(rows.max(1)));
    }

    /// Blocks, without the interpreter, until sequences may be stepped or are to be forgotten; None once closed and
    /// empty. For a version that answers in parts.
    fn next_step(&self, py: Python<'_>) -> PyResult<Option<Step>> {
        if !self.intake.contract().streams {
            return Err(PyValueError::new_err("the version has batches (next_batch) and no steps"));
        }
        let step = py.detach(|| self.intake.next_step());
        step.map(|step| Step::new(py, step, &self.layout)).transpose()
    }

    /// The version's device does nothing any more for this process: it takes no more, and the process ends if somebody
    /// replaces it. The callers of `batch`, which has found out if there is one, are told the message.
    #[pyo3(signature = (message, batch = None))]
    fn lose(&self, py: Python<'_>, message: String, batch: Option<&Batch>) {
        let batch = batch.and_then(Batch::give_up);
        py.detach(|| self.host.lose(&self.intake, message, batch));
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
