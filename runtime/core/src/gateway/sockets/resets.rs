//! How often a client of HTTP/2 may take its calls back.

use crate::base::units::Tick;

/// As many at once as it may have calls, and as many more each second: deadlines of all its calls may run out together,
/// but calls that are opened and reset without end, which no limit of streams holds up, end the connection.
#[derive(Debug)]
pub(in crate::gateway) struct Resets {
    most: f64,
    left: f64,
    /// When `left` was true.
    at: Tick,
}

impl Resets {
    pub(in crate::gateway) fn new(streams: u32, now: Tick) -> Resets {
        let most = f64::from(streams);
        Resets { most, left: most, at: now }
    }

    /// So many more; false if that was one too many.
    pub(in crate::gateway) fn spend(&mut self, count: u32, now: Tick) -> bool {
        let earned = now.since(self.at).as_secs_f64() * self.most;
        self.left = (self.left + earned).min(self.most) - f64::from(count);
        self.at = now;
        self.left >= 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn all_calls_may_be_taken_back_at_once_and_again_a_second_later() {
        let begin = Tick::from_nanos(5);
        let after = |ms| begin.plus(Duration::from_millis(ms));
        let mut resets = Resets::new(100, begin);
        assert!(resets.spend(100, begin) && !resets.spend(1, begin));
        let mut resets = Resets::new(100, begin);
        assert!((0..100).all(|second| resets.spend(100, after(1000 * second))));
        let mut resets = Resets::new(100, begin);
        assert!(resets.spend(100, begin) && resets.spend(50, after(500)) && !resets.spend(1, after(500)));
        assert!(!Resets::new(100, begin).spend(101, after(1_000_000)), "nothing is saved up");
    }
}
