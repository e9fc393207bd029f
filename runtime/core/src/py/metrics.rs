//! What models count themselves, as Python counts it.

use super::calls::Calls;
use crate::base::{series::Kind, units::Version};
use crate::host::{self, Named};
use crate::link::calls::Tells;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Of all models of this process.
#[pyclass(frozen, module = "headrace_core")]
#[derive(Debug)]
pub(super) struct Metrics(Arc<host::Metrics>);

/// One series. It is on the metrics page for as long as this lives.
#[pyclass(frozen, module = "headrace_core")]
#[derive(Debug)]
pub(super) struct Metric(Arc<host::Metric>);

#[pymethods]
impl Metrics {
    /// `life`: no other process has the same.
    #[new]
    fn new(life: String) -> Metrics {
        Metrics(host::Metrics::new(life))
    }

    /// Has the gateway know of them, from now on.
    fn tell(&self, calls: &Calls) {
        let what: Arc<dyn Tells> = Arc::<host::Metrics>::clone(&self.0);
        calls.0.tell(&what);
    }

    /// The same series for the same name and labels of a version. ValueError if it cannot be shown, or is there already
    /// as something else.
    fn metric(
        &self,
        of: (String, u64),
        name: String,
        description: String,
        is_counter: bool,
        labels: BTreeMap<String, String>,
    ) -> PyResult<Metric> {
        let (model, version) = (of.0.into(), Version(of.1));
        let kind = if is_counter { Kind::Counter } else { Kind::Gauge };
        let help = description;
        let named = Named { model, version, name, help, kind, labels: labels.into_iter().collect() };
        self.0.metric(named).map(Metric).map_err(PyValueError::new_err)
    }
}

#[pymethods]
impl Metric {
    #[getter]
    fn value(&self) -> f64 {
        self.0.value()
    }

    /// ValueError for what is no number, or would make a counter fall.
    fn add(&self, more: f64) -> PyResult<()> {
        self.0.add(more).map_err(PyValueError::new_err)
    }

    /// ValueError for what is no number, or if it is a counter.
    fn set(&self, value: f64) -> PyResult<()> {
        self.0.set(value).map_err(PyValueError::new_err)
    }
}
