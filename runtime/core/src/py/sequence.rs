//! The sequence of a row, as a stateful model sees it.

use crate::base::sequence::CorrelationId;
use crate::host::InSequence;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;

/// What a model keeps of a sequence. It may be dropped by a thread that is not Python's.
struct State(Option<Py<PyAny>>);

impl Drop for State {
    fn drop(&mut self) {
        let state = self.0.take();
        // At the interpreter's end nobody is left to hear of it.
        let _ = Python::try_attach(|_| drop(state));
    }
}

#[pyclass(frozen, module = "headrace_core")]
#[derive(Debug)]
pub(super) struct SequenceRow(Option<InSequence>);

impl SequenceRow {
    pub(super) fn new(of: Option<InSequence>) -> SequenceRow {
        SequenceRow(of)
    }

    fn is(&self, what: impl FnOnce(&InSequence) -> bool) -> bool {
        self.0.as_ref().is_some_and(what)
    }
}

#[pymethods]
impl SequenceRow {
    /// Its caller's name for it, int or str; 0 of a row that is nobody's.
    #[getter]
    fn id(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self.0.as_ref().map(|one| &one.correlation.id) {
            None => 0_u64.into_py_any(py),
            Some(CorrelationId::Number(number)) => number.into_py_any(py),
            Some(CorrelationId::Text(text)) => text.as_str().into_py_any(py),
        }
    }

    /// The row is the first of its sequence.
    #[getter]
    fn start(&self) -> bool {
        self.is(|one| one.correlation.start)
    }

    /// The row is the last of its sequence.
    #[getter]
    fn end(&self) -> bool {
        self.is(|one| one.correlation.end)
    }

    /// Somebody asks for this row.
    #[getter]
    fn ready(&self) -> bool {
        self.0.is_some()
    }

    /// The model's own; None at first.
    #[getter]
    fn state(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.0
            .as_ref()?
            .kept
            .look(|kept| kept?.downcast_ref::<State>()?.0.as_ref().map(|state| state.clone_ref(py)))
    }

    #[setter]
    fn set_state(&self, state: Py<PyAny>) {
        let Some(one) = &self.0 else { return };
        // What was kept before is dropped without the lock: to do so may run code of the model's.
        drop(one.kept.keep(Some(Box::new(State(Some(state))))));
    }
}
