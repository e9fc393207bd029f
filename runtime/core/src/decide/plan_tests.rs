use super::*;
use Sealed::{Alone, Free, Full, Hurried, Waited};
use proptest::prelude::*;

const NEVER: u64 = u64::MAX;
const LIMITS: Limits = Limits { max_rows: Rows::new(8), max_cost: 100, max_delay: Duration::from_nanos(10) };

fn call(rows: u32, arrived: u64, deadline: u64) -> Facts {
    let (arrived, deadline) = (Tick::from_nanos(arrived), Tick::from_nanos(deadline));
    let (shape, alone, found_idle) = (0, false, false);
    Facts { rows: Rows::new(rows), cost: 0, level: 1, arrived, deadline, shape, alone, found_idle }
}

fn alone(rows: u32) -> Facts {
    Facts { alone: true, ..call(rows, 0, NEVER) }
}

fn shaped(rows: u32, shape: u64) -> Facts {
    Facts { shape, ..call(rows, 0, NEVER) }
}

fn costs(cost: u64) -> Facts {
    Facts { cost, ..call(1, 0, NEVER) }
}

/// The step, who is in the batch, and who is late.
type Want = (Step, Vec<usize>, Vec<usize>);

fn run(sealed: Sealed, batch: &[usize], late: &[usize]) -> Want {
    (Step::Run { sealed, size: Size::default() }, batch.to_vec(), late.to_vec())
}

fn wait(until: u64, late: &[usize]) -> Want {
    (Step::Wait { until: Tick::from_nanos(until) }, vec![], late.to_vec())
}

fn planned(now: u64, list: &[Facts], limits: Limits, time: impl Fn(u64) -> u64) -> Want {
    let mut picks = Picks::default();
    let time = |size: Size| Duration::from_nanos(time(u64::from(size.rows.get())));
    let step = plan(Tick::from_nanos(now), |at| list.get(at).copied(), limits, time, &mut picks);
    if let Step::Run { size, .. } = step {
        let of = |at: &usize| (list[*at].rows.get(), list[*at].cost);
        let sum = picks.batch.iter().map(of).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        assert_eq!((size.rows.get(), size.cost), sum, "of those in it");
    }
    let step = match step {
        Step::Run { sealed, .. } => Step::Run { sealed, size: Size::default() },
        Step::Wait { .. } | Step::Idle => step,
    };
    (step, picks.batch.to_vec(), picks.late.to_vec())
}

#[test]
fn plan_table() {
    let one = || call(1, 0, NEVER);
    let idle = |late: &[usize]| (Step::Idle, vec![], late.to_vec());
    let cases: Vec<(&str, u64, Vec<Facts>, Want)> = vec![
        ("nobody", 0, vec![], idle(&[])),
        ("waits for company", 5, vec![call(2, 3, NEVER)], wait(13, &[])),
        ("counted from the oldest", 5, vec![call(2, 5, NEVER), call(2, 0, NEVER)], wait(10, &[])),
        ("patience is over", 10, vec![call(2, 0, NEVER)], run(Waited, &[0], &[])),
        ("full goes at once", 1, vec![call(5, 0, NEVER), call(3, 0, NEVER)], run(Full, &[0, 1], &[])),
        ("full leaves the rest", 1, vec![call(8, 0, NEVER), one()], run(Full, &[0], &[])),
        ("no overtaking", 1, vec![call(5, 0, NEVER), call(5, 0, NEVER), one()], run(Full, &[0], &[])),
        ("a deadline within the delay is not held", 1, vec![call(1, 0, 9)], run(Hurried, &[0], &[])),
        ("nor is one behind another", 1, vec![one(), call(1, 0, 9)], run(Hurried, &[0, 1], &[])),
        ("the late are passed over", 9, vec![call(1, 0, 9), call(8, 3, NEVER)], run(Full, &[1], &[0])),
        ("the late take no room", 9, vec![call(8, 0, 9), call(1, 5, NEVER)], wait(15, &[0])),
        ("only the late", 9, vec![call(1, 0, 9), call(1, 0, 8)], idle(&[0, 1])),
        ("after a crash it runs alone", 1, vec![alone(1), one()], run(Alone, &[0], &[])),
        ("and joins nobody", 10, vec![one(), alone(1), one()], run(Waited, &[0, 2], &[])),
        ("the limit was lowered", 1, vec![call(9, 0, NEVER), one()], run(Full, &[0], &[])),
        ("cost is bounded, too", 1, vec![costs(60), costs(41), costs(1)], run(Full, &[0], &[])),
        ("as rows are", 1, vec![costs(60), costs(40), costs(0), one()], wait(10, &[])),
        ("a cost beyond counting", 1, vec![costs(1), costs(u64::MAX)], run(Full, &[0], &[])),
        ("the limit of the cost was lowered", 1, vec![costs(101), one()], run(Full, &[0], &[])),
        ("zero rows are harmless", 1, vec![call(0, 0, NEVER)], wait(10, &[])),
        (
            "another shape does not end a batch",
            10,
            vec![shaped(1, 0), shaped(1, 1), shaped(1, 0), shaped(1, 1)],
            run(Waited, &[0, 2], &[]),
        ),
        (
            "who waits for company keeps nobody else",
            5,
            vec![shaped(1, 0), shaped(4, 1), shaped(4, 1)],
            run(Full, &[1, 2], &[]),
        ),
        (
            "all wait, until the first may not any more",
            5,
            vec![Facts { shape: 1, ..call(1, 3, NEVER) }, shaped(1, 0), Facts { shape: 2, ..call(1, 2, 5) }],
            wait(10, &[2]),
        ),
    ];
    for (name, now, waiting, want) in cases {
        assert_eq!(planned(now, &waiting, LIMITS, |_| 0), want, "{name}");
    }
}

