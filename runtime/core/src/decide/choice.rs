//! Which of several hosts gets the next call: the one that is likely to answer it first.

use crate::base::units::Rows;
use std::time::Duration;

/// How long a host that has `ahead` rows before them will take until it is through with `rows`: what is left of the batch
/// that runs, full batches of what waits, and their own. `since`: how long ago a batch ended. Nothing where nothing is
/// known: who has not run yet is tried.
pub fn finish(
    ahead: Rows,
    rows: Rows,
    max_rows: Rows,
    since: Duration,
    time: impl Fn(Rows) -> Duration,
) -> Duration {
    let full = max_rows.get().max(1);
    let running = ahead.get().min(full);
    let waiting = ahead.get() - running;
    let left = if running == 0 { Duration::ZERO } else { time(Rows::new(running)).saturating_sub(since) };
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
            ("which takes longer than was expected", 3, 2, 99, 12),
            ("a full one runs", 8, 1, 0, 18 + 11),
            ("it joins what waits", 11, 2, 0, 18 + 15),
            ("a full one waits", 16, 8, 0, 18 + 18 + 18),
            ("a request of no rows is one", 0, 0, 0, 11),
        ];
        for (name, ahead, rows, since, want) in table {
            let since = Duration::from_nanos(since);
            let finish = finish(Rows::new(ahead), Rows::new(rows), Rows::new(8), since, time);
            assert_eq!(finish, Duration::from_nanos(want), "{name}");
        }
    }

    proptest! {
        #[test]
        fn whatever_there_is_it_is_a_time_and_who_is_slower_is_later(
            ahead: u32, rows: u32, max_rows: u32, since: u64, each: u32,
        ) {
            let at = |each: u32| {
                let time = |rows: Rows| Duration::from_nanos(7) + Duration::from_nanos(each.into()) * rows.get();
                finish(Rows::new(ahead), Rows::new(rows), Rows::new(max_rows), Duration::from_nanos(since), time)
            };
            prop_assert!(at(each) <= at(each.saturating_add(9)));
        }
    }
}
