//! What the next batch is: a pure function of the clock, the waiting list and the limits.
//!
//! Asked by a lane that is free, as late as possible, so that the queue fills while the device works.
//! Costs what it takes: a batch of 8 out of 500 looks at 9 entries and allocates nothing.

use crate::base::units::{Rows, Tick};
use std::time::Duration;

/// What the decision needs to know of one waiting call. Priority and cost will join here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    pub rows: Rows,
    pub arrived: Tick,
    pub deadline: Tick,
    /// Calls stack only with calls of the same number: their inputs have the same shapes.
    pub shape: u64,
    /// It was in flight in a crash: if it is the cause, it shall take nobody with it.
    pub alone: bool,
}

impl Facts {
    /// Nobody waits for it any more.
    pub fn is_expired(&self, now: Tick) -> bool {
        self.deadline <= now
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub max_rows: Rows,
    /// How long a batch may be held open, counted from its oldest arrival.
    pub max_delay: Duration,
}

/// `scan` entries from the front of the waiting list are concerned. Those of them that
/// [`Facts::is_expired`] at the same `now` are to be refused, whatever the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Run the others of the first `scan` as one batch of `rows` rows.
    Run { scan: usize, rows: Rows },
    /// Worth waiting for company, but not past this point.
    Wait { scan: usize, until: Tick },
    /// Nobody is left to run.
    Idle { scan: usize },
}

