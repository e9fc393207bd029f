//! A host, as Python drives it.

use super::{fault::raise, intake::Intake, lent::PythonLender};
use crate::base::{contract::Contract, units::Version};
use crate::host::{self, Conduct, Leaver, Lender};
use crate::mem::arena::Arena;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rustix::process;
use serde::Deserialize;
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Where gateways of other processes find us; `None`: only those of this process.
    #[serde(default)]
    socket: Option<PathBuf>,
    /// Memory that gateways map, for large outputs; 0 sends everything inside frames.
    #[serde(default)]
    arena_bytes: usize,
    /// Whether this process ends when its model hangs: for one that somebody replaces.
    #[serde(default)]
    ends_when_hung: bool,
}

/// Carries versions and batches their calls.
#[pyclass(frozen, module = "headrace_core")]
#[derive(Debug)]
pub(super) struct Host {
    pub(super) host: Arc<host::Host>,
    socket: Option<PathBuf>,
}

#[pymethods]
impl Host {
    #[new]
    fn new(settings: &str) -> PyResult<Host> {
        let settings: Settings = serde_json::from_str(settings)
            .map_err(|e| PyValueError::new_err(format!("the host's settings do not parse: {e}")))?;
        let arena = match (&settings.socket, settings.arena_bytes) {
            (None, _) | (_, 0) => None, // within a process nothing is mapped
            (Some(_), bytes) => Some(Arena::new(bytes)?),
        };
        let leaver = settings.ends_when_hung.then(|| Leaver::new(Arc::new(say), Arc::new(end)));
        Ok(Host { host: Arc::new(host::Host::new(arena, leaver)), socket: settings.socket })
    }

    /// Lets gateways of other processes find this host at its socket. OSError if that cannot be had;
    /// ValueError without a socket in the settings.
    fn listen(&self, py: Python<'_>) -> PyResult<()> {
        let Some(socket) = &self.socket else {
            return Err(PyValueError::new_err("the host's settings name no socket to listen on"));
        };
        Ok(py.detach(|| self.host.listen(socket, Arc::new(say)))?)
    }

    /// Opens a version for calls; they may come before this returns. ValueError if the contract does not
    /// parse, if the version is open already, or if its tensors differ from another host's.
    ///
    /// `concurrency`: how many batches may be in the model at once (None: one for each lane). `hang_timeout_s`: how
    /// long one may be there before its callers are answered without it (None: as long as it takes). `prepares`: lanes
    /// get their batches before the model is free, and ask for it with `Batch.enter`. `lend`: called with a count of
    /// bytes for memory that rows are laid into, a new NumPy array of uint8 (or None: ours will do), which is used again
    /// for many batches; without it all of that is ours.
    #[pyo3(signature = (contract, *, concurrency = None, hang_timeout_s = None, prepares = false, lend = None))]
    fn open(
        &self,
        py: Python<'_>,
        contract: &str,
        concurrency: Option<NonZeroU32>,
        hang_timeout_s: Option<f64>,
        prepares: bool,
        lend: Option<Py<PyAny>>,
    ) -> PyResult<Intake> {
        let contract: Contract = serde_json::from_str(contract)
            .map_err(|e| PyValueError::new_err(format!("the contract does not parse: {e}")))?;
        let hang_timeout = hang_timeout_s.map(|span| seconds("hang_timeout_s", span)).transpose()?;
        let lender = lend.map(|lend| -> Arc<dyn Lender> { Arc::new(PythonLender::new(lend)) });
        let conduct = Conduct { concurrency, hang_timeout, prepares, lender };
        let intake = py.detach(|| self.host.open(contract, conduct)).map_err(raise)?;
        Ok(Intake::new(py, Arc::clone(&self.host), intake))
    }

    /// Blocks, without the interpreter, until a model hangs: JSON {model, version, rows, limit_s}. Its version is
    /// closed by then. To ask again says that the last one was dealt with. None once drained.
    fn next_hang(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let report = py.detach(|| self.host.next_hang());
        report
            .map(|report| serde_json::to_string(&report))
            .transpose()
            .map_err(|e| PyValueError::new_err(e.to_string()))
    }

    /// No more calls for the version; those that wait are still served, then `next_batch` returns None.
    /// Closing what is not open does nothing.
    fn close(&self, py: Python<'_>, model: &str, version: u64) {
        py.detach(|| self.host.close(model, Version(version)));
    }

    /// JSON: {"versions": [{model, version, waiting_rows, running_rows, window_rows}]}.
    fn stats(&self) -> String {
        let versions = self.host.intakes().into_iter().map(|intake| {
            let contract = intake.contract();
            let (waiting, running) = intake.occupancy();
            serde_json::json!({
                "model": contract.model,
                "version": contract.version,
                "waiting_rows": waiting.get(),
                "running_rows": running.get(),
                "window_rows": intake.window().rows.get(),
            })
        });
        serde_json::json!({ "versions": versions.collect::<Vec<_>>() }).to_string()
    }

    /// Takes no more calls and lets lanes finish what was taken; blocks without the interpreter. True if all
    /// was finished in time; the callers of what was not are answered.
    fn drain(&self, py: Python<'_>, timeout_s: f64) -> PyResult<bool> {
        let grace = seconds("timeout_s", timeout_s)?;
        Ok(py.detach(|| self.host.drain(grace)))
    }
}

/// A line for people, on standard error; nobody is left to be told if that is closed.
fn say(line: String) {
    let _ = writeln!(io::stderr().lock(), "headrace host: {line}");
}

fn seconds(name: &str, value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value).map_err(|e| PyValueError::new_err(format!("{name}={value}: {e}")))
}

/// The end of a process whose model hangs. Where nobody could say where it does, Python's handler of this signal
/// writes what every thread is at: it needs no interpreter.
pub(super) fn end(was_explained: bool) {
    if !was_explained {
        // The memory of a model on disk helps nobody, and takes minutes to write.
        let none = process::Rlimit { current: Some(0), maximum: Some(0) };
        let _ = process::setrlimit(process::Resource::Core, none); // then it is written
        std::process::abort();
    }
    let _ = process::kill_process(process::getpid(), process::Signal::KILL); // of oneself it is always allowed
}
