//! How many rows may be here that were sent within somebody's window.
//!
//! A window is kept to by gateways as they were told it last, and limits change while calls are on their way: what was
//! within the widest window so far is not refused. Beyond that somebody does not keep to its window.

use crate::base::{call::Window, contract::Batching, units::Rows};

/// Whole windows that may be here at once: each link has one, and what runs for a gateway that died is here until it
/// has run.
const LINKS: u32 = 16;

/// Levels that there may be. A gateway keeps a window for each, as it knows them from this host or another.
const LEVELS: u32 = 16;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    window: Rows,
    levels: u32,
}

impl Bounds {
    /// From now on there is this window, too.
    pub(super) fn widen(&mut self, window: Window, batching: &Batching) {
        self.window = self.window.max(window.rows);
        self.levels = self.levels.max(batching.levels().max(1).into());
    }

    /// Of one gateway.
    pub(super) fn of_one(self) -> Rows {
        self.times(LEVELS)
    }

    /// Of all together.
    pub(super) fn of_all(self) -> Rows {
        self.times(LINKS.saturating_mul(self.levels))
    }

    fn times(self, windows: u32) -> Rows {
        Rows::new(self.window.get().saturating_mul(windows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_within_the_widest_window_is_not_beyond_the_bounds() {
        let mut bounds = Bounds::default();
        let table = [(8, 1, 128, 128), (2, 3, 128, 384), (16, 1, 256, 768)];
        for (rows, priorities, one, all) in table {
            let batching = Batching { priorities, ..Batching::default() };
            bounds.widen(Window { rows: Rows::new(rows) }, &batching);
            assert_eq!((bounds.of_one().get(), bounds.of_all().get()), (one, all), "{rows} {priorities}");
        }
    }
}
