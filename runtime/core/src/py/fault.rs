//! Which exception a fault is when it is Python that asked.

use crate::base::fault::{Fault, Kind};
use pyo3::PyErr;
use pyo3::exceptions::{PyLookupError, PyRuntimeError, PyTimeoutError, PyValueError};

pub(super) fn raise(fault: Fault) -> PyErr {
    let note = fault.note.into_owned();
    match fault.kind {
        Kind::Invalid | Kind::TooLarge | Kind::Unsupported => PyValueError::new_err(note),
        Kind::NotFound => PyLookupError::new_err(note),
        Kind::Expired | Kind::Slow => PyTimeoutError::new_err(note),
        Kind::Forbidden
        | Kind::Overloaded
        | Kind::Cancelled
        | Kind::Unavailable
        | Kind::HostLost
        | Kind::ModelFailed
        | Kind::ModelHung
        | Kind::Internal => PyRuntimeError::new_err(note),
    }
}
