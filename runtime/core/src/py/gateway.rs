//! A gateway, as Python drives it.

use super::{fault::raise, host::Host, upstream::Kept};
use crate::decide::policy::PolicyTable;
use crate::gateway::{self, GatewaySettings, Limits};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Every limit of a gateway and what it is unless the settings say otherwise.
#[pyfunction]
pub(super) fn limits() -> BTreeMap<String, u64> {
    let all = serde_json::to_value(Limits::default()).unwrap_or_default();
    let each = all.as_object().into_iter().flatten();
    each.filter_map(|(name, value)| Some((name.clone(), value.as_u64()?))).collect()
}

/// ValueError, with its mistakes, if a gateway would not take this policy table.
#[pyfunction]
pub(super) fn check_policy(table: &str) -> PyResult<()> {
    PolicyTable::parse(table).map(drop).map_err(|e| PyValueError::new_err(e.to_string()))
}

/// Serves HTTP, gRPC and metrics, and sends calls to hosts.
#[pyclass(frozen, module = "headrace_core")]
#[derive(Debug)]
pub(super) struct Gateway {
    gateway: Arc<gateway::Gateway>,
}

#[pymethods]
impl Gateway {
    #[new]
    fn new(settings: &str) -> PyResult<Gateway> {
        let settings = GatewaySettings::parse(settings).map_err(PyValueError::new_err)?;
        Ok(Gateway { gateway: gateway::Gateway::new(settings)? })
    }

    /// Binds and serves. OSError with the address, and who has it if that can be found.
    fn start(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py.detach(|| self.gateway.start())?)
    }

    /// `http`, `grpc`, `metrics` and where each listens, once started.
    fn addresses(&self) -> BTreeMap<String, String> {
        self.gateway.addresses()
    }

    /// Replaces the policy table. ValueError, and the table in force stays, if it does not hold together.
    fn apply_policy(&self, py: Python<'_>, table: &str) -> PyResult<()> {
        py.detach(|| self.gateway.apply_policy(table)).map_err(|e| PyValueError::new_err(e.to_string()))
    }

    /// JSON: [{"id", "socket"}], the whole set of hosts in other processes. ValueError if it does not parse or
    /// the gateway is not started.
    fn set_endpoints(&self, py: Python<'_>, endpoints: &str) -> PyResult<()> {
        py.detach(|| self.gateway.set_endpoints(endpoints)).map_err(PyValueError::new_err)
    }

    /// The versions of a host in this process, open now or later, are served by this gateway.
    fn attach(&self, py: Python<'_>, host: &Bound<'_, Host>) -> PyResult<()> {
        let host = Arc::clone(&host.get().host);
        py.detach(|| host.attach(self.gateway.clone())).map_err(raise)
    }

    /// Has a version carried by another server of the protocol, for as long as what this returns lives. JSON: {"url":
    /// "grpc://HOST:PORT" (or grpcs, http, https), "access": {"ca", "certificate", "key", "token_env", "token_file"}, each
    /// a text or null, "declared": {"inputs": [{"name", "datatype", "shape"}], "outputs"}, "upstream_model",
    /// "upstream_version" ("": as that server chooses), "model", "version", "rows_in_flight"}. ValueError if it does not parse
    /// or the gateway is not started.
    fn dial(&self, py: Python<'_>, upstream: &str) -> PyResult<Kept> {
        py.detach(|| self.gateway.dial(upstream)).map(Kept).map_err(PyValueError::new_err)
    }

    /// Has a version answered by others of this gateway, for as long as what this returns lives. JSON: {"model", "version",
    /// "max_rows" (0: tensors have no axis of rows), "inputs" [{"name", "datatype", "shape"}], "outputs", "steps" [{"model",
    /// "version" (null: as its traffic says), "inputs" {its name: the ensemble's tensor}, "outputs"}]}. ValueError if it does
    /// not hold together or the gateway is not started.
    fn compose(&self, py: Python<'_>, ensemble: &str) -> PyResult<Kept> {
        py.detach(|| self.gateway.compose(ensemble)).map(Kept).map_err(PyValueError::new_err)
    }

    /// JSON: ready, and for each model and version its state, reason, hosts, waiting, in_flight, contract.
    fn stats(&self) -> String {
        self.gateway.stats()
    }

    /// What is known of the versions that the table has as judged. JSON: began (this gateway's life, ns since 1970), and
    /// versions, each with model, version, since (which count of it), rollout, slow_ns, runs {count, bad}, unserved and
    /// refused {count, bad}, slow [{count, bad}] by line, agreement {count, bad}, latency [[bucket, count]]. Of the same
    /// began and since it only grows.
    fn evidence(&self, py: Python<'_>) -> String {
        py.detach(|| self.gateway.evidence())
    }

    /// What was counted of the versions that the table has as profiled. JSON: began (this gateway's life, ns since 1970),
    /// and versions, each with model, version, since (which count of it), rows, missed, tensors [{name, role, features
    /// [{name, counts [[place, count]]}]}]. Of the same began and since it only grows. `scores`: what the metrics page is
    /// to show, JSON [{model, version, tensor, feature, score, alarm}]; ValueError if it does not parse.
    fn profiles(&self, py: Python<'_>, scores: &str) -> PyResult<String> {
        py.detach(|| self.gateway.profiles(scores)).map_err(PyValueError::new_err)
    }

    /// How requests went lately, some of them: JSON, the newest first.
    fn recent(&self) -> String {
        self.gateway.recent()
    }

    /// Blocks, without the interpreter, until a request failed by our fault; None once drained.
    fn next_error(&self, py: Python<'_>) -> Option<String> {
        py.detach(|| self.gateway.next_error())
    }

    /// Blocks, without the interpreter, until a client wishes to have a model loaded or unloaded; None once drained.
    /// JSON: id, operation (load, unload), model.
    fn next_operation(&self, py: Python<'_>) -> Option<String> {
        py.detach(|| self.gateway.next_operation())
    }

    /// Blocks, without the interpreter, until a request asks for a version that is loaded on demand; None once drained.
    /// JSON: model, version.
    fn next_demand(&self, py: Python<'_>) -> Option<String> {
        py.detach(|| self.gateway.next_demand())
    }

    /// Says that an operation was done, or why it was not.
    #[pyo3(signature = (id, error=None))]
    fn finish_operation(&self, id: u64, error: Option<String>) {
        self.gateway.finish_operation(id, error.map_or(Ok(()), Err));
    }

    /// Accepts nothing new and finishes what was accepted; blocks without the interpreter. True if clean.
    fn drain(&self, py: Python<'_>, timeout_s: f64) -> PyResult<bool> {
        let grace = seconds(timeout_s)?;
        Ok(py.detach(|| self.gateway.drain(grace)))
    }
}

pub(super) fn seconds(timeout_s: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(timeout_s)
        .map_err(|e| PyValueError::new_err(format!("timeout_s={timeout_s}: {e}")))
}
