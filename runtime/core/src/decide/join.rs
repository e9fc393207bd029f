//! Who joins the sequences at work, between two of their steps: a pure function of the clock, the waiting list and what
//! is at work.
//!
//! In the order of the list, as many as there is room for. Whoever does not fit lets nobody past: small requests
//! would keep a large one waiting for as long as they come.

use super::plan::{Facts, Limits, Picks};
use crate::base::units::{Rows, Tick};

/// The sequences at work, together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AtWork {
    pub rows: Rows,
    pub cost: u64,
}

impl AtWork {
    fn is_empty(self) -> bool {
        self.rows == Rows::ZERO
    }
}

/// `waiting` gives the list in the order in which it is to be served; who joins and who is late comes into `picks`. One
/// of more rows or cost than all may have (the limit was lowered while it waited) joins nobody, and nobody joins it.
pub fn join(
    now: Tick,
    waiting: impl Fn(usize) -> Option<Facts>,
    limits: Limits,
    at_work: AtWork,
    picks: &mut Picks,
) {
    let mut all = at_work;
    picks.batch.clear();
    picks.late.clear();
    for place in 0.. {
        let Some(facts) = waiting(place) else { break };
        if facts.is_expired(now) {
            picks.late.push(place);
            continue;
        }
        let Some(more) = with(all, &facts, limits) else { break };
        all = more;
        picks.batch.push(place);
    }
}

/// `None`: there is no room for it.
fn with(all: AtWork, one: &Facts, limits: Limits) -> Option<AtWork> {
    let more = AtWork { rows: all.rows.plus(one.rows)?, cost: all.cost.saturating_add(one.cost) };
    let fits = more.rows <= limits.max_rows && more.cost <= limits.max_cost;
    (all.is_empty() || fits).then_some(more)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const LIMITS: Limits = Limits { max_rows: Rows::new(8), max_cost: 100, max_delay: Duration::ZERO };
    const NOW: Tick = Tick::from_nanos(10);

    fn one(rows: u32, cost: u64) -> Facts {
        let (arrived, deadline) = (Tick::default(), Tick::NEVER);
        let rows = Rows::new(rows);
        Facts { rows, cost, level: 1, arrived, deadline, shape: 0, alone: false, found_idle: false }
    }

    fn late() -> Facts {
        Facts { deadline: NOW, ..one(1, 1) }
    }

    fn joined(list: &[Facts], at_work: AtWork) -> (Vec<usize>, Vec<usize>) {
        let mut picks = Picks::default();
        join(NOW, |at| list.get(at).copied(), LIMITS, at_work, &mut picks);
        (picks.batch.to_vec(), picks.late.to_vec())
    }

    #[test]
    fn join_table() {
        let nobody = AtWork::default();
        let some = AtWork { rows: Rows::new(6), cost: 90 };
        type Row = (&'static str, Vec<Facts>, AtWork, &'static [usize], &'static [usize]);
        let table: Vec<Row> = vec![
            ("nobody waits", vec![], some, &[], &[]),
            ("there is room for all", vec![one(1, 1), one(1, 1)], some, &[0, 1], &[]),
            ("rows are full", vec![one(1, 1), one(1, 1), one(1, 1)], some, &[0, 1], &[]),
            ("cost is full", vec![one(1, 10), one(1, 1)], some, &[0], &[]),
            ("who does not fit lets nobody past", vec![one(3, 1), one(1, 1)], some, &[], &[]),
            ("nor by its cost", vec![one(1, 11), one(1, 1)], some, &[], &[]),
            ("shapes do not matter", vec![one(1, 1), Facts { shape: 7, ..one(1, 1) }], some, &[0, 1], &[]),
            ("the late take no room", vec![late(), one(2, 1), late()], some, &[1], &[0, 2]),
            ("only the late", vec![late(), late()], some, &[], &[0, 1]),
            ("behind one that does not fit nobody is looked at", vec![one(9, 1), late()], some, &[], &[]),
            ("the limit was lowered", vec![one(9, 1), one(1, 1)], nobody, &[0], &[]),
            ("and that of the cost", vec![one(1, 101), one(1, 1)], nobody, &[0], &[]),
            ("a cost beyond counting", vec![one(1, u64::MAX)], some, &[], &[]),
        ];
        for (name, list, at_work, batch, late) in table {
            assert_eq!(joined(&list, at_work), (batch.to_vec(), late.to_vec()), "{name}");
        }
    }

    proptest! {
        #[test]
        fn what_is_at_work_keeps_to_the_limits(
            list in prop::collection::vec((1..12_u32, 0..120_u64, any::<bool>()), 0..12),
            rows in 0..9_u32,
            cost in 0..101_u64,
        ) {
            let list: Vec<_> = list
                .into_iter()
                .map(|(rows, cost, is_late)| if is_late { late() } else { one(rows, cost) })
                .collect();
            let before = AtWork { rows: Rows::new(rows), cost: if rows == 0 { 0 } else { cost } };
            let (batch, late) = joined(&list, before);
            let taken: Vec<_> = batch.iter().map(|at| list[*at]).collect();
            let rows = rows + taken.iter().map(|facts| facts.rows.get()).sum::<u32>();
            let cost = before.cost + taken.iter().map(|facts| facts.cost).sum::<u64>();
            let by_itself = before.is_empty() && taken.len() == 1;
            prop_assert!(by_itself || (rows <= LIMITS.max_rows.get() && cost <= LIMITS.max_cost));
            prop_assert!(late.iter().all(|at| list[*at].is_expired(NOW)));
            // In their order, without a gap.
            let seen = batch.len() + late.len();
            prop_assert!((0..seen).all(|at| batch.contains(&at) || late.contains(&at)));
            // With nobody at work, the first that is not late always joins: nobody waits for ever.
            let first = list.iter().position(|facts| !facts.is_expired(NOW));
            prop_assert!(!before.is_empty() || batch.first().copied() == first);
        }
    }
}
