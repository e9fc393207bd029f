//! Who overtakes: a request of a lower priority waits for what is before it, and for all of a higher one that comes
//! before its turn.

use crate::base::units::{Rows, Tick};
use smallvec::SmallVec;

/// What came counts for a third after so long.
const FADES: f64 = 0.5;
/// Rows a second that came lately of each priority, the highest first. What is refused takes no time and is not told.
#[derive(Debug, Default)]
pub struct Tide {
    levels: SmallVec<[Level; 2]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Level {
    rate: f64,
    at: Tick,
}

impl Level {
    fn rate(&self, now: Tick) -> f64 {
        self.rate * (-now.since(self.at).as_secs_f64() / FADES).exp()
    }
}

impl Tide {
    /// Rows that were admitted.
    pub fn came(&mut self, level: u8, rows: Rows, now: Tick) {
        let at = usize::from(level);
        if at >= self.levels.len() {
            self.levels.resize(at + 1, Level::default());
        }
        if let Some(one) = self.levels.get_mut(at) {
            *one = Level { rate: one.rate(now) + f64::from(rows.get()) / FADES, at: now };
        }
    }

    /// Rows a second of levels above this one.
    pub fn above(&self, level: u8, now: Tick) -> f64 {
        self.levels.iter().take(level.into()).map(|one| one.rate(now)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn only_what_is_above_and_came_lately_overtakes() {
        let at = |ms: u64| Tick::default().plus(Duration::from_millis(ms));
        let mut tide = Tide::default();
        for ms in 0..5_000 {
            tide.came(1, Rows::new(1), at(ms)); // a thousand a second
        }
        let table = [
            ("all of it", 2, 5_000, 1_000.0),
            ("of the same level", 1, 5_000, 0.0),
            ("of a level that nobody asked for", 9, 5_000, 1_000.0),
            ("a while ago", 2, 5_500, 368.0),
            ("long ago", 2, 60_000, 0.0),
        ];
        for (name, level, now, want) in table {
            let above = tide.above(level, at(now));
            assert!((above - want).abs() < 2.0, "{name}: {above}");
        }
    }
}
