//! Of versions that users stick to.

use super::*;

/// What runs do is nobody's word but of those who were in them.
#[test]
fn a_user_is_one_unit_by_each_metric_whatever_runs_there_were() {
    let mut counts = of_users(&[10 * MS]);
    let user = Some(User(NonZeroU64::MIN));
    for ms in (0..18).map(|at| if at < 9 { 9 } else { 11 }) {
        counts.executed(&Execution { rows: 1, ..ran(Sealed::Alone, false) });
        counts.settled(&Ended { user, ..answered(timing(50, 1), ms) }, Tick::default());
    }
    counts.compared(&Pair { disagreement: 0.5, ..Pair::default() }, user, Tick::default());
    counts.settled(&Ended { user, ..failed(Kind::Overloaded) }, Tick::default());
    assert_eq!(told(&mut counts).runs, units(0, 0.0), "he may say more");
    counts.settled(&Ended { user, ..failed(Kind::ModelFailed) }, Tick::default());
    let seen = told(&mut counts);
    assert_eq!((seen.runs, seen.unserved), (units(1, 1.0 / 19.0), units(1, 0.0)));
    assert_eq!(seen.refused, units(1, 0.0));
    assert_eq!((seen.slow[0], seen.agreement), (units(1, 0.0), units(0, 0.0)), "he may have more copies");
    assert_eq!(seen.users_at_step, Some(0));
    assert_eq!(seen.latency.iter().map(|(_, count)| count).sum::<u64>(), 18);
}

/// Of the baseline he has requests of his own besides: he would have said all that he may before a copy is compared.
#[test]
fn what_a_users_copies_say_is_heard_whatever_he_has_said_otherwise() {
    let user = Some(User(NonZeroU64::MIN));
    let own = Ended { user, ..answered(timing(50, 1), 1) };
    let agreement = |own_requests: u64| {
        let mut counts = of_users(&[]);
        (0..own_requests).for_each(|_| counts.settled(&own, Tick::default()));
        for turn in 0..40 {
            counts.settled(&own, Tick::default());
            let disagreement = f64::from(turn % 4 == 0);
            counts.compared(&Pair { disagreement, ..Pair::default() }, user, Tick::default());
        }
        let seen = told(&mut counts);
        (seen.agreement, seen.runs)
    };
    for own_requests in [0, 1, 19, 20, 500] {
        assert_eq!(agreement(own_requests), (units(1, 0.25), units(1, 0.0)), "{own_requests}");
    }
    let mut counts = of_users(&[]);
    let run = Timing { infer_ns: 5, input_ns: 1, batch_rows: 16, ..Timing::default() };
    for turn in 0..32 {
        let pair = Pair { disagreement: f64::from(turn < 16), runs: [Timing::default(), run], rows: 1 };
        counts.compared(&pair, None, Tick::default());
    }
    assert_eq!(told(&mut counts).agreement, units(2, 1.0), "what one run answers wrong is one unit");
}

/// A full queue turns away whoever comes, and somebody tries again and again.
#[test]
fn neither_a_second_nor_a_user_misses_more_than_one_unit() {
    let at = |ms: u64| Tick::from_nanos(ms * MS);
    let by = |number: u64, ended| Ended { user: NonZeroU64::new(number << 32 | number).map(User), ..ended };
    let unserved = |counts: &mut Counts| counts.told(("m".into(), Version(2), 7), at(70_000)).unserved;
    let missed = failed(Kind::Overloaded);
    let mut stalled = of_users(&[]);
    for number in 1..=300 {
        let first = if number % 3 == 0 { answered(timing(50, 1), 1) } else { missed };
        stalled.settled(&by(number, first), at(number));
        (0..19).for_each(|_| stalled.settled(&by(number, answered(timing(50, 1), 1)), at(400 + number)));
    }
    assert_eq!(unserved(&mut stalled), units(1, 2.0 / 3.0));
    let mut persistent = of_users(&[]);
    (0..6000).for_each(|turn| persistent.settled(&by(1, missed), at(10 * turn)));
    assert_eq!(unserved(&mut persistent), units(1, 1.0));
    let refused = Ended { timing: timing(50, 1), ..failed(Kind::Invalid) };
    let mut refused_first = of_users(&[]);
    for (ms, ended) in [(0, refused), (1, missed), (2000, missed), (2001, answered(timing(50, 1), 1))] {
        refused_first.settled(&by(1, ended), at(ms));
    }
    assert_eq!(unserved(&mut refused_first), units(1, 1.0), "by the first that says anything of it");
}

/// A process stands still for a moment: whoever asks meanwhile waits, and some ask for the first time long before it.
#[test]
fn a_user_is_slow_by_his_first_answer_and_together_with_those_who_waited() {
    let at = |ms: u64| Tick::from_nanos(ms * MS);
    let by = |number: u64, ms| Ended {
        user: NonZeroU64::new(number << 32 | number).map(User),
        ..answered(timing(50, 1), ms)
    };
    let mut counts = of_users(&[10 * MS, 20 * MS]);
    for number in 1..=300 {
        counts.settled(&by(number, 5), at(5 * number));
        (0..3).for_each(|_| counts.settled(&by(number, 900), at(2000))); // he was heard
    }
    let seen = told(&mut counts);
    assert_eq!((seen.slow, seen.together), (vec![units(300, 0.0); 2], Together { count: 1, span_ns: 0 }));
    for number in 1..=30 {
        counts.settled(&Ended { user: None, ..by(number, 430 - 14 * number) }, at(3000));
    }
    let seen = told(&mut counts);
    assert_eq!(seen.slow, [units(330, 29.0), units(330, 29.0)], "the last took 10 ms");
    assert_eq!(seen.together, Together { count: 30, span_ns: 406 * MS });
    counts.settled(&Ended { user: None, ..failed(Kind::ModelFailed) }, at(3000));
    assert_eq!(told(&mut counts).together, seen.together, "it has no answer");
}

/// Of answers in parts what he waits for is the first.
#[test]
fn a_user_of_answers_in_parts_is_one_unit() {
    let mut counts = of_users(&[10 * MS]);
    let user = Some(User(NonZeroU64::MIN));
    let end = Ended { user, in_parts: true, ..answered(timing(50, 1), 60_000) };
    for _ in 0..20 {
        counts.first_part(Duration::from_millis(11), user, Tick::default());
        counts.settled(&Ended { fault: Some(Kind::ModelFailed), ..end }, Tick::default());
    }
    let seen = told(&mut counts);
    assert_eq!((seen.runs, seen.slow[0]), (units(1, 1.0), units(1, 1.0)));
}
