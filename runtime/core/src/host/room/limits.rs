//! How much the room takes, and how that changes while it serves.

use super::Room;
use crate::base::{call::Window, contract::Batching, units::Rows};
use crate::decide::{plan::Limits, times::Times};
use std::time::Duration;

/// Batches that may wait where inputs have no fixed size: what waits for one batch may have so many shapes.
const VARIED: u32 = 4;

impl Room {
    /// The running batches and the next: each lane has one, and one more waits to be sealed, or some more where those
    /// that wait may be of several shapes.
    pub(in crate::host) fn window(&self) -> Window {
        let waiting = if self.varies { VARIED } else { 1 };
        let batches = self.lanes.saturating_add(waiting);
        let rows = self.batching.max_rows.max(1).saturating_mul(batches);
        Window { rows: Rows::new(rows.saturating_add(self.slots())) }
    }

    pub(in crate::host) fn update(&mut self, batching: &Batching) {
        if self.batching.cost != batching.cost {
            self.times = Times::default(); // they were learned over something else
        }
        self.batching = batching.clone();
        self.limits = limits(batching);
        self.bounds.widen(self.window(), batching);
        self.too_large.clear();
        self.line.limit(self.limits.max_rows);
    }

    /// Rows that one gateway may have here.
    pub(in crate::host) fn most_of_one(&self) -> Rows {
        self.bounds.of_one()
    }

    pub(in crate::host) fn max_cost(&self) -> u64 {
        self.limits.max_cost
    }
}

pub(super) fn limits(batching: &Batching) -> Limits {
    let delay_s = (batching.max_delay_ms / 1e3).max(0.0);
    Limits {
        max_rows: Rows::new(batching.max_rows.max(1)),
        max_cost: batching.max_cost.unwrap_or(u64::MAX),
        max_delay: Duration::try_from_secs_f64(delay_s).unwrap_or(Duration::ZERO),
    }
}
