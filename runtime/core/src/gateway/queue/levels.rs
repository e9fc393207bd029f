//! Rows that a carrier has of each priority.

use crate::base::units::Rows;
use smallvec::SmallVec;

/// Rows of each level, the highest first.
#[derive(Debug, Default)]
pub(super) struct Levels {
    rows: SmallVec<[Rows; 2]>,
}

impl Levels {
    /// A saturated count is as full as an exact one.
    pub(in crate::gateway) fn add(&mut self, level: u8, rows: Rows) {
        let at = usize::from(level);
        if at >= self.rows.len() {
            self.rows.resize(at + 1, Rows::ZERO);
        }
        if let Some(held) = self.rows.get_mut(at) {
            *held = held.plus(rows).unwrap_or(Rows::new(u32::MAX));
        }
    }

    pub(super) fn take_out(&mut self, level: u8, rows: Rows) {
        if let Some(held) = self.rows.get_mut(usize::from(level)) {
            *held = held.minus(rows);
        }
    }

    /// Of this level and of those above it.
    pub(super) fn up_to(&self, level: u8) -> Rows {
        let above = self.rows.iter().take(usize::from(level) + 1);
        above.fold(Rows::ZERO, |sum, rows| sum.plus(*rows).unwrap_or(Rows::new(u32::MAX)))
    }

    pub(in crate::gateway) fn all(&self) -> Rows {
        self.up_to(u8::MAX)
    }
}
