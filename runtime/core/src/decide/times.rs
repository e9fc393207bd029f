//! How long a model takes over a batch, learned from the batches that it ran: `a + b · cost`.
//!
//! A line of least squares through the last ones, of which each counts a little more than the one before. A batch that
//! took far longer than was expected counts as if it had taken only somewhat longer: a pause of the machine is no
//! property of the model, and a model that has become slow says so again. What was learned fades while nothing runs, so
//! that a wrong belief never keeps requests from the device that would correct it.

use crate::base::units::Tick;
use std::time::Duration;

/// The share of the newest batch once there were many.
const NEWEST: f64 = 1.0 / 32.0;
/// Times the usual deviation that a batch counts as having been late at most.
const MOST_SPREADS: f64 = 4.0;
/// What is believed halves in this time without a batch.
const FADES: f64 = 1.0;
/// Costs that differ by less say nothing about a slope.
const FLAT: f64 = 1e-4;

/// In seconds, over costs in whatever unit the batches are measured in.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Times {
    batches: u32,
    cost: f64,
    time: f64,
    cost_cost: f64,
    cost_time: f64,
    /// The usual distance of a batch from what was expected of it.
    spread: f64,
    last: Tick,
}

impl Times {
    /// A batch of `cost` took `time` and ended `now`.
    pub fn learn(&mut self, cost: u64, time: Duration, now: Tick) {
        let (cost, mut time) = (as_float(cost), time.as_secs_f64());
        let expected = self.mean(cost);
        if self.batches > 1 {
            let most = MOST_SPREADS * self.spread.max(expected / 16.0);
            time = time.min(expected + most);
        }
        self.batches = self.batches.saturating_add(1);
        let newest = (1.0 / f64::from(self.batches)).max(NEWEST);
        let (off_cost, off_time) = (cost - self.cost, time - self.time);
        self.cost += newest * off_cost;
        self.time += newest * off_time;
        self.cost_cost = (1.0 - newest) * (self.cost_cost + newest * off_cost * off_cost);
        self.cost_time = (1.0 - newest) * (self.cost_time + newest * off_cost * off_time);
        if self.batches > 1 {
            self.spread += newest * ((time - expected).abs() - self.spread);
        }
        self.last = now;
    }

    /// How long a batch of `cost` will take, if it is not unusual; nothing before the first one.
    pub fn expect(&self, cost: u64, now: Tick) -> Duration {
        let idle = now.since(self.last).as_secs_f64();
        let believed = (-idle / FADES).exp2();
        let time = (self.mean(as_float(cost)) + self.spread) * believed;
        Duration::try_from_secs_f64(time.max(0.0)).unwrap_or(Duration::MAX)
    }

    /// How long batches of `cost` took, whenever that was.
    pub fn usual(&self, cost: u64) -> Duration {
        Duration::try_from_secs_f64(self.mean(as_float(cost)).max(0.0)).unwrap_or(Duration::MAX)
    }

    /// How long ago a batch ended.
    pub fn since_last(&self, now: Tick) -> Duration {
        now.since(self.last)
    }

    /// Neither part of the line is below zero: no batch is faster for being larger.
    fn mean(&self, cost: f64) -> f64 {
        if self.cost_cost <= FLAT * self.cost * self.cost {
            return self.time;
        }
        let most = if self.cost > 0.0 { self.time / self.cost } else { 0.0 };
        let slope = (self.cost_time / self.cost_cost).clamp(0.0, most);
        self.time + slope * (cost - self.cost)
    }
}

/// Costs are far below 2^53, where a float knows each number; beyond, the nearest will do.
#[allow(clippy::cast_precision_loss, reason = "see above")]
fn as_float(cost: u64) -> f64 {
    cost as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: f64 = 1e-3;

    /// Batches of these costs, one after the other, and what is believed right after the last.
    fn after(batches: impl IntoIterator<Item = (u64, f64)>) -> (Times, Tick) {
        let (mut times, mut now) = (Times::default(), Tick::default());
        for (cost, seconds) in batches {
            let time = Duration::from_secs_f64(seconds);
            now = now.plus(time);
            times.learn(cost, time, now);
        }
        (times, now)
    }

    fn near(times: &Times, cost: u64, now: Tick, seconds: f64) {
        let expected = times.expect(cost, now).as_secs_f64();
        let off = (expected - seconds).abs();
        assert!(off < 0.05 * seconds, "{cost}: {expected} is not {seconds}");
    }

    #[test]
    fn nothing_is_believed_before_the_first_batch() {
        assert_eq!(Times::default().expect(1 << 40, Tick::NEVER), Duration::ZERO);
    }

    #[test]
    fn a_line_is_found() {
        let line = |cost: u64| (cost, 5.0 * MS + as_float(cost) * 0.25 * MS);
        let (times, now) = after((0..200).map(|n| line(1 + n * 7 % 32)));
        for cost in [1, 16, 32, 64] {
            near(&times, cost, now, line(cost).1);
        }
    }

    #[test]
    fn without_different_costs_each_takes_what_all_took() {
        let (times, now) = after((0..50).map(|_| (8, 20.0 * MS)));
        near(&times, 8, now, 20.0 * MS);
        near(&times, 64, now, 20.0 * MS);
    }

    #[test]
    fn one_pause_is_not_the_models_and_a_slower_model_is_found_out() {
        let steady = || (0..100).map(|n| (1 + n % 8, 10.0 * MS));
        let (times, now) = after(steady().chain([(4, 5.0)]));
        assert!(times.expect(4, now) < Duration::from_millis(12));
        let (times, now) = after(steady().chain((0..100).map(|n| (1 + n % 8, 50.0 * MS))));
        // A little more, for it has not been like that for long.
        let expected = times.expect(4, now);
        assert!(Duration::from_millis(48) < expected && expected < Duration::from_millis(60), "{expected:?}");
    }

    #[test]
    fn a_belief_fades_while_nothing_runs() {
        let (times, now) = after((0..20).map(|_| (1, 0.4)));
        let later = now.plus(Duration::from_secs(3));
        let (before, after) = (times.expect(1, now).as_secs_f64(), times.expect(1, later).as_secs_f64());
        assert!((after - before / 8.0).abs() < 1e-6);
    }

    proptest! {
        /// Whatever was measured: no less for more, and never something that is no duration.
        #[test]
        fn any_measurements_give_a_rising_line(
            batches in prop::collection::vec((any::<u64>(), 0..u64::MAX / 4), 0..40),
            low: u64, high: u64,
        ) {
            let (mut times, now) = (Times::default(), Tick::from_nanos(7));
            for (cost, nanos) in batches {
                times.learn(cost, Duration::from_nanos(nanos), now);
            }
            let (low, high) = (low.min(high), low.max(high));
            prop_assert!(times.expect(low, now) <= times.expect(high, now).saturating_add(Duration::from_nanos(1)));
        }
    }
}
