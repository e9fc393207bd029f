//! How long callers waited, by each line of a count: how many units there were, and which share of them was slow.

use super::{
    evidence::Units,
    grouping::{Cohort, Group, Marks},
    seconds::Second,
    together::{Stay, Stays, Together},
};
use crate::base::units::Tick;
use crate::decide::policy::Judged;

/// A share for each line; `None` where nobody said anything of it.
pub(super) type Shares = [Option<f64>; Judged::MOST_LINES];

/// Runs, and as many answers in parts as a step has rows; or seconds, where users are the units.
#[derive(Debug, Default)]
pub(super) struct Slowness {
    units: [Units; Judged::MOST_LINES],
    stays: Stays,
    first_parts: Cohort,
    seconds: [Second; Judged::MOST_LINES],
}

impl Slowness {
    /// A run is over, and was the last to be.
    pub(super) fn ran(&mut self, run: &Group) {
        if let Some(stay) = run.stay() {
            self.stays.ended(stay);
        }
        self.was_left(run);
    }

    /// A run is over that some have left, and was so a while ago.
    pub(super) fn was_left(&mut self, run: &Group) {
        let shares = run.shares().into_iter().flatten();
        self.units.iter_mut().zip(shares).for_each(|(units, share)| units.add(share));
    }

    /// The first part of an answer was taken; the latest step had so many rows.
    pub(super) fn first_part(&mut self, marks: Marks, stay: Stay, step_rows: u32) {
        let unit = self.first_parts.ended(marks, stay, step_rows);
        unit.into_iter().for_each(|unit| self.ran(&unit));
    }

    /// Users were heard first.
    pub(super) fn heard(&mut self, slow: Shares, now: Tick) {
        for ((second, units), slow) in self.seconds.iter_mut().zip(&mut self.units).zip(slow) {
            let over = slow.and_then(|slow| second.ended(slow > 0.0, now));
            over.into_iter().for_each(|share| units.add(share));
        }
    }

    /// Of so many lines; a second that is over by now is among them.
    pub(super) fn told(&mut self, lines: usize, now: Tick) -> Vec<Units> {
        for (second, units) in self.seconds.iter_mut().zip(&mut self.units) {
            second.over(now).into_iter().for_each(|share| units.add(share));
        }
        self.units.iter().take(lines).copied().collect()
    }

    /// The most units that waited at the same time; it means nothing of seconds.
    pub(super) fn together(&self) -> Together {
        self.stays.most()
    }
}
