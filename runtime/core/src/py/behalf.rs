//! On whose behalf a model works, as Python asks for it when the model makes a call.

use crate::base::{callers::Callers, clock, units::Tick};
use crate::host::Behalf;

/// Seconds that the last of its callers still waits, None without a limit; and the versions that wait for one of them.
pub(super) type Told = (Option<f64>, Vec<String>);

pub(super) fn told(behalf: &Behalf) -> Told {
    let left = behalf.deadline.since(clock::now()).as_secs_f64();
    let names = behalf.callers.iter().flat_map(Callers::each).map(str::to_owned).collect();
    ((behalf.deadline != Tick::NEVER).then_some(left), names)
}
