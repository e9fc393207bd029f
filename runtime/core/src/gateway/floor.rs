//! What one lock of a version holds: who waits, who carries, and what is to be done about both.

use super::{carriers::Carriers, pending::Pending};
use crate::base::units::Tick;
use crate::decide::{admit::Load, queue::Queue, retry::Budget, tide::Tide};

/// Locked for microseconds, never across a call into a carrier. Flights are locked within it, never around it.
#[derive(Debug, Default)]
pub(super) struct Floor {
    pub(super) queue: Queue<Box<Pending>>,
    pub(super) carriers: Carriers,
    pub(super) tide: Tide,
    pub(super) budget: Budget,
    /// Set while calls may wait though nobody carries them: the last carrier was lost a moment ago.
    pub(super) parked: bool,
    /// Counts the losses, so that a timer knows its own.
    pub(super) losses: u64,
    /// Why all who wait are to be answered now.
    pub(super) turn_away: Option<&'static str>,
}

impl Floor {
    /// What the carriers do before they come to who is put into the queue now.
    pub(super) fn before(&self, pending: &Pending, now: Tick) -> Load {
        let load = self.carriers.load(pending.place.rank.level, &pending.running.contract);
        let overtaking = self.tide.above(pending.place.rank.level, now);
        Load { ahead: self.queue.rows_before(pending.place), overtaking, ..load }
    }
}
