//! Whether a host gets calls while others of its version work and it fails.
//!
//! A host that raises at once is always the first to be free: without this it would have most of the traffic. It is the
//! host's fault only if another one does well meanwhile. The unit is the run, as a batch fails all who are in it.

use crate::base::units::Tick;
use std::time::Duration;

/// Runs that fail one after the other.
const FAILURES: u8 = 5;
/// It gets nothing for so long, twice as long each time, and then one call at a time until one is answered.
const FIRST: Duration = Duration::from_secs(1);
const DOUBLINGS: u8 = 6;
/// Another one does well if it has answered within this.
const LATELY: Duration = Duration::from_secs(10);

/// What an outcome says of the host that it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A run answered. Of how many rows, and how long it took; of none, where that says nothing.
    Worked { rows: u32, took: Duration },
    /// A run refused the call, which is its caller's fault. It took time all the same.
    Refused { rows: u32, took: Duration },
    /// A run failed; how long it took tells its callers apart from those of the next one.
    Failed { ns: u64 },
    /// It says nothing of the host.
    Nothing,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// In a row.
    failures: u8,
    last_failed_ns: u64,
    last_worked: Option<Tick>,
    /// How often in a row it was left out.
    times: u8,
    /// Until when it is.
    out: Option<Tick>,
}

impl Trust {
    /// It may get a call, of `calls` that it has.
    pub fn allows(&self, calls: u32, now: Tick) -> bool {
        self.out.is_none_or(|until| until <= now && calls == 0)
    }

    /// It is left out, or on trial.
    pub fn is_out(&self) -> bool {
        self.out.is_some()
    }

    pub fn does_well(&self, now: Tick) -> bool {
        let lately = |worked: Tick| now.since(worked) <= LATELY;
        !self.is_out() && self.failures == 0 && self.last_worked.is_some_and(lately)
    }

    /// `may_go`: another does well, and enough would be left. Returns for how long it is left out, if that begins now.
    pub fn take(&mut self, sign: Sign, may_go: bool, now: Tick) -> Option<Duration> {
        match sign {
            Sign::Nothing | Sign::Refused { .. } => None,
            Sign::Worked { .. } => {
                *self = Trust { last_worked: Some(now), ..Trust::default() };
                None
            }
            Sign::Failed { ns } => {
                if ns == self.last_failed_ns && self.failures > 0 {
                    return None; // the same run
                }
                self.last_failed_ns = ns;
                self.failures = self.failures.saturating_add(1);
                let on_trial = self.out.is_some_and(|until| until <= now);
                let goes = on_trial || (self.out.is_none() && self.failures >= FAILURES && may_go);
                goes.then(|| {
                    let pause = FIRST * (1 << self.times.min(DOUBLINGS));
                    self.times = self.times.saturating_add(1);
                    self.out = Some(now.plus(pause));
                    pause
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Tick {
        Tick::default().plus(Duration::from_secs(100 + seconds))
    }

    const WORKED: Sign = Sign::Worked { rows: 1, took: Duration::from_millis(1) };

    fn fail(trust: &mut Trust, runs: u64, now: Tick) -> Option<Duration> {
        (1..=runs).filter_map(|ns| trust.take(Sign::Failed { ns }, true, now)).last()
    }

    #[test]
    fn a_host_is_left_out_after_five_runs_that_failed_in_a_row() {
        let second = Some(Duration::from_secs(1));
        let mut trust = Trust::default();
        assert_eq!(fail(&mut trust, 4, at(0)), None);
        trust.take(WORKED, true, at(0));
        assert_eq!((fail(&mut trust, 4, at(0)), trust.is_out()), (None, false), "not in a row");
        assert_eq!(trust.take(Sign::Nothing, true, at(0)), None);
        assert_eq!(trust.take(Sign::Failed { ns: 4 }, true, at(0)), None, "of the same run");
        assert_eq!(trust.take(Sign::Failed { ns: 5 }, false, at(0)), None, "nobody does better");
        assert_eq!(trust.take(Sign::Failed { ns: 6 }, true, at(0)), second);
        assert!(trust.is_out() && !trust.allows(0, at(0)));
        assert_eq!(trust.take(Sign::Failed { ns: 7 }, true, at(0)), None, "that was on its way");
    }

    #[test]
    fn it_comes_back_by_one_call_that_is_answered() {
        let mut trust = Trust::default();
        fail(&mut trust, 5, at(0));
        for (times, now) in [(1, 1), (2, 3), (3, 7)] {
            assert!(trust.allows(0, at(now)) && !trust.allows(1, at(now)), "one at a time");
            let pause = trust.take(Sign::Failed { ns: 90 + times }, false, at(now));
            assert_eq!(pause, Some(FIRST * (1 << times)), "twice as long, whoever else does well");
        }
        trust.take(WORKED, true, at(20));
        assert!(trust.allows(9, at(20)) && trust.does_well(at(30)) && !trust.does_well(at(31)));
        assert_eq!(fail(&mut trust, 5, at(40)), Some(FIRST), "as if nothing had been");
    }

    #[test]
    fn it_is_never_left_out_for_hours() {
        let mut trust = Trust::default();
        fail(&mut trust, 5, at(0));
        let mut longest = FIRST;
        for times in 1..300 {
            let now = at(100 * times);
            longest = longest.max(trust.take(Sign::Failed { ns: 1_000 + times }, true, now).unwrap());
        }
        assert_eq!(longest, Duration::from_secs(64));
    }
}