/// First come, first served: the scan stops at the first misfit, because skipping ahead would starve it.
/// A call whose deadline falls within the delay is not held; one of more rows than a batch may have
/// (the limit was lowered while it waited) runs by itself.
pub fn plan(now: Tick, waiting: impl IntoIterator<Item = Facts>, limits: Limits) -> Step {
    let (mut scan, mut rows, mut oldest) = (0, Rows::ZERO, None::<Facts>);
    let (mut closed, mut hurried) = (false, false);
    for facts in waiting {
        if !facts.is_expired(now) {
            if let Some(first) = oldest {
                let fits = rows.plus(facts.rows).is_some_and(|sum| sum <= limits.max_rows);
                if !fits || facts.alone || facts.shape != first.shape {
                    closed = true;
                    break;
                }
            }
            let first = *oldest.get_or_insert(facts);
            rows = rows.plus(facts.rows).unwrap_or(rows);
            hurried |= facts.deadline <= first.arrived.plus(limits.max_delay);
            closed = facts.alone || rows >= limits.max_rows;
        }
        scan += 1;
        if closed {
            break;
        }
    }
    let Some(first) = oldest else { return Step::Idle { scan } };
    let until = first.arrived.plus(limits.max_delay);
    if closed || hurried || until <= now { Step::Run { scan, rows } } else { Step::Wait { scan, until } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NEVER: u64 = u64::MAX;
    const LIMITS: Limits = Limits { max_rows: Rows::new(8), max_delay: Duration::from_nanos(10) };

    fn call(rows: u32, arrived: u64, deadline: u64) -> Facts {
        let (arrived, deadline) = (Tick::from_nanos(arrived), Tick::from_nanos(deadline));
        Facts { rows: Rows::new(rows), arrived, deadline, shape: 0, alone: false }
    }

    fn alone(rows: u32) -> Facts {
        Facts { alone: true, ..call(rows, 0, NEVER) }
    }

    fn shaped(rows: u32, shape: u64) -> Facts {
        Facts { shape, ..call(rows, 0, NEVER) }
    }

    fn run(scan: usize, rows: u32) -> Step {
        Step::Run { scan, rows: Rows::new(rows) }
    }

    fn wait(scan: usize, until: u64) -> Step {
        Step::Wait { scan, until: Tick::from_nanos(until) }
    }

    #[test]
    fn plan_table() {
        let one = || call(1, 0, NEVER);
        let cases: Vec<(&str, u64, Vec<Facts>, Step)> = vec![
            ("nobody", 0, vec![], Step::Idle { scan: 0 }),
            ("waits for company", 5, vec![call(2, 3, NEVER)], wait(1, 13)),
            ("counted from the oldest", 5, vec![call(2, 0, NEVER), call(2, 5, NEVER)], wait(2, 10)),
            ("patience is over", 10, vec![call(2, 0, NEVER)], run(1, 2)),
            ("full goes at once", 1, vec![call(5, 0, NEVER), call(3, 0, NEVER)], run(2, 8)),
            ("full leaves the rest", 1, vec![call(8, 0, NEVER), one()], run(1, 8)),
            ("no overtaking", 1, vec![call(5, 0, NEVER), call(5, 0, NEVER), one()], run(1, 5)),
            ("a deadline within the delay is not held", 1, vec![call(1, 0, 9)], run(1, 1)),
            ("nor is one behind another", 1, vec![one(), call(1, 0, 9)], run(2, 2)),
            ("the late are scanned over", 9, vec![call(1, 0, 9), call(8, 3, NEVER)], run(2, 8)),
            ("the late take no room", 9, vec![call(8, 0, 9), call(1, 5, NEVER)], wait(2, 15)),
            ("only the late", 9, vec![call(1, 0, 9), call(1, 0, 8)], Step::Idle { scan: 2 }),
            ("after a crash it runs alone", 1, vec![alone(1), one()], run(1, 1)),
            ("and joins nobody", 1, vec![one(), alone(1)], run(1, 1)),
            ("the limit was lowered", 1, vec![call(9, 0, NEVER), one()], run(1, 9)),
            ("another shape ends a batch", 1, vec![shaped(1, 0), shaped(1, 1)], run(1, 1)),
            ("zero rows are harmless", 1, vec![call(0, 0, NEVER)], wait(1, 10)),
        ];
        for (name, now, waiting, want) in cases {
            assert_eq!(plan(Tick::from_nanos(now), waiting, LIMITS), want, "{name}");
        }
    }

    #[test]
    fn without_a_delay_nothing_is_held() {
        let limits = Limits { max_delay: Duration::ZERO, ..LIMITS };
        let waiting = [call(1, 7, NEVER), call(1, 7, NEVER)];
        assert_eq!(plan(Tick::from_nanos(7), waiting, limits), run(2, 2));
    }

    #[test]
    fn a_long_list_is_not_walked() {
        let mut looked = 0;
        let list = (0..500).map(|_| call(1, 0, NEVER)).inspect(|_| looked += 1);
        assert_eq!(plan(Tick::from_nanos(1), list, LIMITS), run(8, 8));
        assert_eq!(looked, 8);
    }

    proptest! {
        #[test]
        fn plan_keeps_its_promises(
            now in 0..40_u64,
            list in prop::collection::vec((0..12_u32, 0..30_u64, 0..60_u64, 0..2_u64, 0..8_u8), 0..12),
        ) {
            let now = Tick::from_nanos(now);
            let list: Vec<_> = list
                .into_iter()
                .map(|(rows, arrived, deadline, shape, luck)| {
                    Facts { shape, alone: luck == 0, ..call(rows, arrived, deadline) }
                })
                .collect();
            let live = |scan: usize| list[..scan].iter().filter(|facts| !facts.is_expired(now)).collect::<Vec<_>>();
            match plan(now, list.iter().copied(), LIMITS) {
                Step::Run { scan, rows } => {
                    let taken = live(scan);
                    prop_assert!(!taken.is_empty());
                    prop_assert_eq!(taken.iter().map(|facts| facts.rows.get()).sum::<u32>(), rows.get());
                    prop_assert!(rows <= LIMITS.max_rows || taken.len() == 1);
                    prop_assert!(taken.len() == 1 || taken.iter().all(|facts| !facts.alone));
                    prop_assert!(taken.iter().all(|facts| facts.shape == taken[0].shape));
                }
                Step::Wait { scan, until } => {
                    prop_assert!(until > now && scan == list.len());
                    let taken = live(scan);
                    prop_assert_eq!(until, taken[0].arrived.plus(LIMITS.max_delay));
                    prop_assert!(taken.iter().all(|facts| facts.deadline > until && !facts.alone));
                }
                Step::Idle { scan } => prop_assert!(scan == list.len() && live(scan).is_empty()),
            }
        }
    }
}
