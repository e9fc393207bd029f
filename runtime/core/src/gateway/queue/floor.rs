//! What one lock of a version holds: who waits, who carries, and what is to be done about both.

use super::{carriers::Carriers, pending::Pending, seat::Need};
use crate::base::{
    fault::Fault,
    roster::CarrierId,
    units::{Rows, Tick},
};
use crate::decide::{admit::Load, affinity::Affinity, queue::Queue, retry::Budget, tide::Tide};

pub(in crate::gateway) type Sequences = Affinity<CarrierId, Box<Pending>>;
/// A call, and why it gets no answer.
pub(in crate::gateway) type Ended = (Box<Pending>, Fault);

/// Locked for microseconds, never across a call into a carrier. Flights are locked within it, never around it.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Floor {
    pub(super) queue: Queue<Box<Pending>>,
    /// Those that must be apart from each other, which keep nobody else waiting.
    pub(super) aside: Queue<Box<Pending>>,
    /// Of a stateful version, whose calls do not wait in the queue.
    pub(super) affinity: Option<Box<Sequences>>,
    /// To be answered once the lock is released.
    pub(in crate::gateway) ends: Vec<Ended>,
    pub(in crate::gateway) carriers: Carriers,
    pub(super) tide: Tide,
    pub(in crate::gateway) budget: Budget,
    /// When it was asked for last.
    pub(in crate::gateway) used: Tick,
    /// Set while calls may wait though nobody carries them: the last carrier was lost a moment ago.
    pub(super) parked: bool,
    /// Counts the losses, so that a timer knows its own.
    pub(super) losses: u64,
    /// Why all who wait are to be answered now.
    pub(in crate::gateway) turn_away: Option<&'static str>,
}

impl Floor {
    /// One was admitted; who comes before whom is told only where there are levels.
    pub(in crate::gateway) fn came(&mut self, levels: u8, level: u8, rows: Rows, now: Tick) {
        if levels > 1 {
            self.tide.came(level, rows, now);
        }
    }

    /// Calls that wait.
    pub(in crate::gateway) fn waiting(&self) -> usize {
        self.queue.len() + self.aside.len() + self.in_sequences()
    }

    pub(in crate::gateway) fn waiting_rows(&self) -> u64 {
        self.queue.rows() + self.aside.rows() + u64::try_from(self.in_sequences()).unwrap_or(u64::MAX)
    }

    /// Each has one row.
    fn in_sequences(&self) -> usize {
        self.affinity.as_ref().map_or(0, |affinity| affinity.waits())
    }

    /// Takes out all that wait.
    pub(in crate::gateway) fn clear(&mut self) -> impl Iterator<Item = Box<Pending>> {
        let Floor { queue, aside, affinity, .. } = self;
        let in_sequences = affinity.iter_mut().flat_map(|affinity| affinity.clear());
        std::iter::from_fn(|| queue.pop().or_else(|| aside.pop())).chain(in_sequences)
    }

    /// Where a call waits.
    pub(super) fn line_of(&mut self, pending: &Pending) -> &mut Queue<Box<Pending>> {
        if matches!(pending.need(), Need::Apart(_)) { &mut self.aside } else { &mut self.queue }
    }

    /// What the carriers do before they come to who is put into the queue now.
    pub(in crate::gateway) fn before(&self, pending: &Pending, now: Tick) -> Load {
        let load = self.carriers.load(pending.place.rank.level, &pending.running.contract);
        let overtaking = self.tide.above(pending.place.rank.level, now);
        Load { ahead: self.queue.rows_before(pending.place), overtaking, ..load }
    }
}
