//! Who goes first: by priority, then by the earliest deadline, then as they came.

use crate::base::units::Tick;
use std::time::Duration;

/// Whoever has waited this long is overtaken by nobody of its level who comes now, whatever deadline they bring: who has
/// no deadline goes as if it had one this long after its arrival.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// Lower goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// 1 is the highest; 0 is for whoever was passed too often.
    pub level: u8,
    due: Tick,
    number: u64,
}

impl Rank {
    /// `number` tells those of one moment apart. A call that is tried again has the rank that it had, and so goes
    /// before all that came later.
    pub fn new(level: u8, arrived: Tick, deadline: Tick, number: u64) -> Rank {
        Rank { level, due: deadline.min(arrived.plus(PATIENCE)), number }
    }

    /// Of one that was given its turn before it came: behind all of its level whose `number` is lower.
    pub fn in_turn(level: u8, number: u64) -> Rank {
        Rank { level, due: Tick::default(), number }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(level: u8, arrived_ms: u64, deadline_ms: Option<u64>, number: u64) -> Rank {
        let at = |ms: u64| Tick::from_nanos(ms * 1_000_000);
        Rank::new(level, at(arrived_ms), deadline_ms.map_or(Tick::NEVER, at), number)
    }

    #[test]
    fn the_level_is_before_the_deadline_and_the_deadline_before_the_arrival() {
        let order = [
            ("passed too often", rank(0, 900, None, 9)),
            ("urgent and high", rank(1, 5, Some(50), 5)),
            ("high", rank(1, 1, Some(80), 1)),
            ("high, without a deadline", rank(1, 0, None, 2)),
            ("low, but nearly late", rank(2, 0, Some(10), 3)),
            ("low, came first", rank(2, 0, Some(1001), 4)),
            ("low, came as the last", rank(2, 0, None, 8)),
            ("it can wait, and so can the others", rank(2, 1, None, 6)),
            ("an early deadline, but a second later", rank(2, 1001, Some(1002), 7)),
        ];
        for pair in order.windows(2) {
            assert!(pair[0].1 < pair[1].1, "{} goes before {}", pair[0].0, pair[1].0);
        }
    }
}
