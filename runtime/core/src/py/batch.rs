//! A batch, as Python runs it.

use super::{
    behalf, inputs,
    layout::Layout,
    on_device::{self, DeviceSpan},
    outputs,
    sequence::SequenceRow,
};
use crate::base::{clock, units::Rows};
use crate::host;
use parking_lot::Mutex;
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use std::sync::{Arc, Weak};

/// One run of a model. Owes its callers an answer: `complete`, `fail`, or an error once it is dropped.
#[pyclass(frozen, module = "headrace_core")]
#[derive(Debug)]
pub(super) struct Batch {
    layout: Arc<Layout>,
    rows: Rows,
    /// `None` once settled. Held for moments only, and never while the interpreter is waited for.
    open: Arc<Mutex<Option<Open>>>,
}

#[derive(Debug)]
pub(super) struct Open {
    batch: host::Batch,
    /// Made when first asked for; let go at settle, so that the buffers can be used again.
    inputs: Option<Py<PyDict>>,
}

impl Batch {
    /// With what the lane needs to see whether it forgot the batch.
    pub(super) fn new(batch: host::Batch, layout: Arc<Layout>) -> (Batch, Weak<Mutex<Option<Open>>>) {
        let rows = batch.rows();
        let open = Arc::new(Mutex::new(Some(Open { batch, inputs: None })));
        let seen = Arc::downgrade(&open);
        (Batch { layout, rows, open }, seen)
    }

    fn of_callers<T>(&self, look: impl FnOnce(&host::Batch) -> Option<T>) -> PyResult<T> {
        self.with(|open| look(&open.batch))?.ok_or_else(settled)
    }

    fn with<T>(&self, look: impl FnOnce(&mut Open) -> T) -> PyResult<T> {
        self.open.lock().as_mut().map(look).ok_or_else(settled)
    }

    /// `None`: it is settled.
    pub(super) fn give_up(&self) -> Option<host::Batch> {
        self.open.lock().take().map(|open| open.batch)
    }

    fn take(&self) -> PyResult<Open> {
        self.open.lock().take().ok_or_else(settled)
    }

    fn per_row<T: Clone>(parts: Vec<(Rows, T)>) -> Vec<T> {
        parts.into_iter().flat_map(|(rows, part)| (0..rows.get()).map(move |_| part.clone())).collect()
    }
}

fn settled() -> PyErr {
    PyValueError::new_err("the batch is settled: its callers have their answers")
}

#[pymethods]
impl Batch {
    #[getter]
    fn rows(&self) -> u32 {
        self.rows.get()
    }

    /// Name to read-only array of shape [rows, ...]; BYTES to a BytesTensor. Valid as long as it is referenced.
    #[getter]
    fn inputs(&self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        let (made, gathered) = self.with(|open| {
            let made = open.inputs.as_ref().map(|inputs| inputs.clone_ref(py));
            let gathered = if made.is_none() { open.batch.inputs().clone() } else { host::Inputs::new() };
            (made, gathered)
        })?;
        if let Some(made) = made {
            return Ok(made);
        }
        let dict = inputs::arrays(py, &self.layout, gathered)?;
        self.with(|open| open.inputs = Some(dict.clone_ref(py)))?;
        Ok(dict)
    }

    /// Of padded inputs, name to int64 array [rows, axes of any size]: the true sizes of each row.
    #[getter]
    fn sizes(&self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        inputs::sizes(py, &self.layout, &self.with(|open| open.batch.extents().to_vec())?)
    }

    /// Of ragged inputs, name to int64 array [rows + 1]: where each row begins, and the last one ends.
    #[getter]
    fn offsets(&self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        inputs::offsets(py, &self.layout, &self.with(|open| open.batch.extents().to_vec())?)
    }

    /// Tensors in memory of a device, which whoever runs the batch is to read from there, and to write there before it
    /// is completed. Their regions stay open as long as this batch is not settled.
    #[getter]
    fn on_device(&self, py: Python<'_>) -> PyResult<Vec<DeviceSpan>> {
        on_device::spans(py, &self.layout, &self.with(|open| open.batch.placed().to_vec())?)
    }

    /// On whose behalf the model runs: seconds that the last of the callers still waits (None: any), and the versions
    /// whose models wait for one of them.
    #[getter]
    fn behalf(&self) -> PyResult<behalf::Told> {
        Ok(behalf::told(&self.of_callers(host::Batch::behalf)?))
    }

