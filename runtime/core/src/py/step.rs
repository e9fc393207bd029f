//! A step and its sequences, as Python runs them.

use super::{behalf, inputs, layout::Layout, outputs};
use crate::host;
use parking_lot::Mutex;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::{
    sync::{Arc, Weak},
    thread::ThreadId,
};

/// One run of a model over the sequences at work. Owed an end: `finish`, `fail`, or that of all of them once it is
/// dropped.
#[pyclass(frozen, module = "headrace_core")]
#[derive(Debug)]
pub(super) struct Step {
    rows: u32,
    /// Made once; taken by whoever asks first.
    joined: Mutex<Vec<Py<Sequence>>>,
    left: Vec<u64>,
    /// `None` once it is over.
    open: Mutex<Option<host::Step>>,
}

impl Step {
    pub(super) fn new(py: Python<'_>, mut step: host::Step, layout: &Arc<Layout>) -> PyResult<Step> {
        let rows = step.rows().get();
        let lane = std::thread::current().id();
        let intake = Arc::downgrade(step.intake());
        let made =
            |joined| Py::new(py, Sequence::new(joined, Arc::clone(layout), Weak::clone(&intake), lane));
        let joined = step.take_joined().into_iter().map(made).collect::<PyResult<_>>()?;
        let left = step.take_left();
        Ok(Step { rows, joined: Mutex::new(joined), left, open: Mutex::new(Some(step)) })
    }

    fn take(&self) -> PyResult<host::Step> {
        self.open.lock().take().ok_or_else(|| PyValueError::new_err("the step is over"))
    }
}

#[pymethods]
impl Step {
    /// Of the sequences that may emit; 0: there is nothing for the model to do.
    #[getter]
    fn rows(&self) -> u32 {
        self.rows
    }

    /// Those that are here for the first time, in their order; asked again, none.
    fn joined(&self) -> Vec<Py<Sequence>> {
        std::mem::take(&mut *self.joined.lock())
    }

    /// Numbers of those that ended since the last step, other than by the model.
    #[getter]
    fn left(&self) -> Vec<u64> {
        self.left.clone()
    }

    /// Sends what the model said; returns the numbers of those that it ended.
    fn finish(&self, py: Python<'_>) -> PyResult<Vec<u64>> {
        let step = self.take()?;
        Ok(py.detach(|| step.finish()))
    }

    /// Ends all sequences with this message, as the model's failure; returns the numbers of those that ended.
    fn fail(&self, py: Python<'_>, message: String) -> PyResult<Vec<u64>> {
        let step = self.take()?;
        Ok(py.detach(|| step.fail(message)))
    }
}

/// A request that is answered in parts.
#[pyclass(frozen, module = "headrace_core")]
#[derive(Debug)]
pub(super) struct Sequence {
    layout: Arc<Layout>,
    /// Of its version, which may be closed.
    intake: Weak<host::Intake>,
    sequence: Arc<host::Sequence>,
    gathered: host::Inputs,
    /// The thread that steps: a step ends when it returns, whatever others of the model's are about to say.
    lane: ThreadId,
    /// Made when first asked for.
    inputs: Mutex<Option<Py<PyDict>>>,
}

impl Sequence {
    fn new(
        joined: host::Joined,
        layout: Arc<Layout>,
        intake: Weak<host::Intake>,
        lane: ThreadId,
    ) -> Sequence {
        let host::Joined { sequence, inputs } = joined;
        Sequence { layout, intake, sequence, gathered: inputs, lane, inputs: Mutex::default() }
    }

    fn heard_here(&self) -> PyResult<()> {
        if std::thread::current().id() == self.lane {
            return Ok(());
        }
        let note = "parts and the end come from the thread that the model is called in: have others hand it what they make";
        Err(PyRuntimeError::new_err(note))
    }
}

/// A model that speaks at the wrong time hears of it where it does.
fn refused(refused: &host::Refused) -> PyErr {
    PyRuntimeError::new_err(refused.to_string())
}

#[pymethods]
impl Sequence {
    /// Of this version's sequences: no other has it.
    #[getter]
    fn number(&self) -> u64 {
        self.sequence.number()
    }

    #[getter]
    fn rows(&self) -> u32 {
        self.sequence.rows().get()
    }

    /// Name to read-only array of shape [rows, ...]; BYTES to a BytesTensor. Valid as long as it is referenced.
    #[getter]
    fn inputs(&self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        let made = self.inputs.lock().as_ref().map(|inputs| inputs.clone_ref(py));
        if let Some(made) = made {
            return Ok(made);
        }
        let dict = inputs::arrays(py, &self.layout, self.gathered.clone())?;
        *self.inputs.lock() = Some(dict.clone_ref(py));
        Ok(dict)
    }

    /// Of the request.
    #[getter]
    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        inputs::parameters(py, self.sequence.parameters())
    }

    /// As that of a batch.
    #[getter]
    fn behalf(&self) -> behalf::Told {
        behalf::told(&self.sequence.behalf)
    }

    /// What will be said of it comes from elsewhere: no step is for it alone until it is woken. In a step.
    fn rest(&self) -> PyResult<()> {
        self.heard_here()?;
        self.sequence.rest().map_err(|said| refused(&said))
    }

    /// It is in the next step, and there is one; from any thread, and whether it rests or not.
    fn wake(&self, py: Python<'_>) {
        if let Some(intake) = self.intake.upgrade() {
            py.detach(|| intake.wake(&self.sequence));
        }
    }

    /// A part would be refused: its caller has not read what was sent.
    #[getter]
    fn is_paused(&self) -> bool {
        self.sequence.is_paused()
    }

    /// Its caller still waits, as of now.
    #[getter]
    fn is_live(&self) -> bool {
        self.sequence.is_live()
    }

    /// The model goes on with this one alone, and has as long for it as for a step. False where there is nothing to go on
    /// with: it is paused, has ended, or its caller left.
    fn begin_turn(&self) -> bool {
        self.sequence.begin_turn()
    }

    /// One part. If it is not what the model declared, nothing is sent, and what is wrong is returned; None if all is
    /// well. RuntimeError where no part may be sent: it is paused, has ended, the
    /// model is in no step, or another thread speaks.
    fn emit(&self, py: Python<'_>, outputs: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
        self.heard_here()?;
        let mut held = match outputs::hold(&self.layout, self.sequence.rows(), outputs) {
            Ok(held) => held,
            Err(wrong) => return Ok(Some(wrong)),
        };
        let Some(lent) = outputs::lend(&mut held) else {
            return Ok(Some("an output could not be made contiguous".to_owned()));
        };
        match py.detach(|| self.sequence.emit(lent)) {
            Ok(()) => Ok(None),
            Err(host::Refused::Wrong(wrong)) => Ok(Some(wrong)),
            Err(other) => Err(refused(&other)),
        }
    }

    /// Sends what was emitted now, though the step goes on.
    fn flush(&self, py: Python<'_>) {
        py.detach(|| self.sequence.flush());
    }

    /// The answer is whole.
    fn end(&self) -> PyResult<()> {
        self.heard_here()?;
        self.sequence.end().map_err(|other| refused(&other))
    }

    /// Its caller alone gets this message, as the model's failure.
    fn fail(&self, message: String) -> PyResult<()> {
        self.heard_here()?;
        self.sequence.fail(message).map_err(|other| refused(&other))
    }

    /// Its caller gets a 400 with the reason.
    fn reject(&self, why: String) -> PyResult<()> {
        self.heard_here()?;
        self.sequence.reject(why).map_err(|other| refused(&other))
    }
}
