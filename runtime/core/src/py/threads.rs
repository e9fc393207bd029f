//! How many threads work on what Python asks for.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::cell::Cell;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

thread_local! {
    static USED: Cell<Option<NonZeroUsize>> = const { Cell::new(None) };
}

/// As many as are asked for, or as the calling thread is to use, or as there are cores.
///
/// To count these takes 25 µs: the files of control groups are read.
pub(super) fn count(asked: Option<i64>) -> PyResult<NonZeroUsize> {
    match asked {
        Some(number) => checked(number),
        None => Ok(USED.get().unwrap_or_else(cores)),
    }
}

fn checked(number: i64) -> PyResult<NonZeroUsize> {
    usize::try_from(number).ok().and_then(NonZeroUsize::new).ok_or_else(|| {
        PyValueError::new_err(format!(
            "threads is {number}; expected 1 or more, or None for as many as the lane has"
        ))
    })
}

/// Cores that this process may use: by its affinity and by the quotas of its control groups, rounded down, and
/// at least one.
#[pyfunction]
pub(super) fn cores() -> NonZeroUsize {
    available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// From now on, what the calling thread calls here works on `threads` where it is not told another number.
///
/// ValueError for less than one.
#[pyfunction]
pub(super) fn use_threads(threads: i64) -> PyResult<()> {
    USED.set(Some(checked(threads)?));
    Ok(())
}