    /// For each row, the parameters of the request it came with.
    #[getter]
    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let rows = Batch::per_row(self.of_callers(host::Batch::parameters)?);
        PyList::new(py, rows.iter().map(|row| inputs::parameters(py, row)).collect::<PyResult<Vec<_>>>()?)
    }

    /// Rows of each request, in the batch's order; of those that are nobody's, too.
    #[getter]
    fn requests(&self) -> PyResult<Vec<u32>> {
        Ok(self.of_callers(host::Batch::live)?.into_iter().map(|(rows, _)| rows.get()).collect())
    }

    /// Of a stateful version: the sequence of each row.
    #[getter]
    fn sequences<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let rows = Batch::per_row(self.of_callers(host::Batch::sequences)?);
        PyList::new(py, rows.into_iter().map(SequenceRow::new))
    }

    /// For each row, whether somebody still waits for it. As `parameters` and `reject`, a ValueError once the callers
    /// have their answers, be it that the batch was given up.
    fn live(&self) -> PyResult<Vec<bool>> {
        Ok(Batch::per_row(self.of_callers(host::Batch::live)?))
    }

    /// The request of this row gets a 400 with the reason; its outputs are not looked at.
    fn reject(&self, row: usize, why: &str) -> PyResult<()> {
        let found = self.of_callers(|batch| batch.reject(row, why))?;
        let outside =
            || PyIndexError::new_err(format!("no row {row} in a batch of {} rows", self.rows.get()));
        found.then_some(()).ok_or_else(outside)
    }

    /// Blocks, without the interpreter, until the model is free for this batch, where the version was opened with
    /// `prepares`. False: it hangs in another batch, and the callers of this one were told so.
    fn enter(&self, py: Python<'_>) -> PyResult<bool> {
        let entrance = self.with(|open| open.batch.entrance())?;
        match py.detach(|| entrance.wait()) {
            Some(entered) => self.with(|open| open.batch.has_entered(entered)).map(|()| true),
            None => {
                let given_up = self.open.lock().take();
                py.detach(|| given_up.map(|open| open.batch.give_back()));
                Ok(false)
            }
        }
    }

    /// The model may be given the next batch: all of this one's work is before its device, which takes it in turn.
    fn launched(&self, py: Python<'_>) -> PyResult<()> {
        let entrance = self.with(|open| open.batch.entrance())?;
        py.detach(|| entrance.launched());
        Ok(())
    }

    /// The model and its device are done with this batch, and its lane is not yet: others may have them. To be followed
    /// by `complete` or `fail`.
    fn leave(&self, py: Python<'_>) -> PyResult<()> {
        let entrance = self.with(|open| open.batch.entrance())?;
        let left = py.detach(|| entrance.left());
        self.with(|open| open.batch.has_left(left))
    }

    /// Answers every caller with its rows of `outputs`. If they are not what the model declared, every caller
    /// gets the error that is returned here; None if all is well.
    fn complete(&self, py: Python<'_>, outputs: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
        let returned = clock::now();
        let Open { batch, inputs } = self.take()?;
        let mut held = outputs::hold(&self.layout, self.rows, outputs);
        let lent = match &mut held {
            Ok(held) => {
                outputs::lend(held).ok_or_else(|| "an output could not be made contiguous".to_owned())
            }
            Err(note) => Err(note.clone()),
        };
        let told = py.detach(|| batch.complete(returned, lent));
        drop((held, inputs));
        Ok(told)
    }

    /// The model ran out of memory: smaller batches from now on, and of this one if it may run again. Else its callers
    /// are told the message. What it returns is for the log.
    fn run_out(&self, py: Python<'_>, message: String) -> PyResult<String> {
        let returned = clock::now();
        let Open { batch, inputs } = self.take()?;
        let said = py.detach(|| batch.run_out(returned, message));
        drop(inputs);
        Ok(said)
    }

    /// Answers every caller with this message, as the model's failure.
    fn fail(&self, py: Python<'_>, message: String) -> PyResult<()> {
        let returned = clock::now();
        let Open { batch, inputs } = self.take()?;
        py.detach(|| batch.fail(returned, message));
        drop(inputs);
        Ok(())
    }
}
