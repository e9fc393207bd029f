//! Calls of a batch that failed wait again.

use super::{Room, Running, Search};
use crate::base::{call::Call, units::Rows};

impl Room {
    /// A batch of so many rows was too large for the device's memory: from now on none is larger than half of it. `None`:
    /// there is no smaller one.
    pub(in crate::host) fn shrink(&mut self, running: &Running) -> Option<Rows> {
        let half = Rows::new(running.padded().get() / 2).max(Rows::new(1));
        let most = self.batching.fitting(half);
        if self.batching.padded(most) >= running.padded() {
            return None;
        }
        // Another lane may have found out more in the meantime.
        let most = self.most_rows.map_or(most, |known| known.min(most));
        self.most_rows = Some(most);
        self.limits.max_rows = self.limits.max_rows.min(most);
        Some(most)
    }

    /// A call that was here, in a batch that was too large. It goes where it was.
    pub(in crate::host) fn admit_again(&mut self, call: Call, cost: u64) {
        self.rows = self.rows.plus(call.rows).unwrap_or(self.rows);
        self.line.push(call, false, self.batching.tenant_header.is_some(), cost);
    }

    /// Calls that were here, in a batch that failed.
    pub(in crate::host) fn admit_part(&mut self, calls: Vec<Call>, search: &Search) {
        for call in &calls {
            self.rows = self.rows.plus(call.rows).unwrap_or(self.rows);
        }
        self.line.push_part(calls, search);
    }
}
