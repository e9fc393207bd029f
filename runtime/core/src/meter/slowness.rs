//! How long callers waited, by each line of a count: how many units there were, and which share of them was slow.

use super::{
    evidence::Units,
    grouping::{Cohort, Group, Marks},
    together::{Stay, Stays, Together},
};
use crate::decide::policy::Judged;

/// A share for each line; `None` where nobody said anything of it.
pub(super) type Shares = [Option<f64>; Judged::MOST_LINES];

/// Runs, and as many answers in parts as a step has rows; or users, by the first of their answers.
#[derive(Debug, Default)]
pub(super) struct Slowness {
    units: [Units; Judged::MOST_LINES],
    stays: Stays,
    first_parts: Cohort,
}

impl Slowness {
    /// A run is over.
    pub(super) fn ran(&mut self, run: &Group) {
        if let Some(stay) = run.stay() {
            self.stays.ended(stay);
        }
        let shares = run.shares().into_iter().flatten();
        self.units.iter_mut().zip(shares).for_each(|(units, share)| units.add(share));
    }

    /// The first part of an answer was taken; the latest step had so many rows.
    pub(super) fn first_part(&mut self, marks: Marks, stay: Stay, step_rows: u32) {
        let unit = self.first_parts.ended(marks, stay, step_rows);
        unit.into_iter().for_each(|unit| self.ran(&unit));
    }

    /// A user was heard first.
    pub(super) fn heard(&mut self, slow: Shares, stay: Stay) {
        if slow.iter().any(Option::is_some) {
            self.stays.ended(stay);
        }
        for (units, slow) in self.units.iter_mut().zip(slow) {
            slow.into_iter().for_each(|slow| units.add(slow));
        }
    }

    /// Of so many lines.
    pub(super) fn told(&self, lines: usize) -> Vec<Units> {
        self.units.iter().take(lines).copied().collect()
    }

    /// The most units that waited at the same time.
    pub(super) fn together(&self) -> Together {
        self.stays.most()
    }
}
