//! A room that ends.

use super::{Leaving, Room};
use crate::base::fault::{Fault, Kind, Phase};

impl Room {
    /// No new calls; what waits is still served.
    pub(in crate::host) fn close(&mut self) {
        self.open = false;
        self.close_slots();
    }

    /// What waits leaves unserved: there is nobody to run it.
    pub(in crate::host) fn clear(&mut self, leaving: &mut Leaving) {
        let note = "the model's host is shutting down; try again";
        let behind = self.clear_slots();
        for call in std::iter::from_fn(|| self.line.pop()).chain(behind) {
            self.rows = self.rows.minus(call.rows);
            leaving.push((call, Fault::new(Kind::Unavailable, note).at(Phase::NotStarted)));
        }
    }
}
