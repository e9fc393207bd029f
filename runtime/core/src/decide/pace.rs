//! How fast a version is, as its gateway sees it: by rows, or by what its requests cost, where the model counts that.
//!
//! A gateway knows the rows that are before a request, and what the request itself costs. What the others cost is taken
//! to be what rows cost lately.

use super::times::Times;
use crate::base::units::{Rows, Tick};
use std::time::Duration;

/// The share of the newest batch in what a row costs.
const NEWEST: f64 = 1.0 / 16.0;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    times: Times,
    /// What a row costs; 0 where nothing is counted but rows.
    each: f64,
}

impl Pace {
    /// A batch took `time` and ended `now`. `cost`: of its rows; 0 where rows alone count.
    pub fn learn(&mut self, rows: u32, cost: u64, time: Duration, now: Tick) {
        if (cost > 0) != (self.each > 0.0) {
            *self = Pace::default(); // what was learned is in another unit
        }
        if cost > 0 {
            let each = as_float(cost) / f64::from(rows.max(1));
            let newest = if self.each > 0.0 { NEWEST } else { 1.0 };
            self.each += newest * (each - self.each);
        }
        self.times.learn(if cost > 0 { cost } else { rows.into() }, time, now);
    }

    /// How long a batch of so many rows takes.
    pub fn rows(&self, rows: Rows, now: Tick) -> Duration {
        let rows = f64::from(rows.get());
        self.times.expect(rounded(if self.each > 0.0 { rows * self.each } else { rows }), now)
    }

    /// And how much longer one in which one request costs more than its rows do usually.
    pub fn more(&self, rows: Rows, cost: u64, now: Tick) -> Duration {
        if self.each <= 0.0 {
            return Duration::ZERO;
        }
        self.times.expect(cost, now).saturating_sub(self.rows(rows, now))
    }

    /// Rows of a full batch.
    pub fn full(&self, max_rows: Rows, max_cost: Option<u64>) -> Rows {
        let (Some(most), true) = (max_cost, self.each > 0.0) else { return max_rows };
        let rows = u32::try_from(rounded(as_float(most) / self.each)).unwrap_or(u32::MAX);
        max_rows.min(Rows::new(rows.max(1)))
    }

    /// How long ago a batch ended.
    pub fn since_last(&self, now: Tick) -> Duration {
        self.times.since_last(now)
    }
}

/// Costs are far below 2^53, where a float knows each number; beyond, the nearest will do.
#[allow(clippy::cast_precision_loss, reason = "see above")]
fn as_float(cost: u64) -> f64 {
    cost as f64
}

/// Of a number that is not below zero.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is too large is the largest"
)]
fn rounded(cost: f64) -> u64 {
    cost.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A millisecond for ten of cost, and nothing for rows.
    fn tokens(batches: &[(u32, u64)]) -> (Pace, Tick) {
        let (mut pace, mut now) = (Pace::default(), Tick::default());
        for (rows, cost) in batches.iter().cycle().take(200) {
            let time = MS * u32::try_from(*cost).unwrap() / 10;
            now = now.plus(time);
            pace.learn(*rows, *cost, time, now);
        }
        (pace, now)
    }

    fn near(got: Duration, ms: u32) {
        let off = got.as_secs_f64() - (MS * ms).as_secs_f64();
        assert!(off.abs() <= 0.06 * (MS * ms).as_secs_f64(), "{got:?} is not {ms} ms");
    }

    #[test]
    fn where_tokens_count_rows_take_what_they_usually_have() {
        let (pace, now) = tokens(&[(4, 400), (2, 200), (1, 100)]);
        near(pace.rows(Rows::new(3), now), 30);
        near(pace.rows(Rows::new(3), now) + pace.more(Rows::new(1), 500, now), 70);
        assert_eq!(pace.more(Rows::new(8), 80, now), Duration::ZERO, "small ones take no time away");
        assert_eq!(pace.full(Rows::new(64), Some(800)).get(), 8);
        assert_eq!((pace.full(Rows::new(4), Some(800)).get(), pace.full(Rows::new(64), None).get()), (4, 64));
        assert_eq!(pace.full(Rows::new(64), Some(1)).get(), 1);
    }

    #[test]
    fn where_rows_count_nothing_else_does() {
        let (mut pace, mut now) = (Pace::default(), Tick::default());
        for rows in (1..9).cycle().take(100) {
            now = now.plus(MS * rows);
            pace.learn(rows, 0, MS * rows, now);
        }
        near(pace.rows(Rows::new(6), now), 6);
        assert_eq!(
            (pace.more(Rows::new(1), 9_000, now), pace.full(Rows::new(8), Some(2)).get()),
            (Duration::ZERO, 8)
        );
        pace.learn(1, 10, MS, now);
        near(pace.rows(Rows::new(1), now), 1);
        assert_eq!(pace.full(Rows::new(8), Some(20)).get(), 2, "it began anew, in another unit");
    }
}
