//! Versions that a gateway carries itself, as Python drives them.

use super::{fault::raise, gateway::seconds};
use crate::base::contract::{Contract, TensorSpec};
use crate::link::{
    foreign::{self, Access, Address},
    kept::{self, Standing},
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde::Deserialize;
use serde_json::json;

/// A version that other servers or other versions answer, for as long as this lives.
#[pyclass(frozen, module = "headrace_core")]
#[derive(Debug)]
pub(super) struct Kept(pub(super) kept::Kept);

#[pymethods]
impl Kept {
    /// Blocks, without the interpreter, until it stands otherwise than this has told before, or `timeout_s` is over; for
    /// one thread. JSON: {"state": "down", "reason"} (empty: not tried yet), {"state": "up", "platform", "max_rows",
    /// "streams", "unbatched", "inputs": [{"name", "datatype", "shape"}], "outputs"}, {"state": "refused", "reason"}
    /// (whatever comes), {"state": "over"}.
    fn wait(&self, py: Python<'_>, timeout_s: f64) -> PyResult<String> {
        let limit = seconds(timeout_s)?;
        Ok(told(&py.detach(|| self.0.wait(limit))).to_string())
    }

    /// Sends nothing more; blocks, without the interpreter, until what was sent is answered, or `timeout_s` is over.
    /// True if all was.
    fn close(&self, py: Python<'_>, timeout_s: f64) -> PyResult<bool> {
        let limit = seconds(timeout_s)?;
        Ok(py.detach(|| self.0.close(limit)))
    }
}

fn told(standing: &Standing) -> serde_json::Value {
    match standing {
        Standing::Down(reason) => json!({"state": "down", "reason": reason}),
        Standing::Refused(reason) => json!({"state": "refused", "reason": reason}),
        Standing::Over => json!({"state": "over"}),
        Standing::Up(contract) => {
            let Contract { platform, batching, streams, unbatched, inputs, outputs, .. } = &**contract;
            json!({
                "state": "up",
                "platform": platform,
                "max_rows": batching.max_rows,
                "streams": streams,
                "unbatched": unbatched,
                "inputs": tensors(inputs),
                "outputs": tensors(outputs),
            })
        }
    }
}

fn tensors(specs: &[TensorSpec]) -> Vec<serde_json::Value> {
    let one =
        |spec: &TensorSpec| json!({"name": spec.name, "datatype": spec.datatype.name(), "shape": spec.shape});
    specs.iter().map(one).collect()
}

/// A server, as it is asked for its models.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    url: String,
    #[serde(default)]
    access: Access,
}

/// What a server has, which is given as JSON: {"url", "access"}. JSON: [{"model", "version", "ready", "reason"}]. ValueError
/// for another address; RuntimeError if it cannot be reached within `timeout_s`, or has no index of its models.
#[pyfunction]
pub(super) fn upstream_models(py: Python<'_>, server: &str, timeout_s: f64) -> PyResult<String> {
    let asked: Asked =
        serde_json::from_str(server).map_err(|error| PyValueError::new_err(error.to_string()))?;
    let address: Address = asked.url.parse().map_err(PyValueError::new_err)?;
    let limit = seconds(timeout_s)?;
    let listed = py.detach(|| foreign::list(&address, &asked.access, limit)).map_err(raise)?;
    let one = |row: &foreign::Listed| json!({"model": row.model, "version": row.version, "ready": row.is_ready, "reason": row.reason});
    Ok(serde_json::Value::Array(listed.iter().map(one).collect()).to_string())
}
