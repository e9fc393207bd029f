//! Calls of a batch that failed wait again.

use super::{Room, Search};
use crate::base::call::Call;

impl Room {
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
