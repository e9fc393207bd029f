//! Requests that a version has no room or no time for: what ended within a second is one unit of evidence, for they are
//! as many as callers try again.
//!
//! What is asked is their share, not whether there were any: of two versions that are the same the one with more traffic
//! would have some in more seconds. The mean of those in which anybody came is then the same, unless more are missed
//! when more come: a version with little traffic has fewer of the quiet seconds. Who compares two then has to leave out
//! times in which one of them had nobody.

use crate::base::units::Tick;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// The second that is counted now: from the first request that ends in it.
#[derive(Debug, Default)]
pub(super) struct Second {
    began: Tick,
    ended: u32,
    missed: u32,
}

impl Second {
    /// A request ended. Returns the share that was missed of the second before, if this one is the first behind it.
    pub(super) fn ended(&mut self, missed: bool, now: Tick) -> Option<f64> {
        let before = self.over(now);
        if self.ended == 0 {
            self.began = now;
        }
        self.ended = self.ended.saturating_add(1);
        self.missed = self.missed.saturating_add(missed.into());
        before
    }

    /// The share that was missed of a second that is over, once.
    pub(super) fn over(&mut self, now: Tick) -> Option<f64> {
        if self.ended == 0 || now.since(self.began) < SECOND {
            return None;
        }
        let Second { ended, missed, .. } = std::mem::take(self);
        Some(f64::from(missed) / f64::from(ended))
    }
}

#[cfg(test)]
#[path = "seconds_tests.rs"]
mod tests;