#[test]
fn a_batch_is_in_time_for_those_in_it() {
    let limits = Limits { max_delay: Duration::ZERO, ..LIMITS };
    let level = |level, facts| Facts { level, ..facts };
    // 10 for any batch, and 1 for each row.
    let cases: Vec<(&str, Vec<Facts>, Want)> = vec![
        ("enough time for all", vec![call(1, 0, 99), call(1, 0, 99)], run(Free, &[0, 1], &[])),
        ("nobody is served who would be late", vec![call(1, 0, 10), call(1, 0, 99)], run(Free, &[1], &[0])),
        ("just in time", vec![call(1, 0, 11), call(1, 0, 99)], run(Hurried, &[0], &[])),
        (
            "but not at the price of a batch",
            (0..8).map(|n| call(1, 0, if n == 0 { 11 } else { 99 })).collect(),
            run(Free, &[1, 2, 3, 4, 5, 6, 7], &[0]),
        ),
        (
            "unless it is of a higher priority",
            (0..8).map(|n| if n == 0 { call(1, 0, 11) } else { level(2, call(1, 0, 99)) }).collect(),
            run(Hurried, &[0], &[]),
        ),
        (
            "a smaller batch for one in a hurry is cheap enough",
            (0..8).map(|n| call(1, 0, if n == 0 { 15 } else { 99 })).collect(),
            run(Hurried, &[0, 1, 2, 3, 4], &[]),
        ),
        (
            "but not while more wait than a batch may have",
            (0..10).map(|n| call(1, 0, if n == 0 { 17 } else { 99 })).collect(),
            run(Full, &[1, 2, 3, 4, 5, 6, 7, 8], &[0]),
        ),
        (
            "who cannot join in time waits for his own turn",
            vec![call(4, 0, 99), level(2, call(1, 0, 12)), level(2, call(1, 0, 99))],
            run(Free, &[0, 2], &[]),
        ),
        (
            "what found the device idle is served, whatever is believed",
            vec![Facts { found_idle: true, ..call(1, 0, 5) }],
            run(Free, &[0], &[]),
        ),
        (
            "but not after its deadline",
            vec![Facts { found_idle: true, ..call(1, 0, 0) }],
            (Step::Idle, vec![], vec![0]),
        ),
    ];
    for (name, waiting, want) in cases {
        assert_eq!(planned(0, &waiting, limits, |rows| 10 + rows), want, "{name}");
    }
}

#[test]
fn without_a_delay_nothing_is_held() {
    let limits = Limits { max_delay: Duration::ZERO, ..LIMITS };
    assert_eq!(planned(7, &[call(1, 7, NEVER), call(1, 7, NEVER)], limits, |_| 0), run(Free, &[0, 1], &[]));
}

#[test]
fn a_long_list_is_not_walked() {
    let looked = std::cell::Cell::new(0);
    let mut picks = Picks::default();
    let list = |at| {
        looked.set(looked.get() + 1);
        (at < 500).then(|| call(1, 0, NEVER))
    };
    assert_eq!(
        plan(Tick::from_nanos(1), list, LIMITS, |_| Duration::ZERO, &mut picks),
        Step::Run { sealed: Full, size: Size { rows: Rows::new(8), cost: 0 } }
    );
    assert_eq!((picks.batch.len(), looked.get()), (8, 8));
}

proptest! {
    #[test]
    fn plan_keeps_its_promises(
        now in 0..40_u64,
        list in prop::collection::vec((0..12_u32, 0..30_u64, 0..60_u64, 0..2_u64, 0..8_u8), 0..12),
        time in prop_oneof![Just((0, 0)), (0..20_u64, 0..3_u64)],
    ) {
        let list: Vec<_> = list
            .into_iter()
            .map(|(rows, arrived, deadline, shape, luck)| Facts {
                shape,
                alone: luck == 0,
                found_idle: luck == 1,
                level: luck % 2,
                ..call(rows, arrived, deadline)
            })
            .collect();
        let time = |rows: u64| time.0 + time.1 * rows;
        let (step, batch, late) = planned(now, &list, LIMITS, time);
        let now = Tick::from_nanos(now);
        let ends = |rows: u32| now.plus(Duration::from_nanos(time(u64::from(rows))));
        prop_assert!(batch.is_sorted() && late.is_sorted() && batch.iter().all(|at| !late.contains(at)));
        prop_assert!(late.windows(2).all(|pair| pair[0] < pair[1]));
        // Whoever is refused has a deadline that a batch of others endangers, at least.
        prop_assert!(late.iter().all(|at| list[*at].aim() <= ends(LIMITS.max_rows.get().max(12))));
        let live = || (0..list.len()).filter(|at| !late.contains(at));
        let taken: Vec<_> = batch.iter().map(|at| list[*at]).collect();
        let rows = taken.iter().map(|facts| facts.rows.get()).sum::<u32>();
        match step {
            Step::Run { .. } => {
                prop_assert!(!taken.is_empty());
                prop_assert!(rows <= LIMITS.max_rows.get() || taken.len() == 1);
                prop_assert!(taken.len() == 1 || taken.iter().all(|facts| !facts.alone));
                prop_assert!(taken.iter().all(|facts| facts.shape == taken[0].shape));
                prop_assert!(taken.iter().all(|facts| facts.deadline > now));
                prop_assert!(taken.iter().all(|facts| ends(rows) <= facts.aim() || facts.found_idle));
            }
            Step::Wait { until } => {
                prop_assert!(until > now && taken.is_empty());
                let oldest = live().map(|at| list[at].arrived).min().unwrap();
                prop_assert!(until >= oldest.plus(LIMITS.max_delay));
            }
            Step::Idle => prop_assert!(live().next().is_none()),
        }
    }
}
