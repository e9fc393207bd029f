//! Which of several hosts gets the next call: the one that is likely to answer it first.
//!
//! Of each host is known what its batches took, as a multiple of what the version's batches usually take. That fades to
//! the usual while it says nothing, so that one that was slow is tried again, with one call: whoever is believed to be as
//! fast as all others has what it was given before it.

use crate::base::units::{Rows, Tick};
use std::time::Duration;

/// The share of the newest answer. One batch may have many, so that it counts for most of what is known.
const NEWEST: f64 = 1.0 / 2.0;
/// A pause of the machine is no property of a host.
const MOST: f64 = 8.0;
/// What is known of a host's pace is half as much after so long without an answer.
const HALF: f64 = 2.0;
/// Who is later by no more than this share is as good, and the emptiest of them is taken.
const NEAR: f64 = 0.25;

/// A host's pace, as a multiple of the usual: 2 is half as fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paced {
    times: f64,
    at: Tick,
}

impl Default for Paced {
    fn default() -> Paced {
        Paced { times: 1.0, at: Tick::default() }
    }
}

impl Paced {
    /// It `took` so long over what takes `usual`.
    pub fn learn(&mut self, took: Duration, usual: Duration, now: Tick) {
        let seen = took.as_secs_f64() / usual.as_secs_f64().max(1e-9);
        let believed = self.times(now);
        *self = Paced { times: believed + NEWEST * (seen.clamp(1.0 / MOST, MOST) - believed), at: now };
    }

    pub fn times(&self, now: Tick) -> f64 {
        let kept = (-now.since(self.at).as_secs_f64() / HALF).exp2();
        1.0 + (self.times - 1.0) * kept
    }
}

/// The latest that is as good as the soonest.
pub fn near(soonest: Duration) -> Duration {
    soonest.saturating_add(soonest.mul_f64(NEAR))
}

/// How long a host that has `ahead` rows before them will take until it is through with `rows`: what is left of the batch
/// that runs, full batches of what waits, and their own. `ran`: since that batch began, or a little before. Is it longer
/// than was expected, it is thought to take as much longer again.
pub fn finish(
    ahead: Rows,
    rows: Rows,
    max_rows: Rows,
    ran: Duration,
    time: impl Fn(Rows) -> Duration,
) -> Duration {
    let full = max_rows.get().max(1);
    let running = ahead.get().min(full);
    let waiting = ahead.get() - running;
    let left = if running == 0 { Duration::ZERO } else { time(Rows::new(running)).abs_diff(ran) };
    let batches = time(Rows::new(full)).saturating_mul(waiting / full);
    let own = (waiting % full).saturating_add(rows.get()).clamp(1, full);
    left.saturating_add(batches).saturating_add(time(Rows::new(own)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_before_it_runs_in_full_batches() {
        let time = |rows: Rows| Duration::from_nanos(10 + u64::from(rows.get()));
        let table = [
            ("idle", 0, 1, 0, 11),
            ("idle for long", 0, 1, 99, 11),
            ("behind the one that runs", 3, 2, 4, 9 + 12),
            ("which takes longer than was expected", 3, 2, 99, 86 + 12),
            ("a full one runs", 8, 1, 0, 18 + 11),
            ("it joins what waits", 11, 2, 0, 18 + 15),
            ("a full one waits", 16, 8, 0, 18 + 18 + 18),
            ("a request of no rows is one", 0, 0, 0, 11),
        ];
        for (name, ahead, rows, ran, want) in table {
            let ran = Duration::from_nanos(ran);
            let finish = finish(Rows::new(ahead), Rows::new(rows), Rows::new(8), ran, time);
            assert_eq!(finish, Duration::from_nanos(want), "{name}");
        }
    }

    #[test]
    fn a_pace_is_learned_soon_and_forgotten_by_and_by() {
        let ms = Duration::from_millis;
        let at = |seconds: u64| Tick::default().plus(Duration::from_secs(100 + seconds));
        let mut paced = Paced::default();
        let is = |paced: &Paced, now, want: f64| {
            let times = paced.times(now);
            assert!((times - want).abs() < 0.1, "{times} is not {want}");
        };
        is(&paced, at(0), 1.0);
        (0..6).for_each(|_| paced.learn(ms(50), ms(10), at(0)));
        is(&paced, at(0), 4.95);
        is(&paced, at(2), 2.95);
        is(&paced, at(20), 1.0);
        (0..4).for_each(|_| paced.learn(ms(10), ms(10), at(0)));
        is(&paced, at(0), 1.25); // it was mended
        paced.learn(ms(90_000), ms(10), at(20));
        is(&paced, at(20), 4.5);
        assert_eq!(near(ms(80)), ms(100));
    }

    proptest! {
        #[test]
        fn whatever_there_is_it_is_a_time(
            ahead: u32, rows: u32, max_rows: u32, ran: u64, took: u64, usual: u64, now: u64,
        ) {
            let (mut paced, now) = (Paced::default(), Tick::from_nanos(now));
            paced.learn(Duration::from_nanos(took), Duration::from_nanos(usual), now);
            let times = paced.times(now);
            prop_assert!((1.0 / MOST..=MOST).contains(&times));
            let time = |rows: Rows| Duration::from_nanos(rows.get().into()).mul_f64(times);
            let ran = Duration::from_nanos(ran);
            near(finish(Rows::new(ahead), Rows::new(rows), Rows::new(max_rows), ran, time));
        }
    }
}
