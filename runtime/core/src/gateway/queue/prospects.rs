//! Who cannot be answered in time is told so before it costs the model anything.

use super::pending::Pending;
use crate::base::{
    fault::{Fault, Kind, Phase},
    units::Tick,
};
use crate::decide::admit::{self, Load};
use std::time::Duration;

/// When an answer is to be expected, with so much before it.
pub(in crate::gateway) fn wait(pending: &Pending, before: Load, now: Tick) -> Duration {
    let (pace, batching) = (pending.running.meter.pace(), &pending.running.contract.batching);
    let before = Load { max_rows: pace.full(before.max_rows, batching.max_cost), ..before };
    let wait = admit::wait(before, pending.rows, pace.since_last(now), |rows| pace.rows(rows, now));
    // Whoever finds the device idle is served, whatever is believed.
    if wait.is_zero() { wait } else { wait.saturating_add(pace.more(pending.rows, pending.cost, now)) }
}

/// For who comes and would wait beyond its deadline. What goes before it is known by its level alone: some of its own
/// level have later deadlines, and would let it pass.
pub(super) fn too_late(pending: &Pending, before: impl FnOnce() -> Load, now: Tick) -> Option<Fault> {
    let left = pending.left(now)?;
    let before = before();
    let wait = wait(pending, before, now);
    (wait > left).then(|| {
        let note = format!(
            "model '{}' version {} is busy: {} rows are before it, so that an answer would take some {} ms, which is \
             more than the {} ms that its deadline leaves; try again later",
            pending.service.model,
            pending.service.version,
            before.ahead.saturating_add(before.not_after),
            wait.as_millis(),
            left.as_millis(),
        );
        Fault::new(Kind::Overloaded, note).at(Phase::NotAdmitted).retry_after(wait - left)
    })
}

/// For who waited, and would be late though it were sent now.
pub(super) fn hopeless(pending: &Pending, before: impl FnOnce() -> Load, now: Tick) -> Option<Fault> {
    let left = pending.left(now)?;
    (wait(pending, before(), now) > left).then(|| Fault::new(Kind::Expired, admit::TOO_LATE))
}
