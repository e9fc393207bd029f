//! Who cannot be answered in time is told so before it costs the model anything.

use super::pending::Pending;
use crate::base::{
    fault::{Fault, Kind, Phase},
    units::Tick,
};
use crate::decide::admit::{self, Load};
use std::time::Duration;

/// When an answer is to be expected, with so much before it.
pub(super) fn wait(pending: &Pending, before: Load, now: Tick) -> Duration {
    let times = pending.running.meter.times();
    admit::wait(before, pending.rows, times.since_last(now), |rows| times.expect(rows.get().into(), now))
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
