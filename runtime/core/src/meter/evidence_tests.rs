use super::*;
use crate::base::{call::Timing, fault::Kind, units::Rows};
use std::num::NonZeroU64;

const MS: u64 = 1_000_000;

fn ran(sealed: Sealed, failed: bool) -> Execution {
    Execution { rows: 4, sealed, failed, ..Execution::default() }
}

fn timing(infer_ns: u64, batch_rows: u32) -> Timing {
    Timing { queue_ns: 5, input_ns: 1, infer_ns, output_ns: 3, batch_rows, sealed: Sealed::Full }
}

/// One row that was answered.
fn answered(timing: Timing, ms: u64) -> Ended {
    Ended {
        rows: Rows::new(1),
        fault: None,
        total: Duration::from_millis(ms),
        inside: Duration::from_millis(ms),
        timing,
        in_parts: false,
        user: None,
    }
}

fn failed(kind: Kind) -> Ended {
    Ended { fault: Some(kind), ..answered(Timing::default(), 1) }
}

fn judged(rollout: u64, slow_ns: &[u64]) -> Judged {
    Judged { version: Version(2), rollout, slow_ns: slow_ns.to_vec(), users_at_step: None }
}

fn of_users(slow_ns: &[u64]) -> Counts {
    Counts::new(&Judged { users_at_step: Some(0), ..judged(9, slow_ns) })
}

fn counts(slow_ns: &[u64]) -> Counts {
    Counts::new(&judged(9, slow_ns))
}

fn told(counts: &mut Counts) -> Evidence {
    counts.told(("m".into(), Version(2), 7), Tick::from_nanos(1000 * MS))
}

fn units(count: u64, bad: f64) -> Units {
    Units { count, bad }
}

#[test]
fn runs_are_units_but_for_those_that_ask_why_one_failed() {
    let mut counts = counts(&[]);
    for sealed in [Sealed::Free, Sealed::Full, Sealed::Waited, Sealed::Hurried, Sealed::Alone] {
        counts.executed(&ran(sealed, false));
    }
    counts.executed(&ran(Sealed::Full, true));
    for sealed in [Sealed::Again, Sealed::Step] {
        [true, false].into_iter().for_each(|failed| counts.executed(&ran(sealed, failed)));
    }
    assert_eq!(told(&mut counts).runs, units(6, 1.0));
}

#[test]
fn each_line_has_its_own_share_of_a_runs_answers() {
    let mut counts = counts(&[10 * MS, 20 * MS]);
    for ms in [9, 11, 21, 10] {
        counts.settled(&answered(timing(50, 4), ms), Tick::default());
    }
    counts.settled(&answered(timing(60, 1), 30), Tick::default());
    let seen = told(&mut counts);
    assert_eq!(seen.slow, [units(2, 1.5), units(2, 1.25)], "10 ms is not beyond 10 ms");
    assert_eq!(seen.latency.iter().map(|(_, count)| count).sum::<u64>(), 5);
    assert_eq!((seen.since, seen.rollout, seen.slow_ns), (7, 9, vec![10 * MS, 20 * MS]));
    assert_eq!((seen.runs, seen.refused), (units(0, 0.0), units(2, 0.0)));
}

/// They are answers all the same, and as slow as they are.
#[test]
fn calls_that_ran_again_are_no_units() {
    let mut counts = counts(&[MS]);
    counts.settled(&answered(Timing { sealed: Sealed::Again, ..timing(5, 1) }, 40), Tick::default());
    let seen = told(&mut counts);
    assert_eq!((seen.slow[0], seen.latency.len()), (units(0, 0.0), 1));
    let refused = Ended { timing: Timing { sealed: Sealed::Again, ..timing(5, 1) }, ..failed(Kind::Invalid) };
    counts.settled(&refused, Tick::default());
    assert_eq!(told(&mut counts).refused, units(0, 0.0));
}

/// Of those that had an answer, were missed, or failed by its doing.
#[test]
fn the_share_that_a_second_missed_is_one_unit() {
    let mut counts = counts(&[MS]);
    let at = |ms: u64| Tick::from_nanos(ms * MS);
    let again = Timing { sealed: Sealed::Again, ..timing(5, 1) };
    for ms in 0..94 {
        counts.settled(&answered(timing(ms, 1), 1), at(ms));
    }
    for (ms, kind) in (100..).zip([Kind::Overloaded, Kind::Expired, Kind::Overloaded, Kind::ModelFailed]) {
        counts.settled(&failed(kind), at(ms));
    }
    counts.settled(&answered(again, 1), at(900));
    let part = Ended { in_parts: true, ..answered(timing(5, 1), 1) };
    counts.settled(&part, at(901));
    for kind in [Kind::Cancelled, Kind::HostLost, Kind::Invalid, Kind::Slow] {
        counts.settled(&failed(kind), at(5000));
        counts.settled(&Ended { timing: timing(5, 1), ..failed(kind) }, at(5000));
    }
    let seen = counts.told(("m".into(), Version(2), 7), at(999));
    assert_eq!((seen.unserved, seen.slow[0].count), (units(0, 0.0), 94), "it may not be over");
    counts.settled(&Ended { in_parts: true, ..failed(Kind::Expired) }, at(5001));
    let mut told = |ms| counts.told(("m".into(), Version(2), 7), at(ms)).unserved;
    assert_eq!(told(5001), units(1, 0.03));
    assert_eq!(told(6001), units(2, 1.03));
    assert_eq!(told(9000), units(2, 1.03));
}

/// Who was refused before any run says nothing of the model.
#[test]
fn the_share_of_a_run_that_the_model_refused_is_one_unit() {
    let mut counts = counts(&[10 * MS]);
    let refused = |timing| Ended { timing, ..failed(Kind::Invalid) };
    let run = timing(50, 4);
    for ended in [answered(run, 20), refused(run), answered(run, 1), answered(run, 1)] {
        counts.settled(&ended, Tick::default());
    }
    let seen = told(&mut counts);
    assert_eq!((seen.refused, seen.slow[0]), (units(1, 0.25), units(1, 1.0 / 3.0)));
    counts.settled(&refused(Timing::default()), Tick::default());
    assert_eq!(told(&mut counts), seen);
    for _ in 0..2 {
        counts.settled(&refused(timing(51, 2)), Tick::default());
    }
    let seen = told(&mut counts);
    assert_eq!((seen.refused, seen.slow[0].count), (units(2, 1.25), 1), "nobody had an answer");
    let away = Timing { infer_ns: 8 * MS, batch_rows: 1, ..Timing::default() };
    counts.settled(&refused(away), Tick::default());
    counts.settled(&answered(away, 9), Tick::default());
    let seen = told(&mut counts);
    assert_eq!(
        (seen.refused, seen.runs),
        (units(4, 2.25), units(1, 0.0)),
        "each of another server's is a run"
    );
}

/// By each kind, what a run, an answer's end in parts, and time make of it.
#[test]
fn a_fault_that_is_not_the_versions_is_no_unit() {
    for kind in Kind::ALL {
        let mut counts = counts(&[MS]);
        let fault = failed(*kind);
        counts.settled(&fault, Tick::default());
        let seen = told(&mut counts);
        let counted = (seen.slow[0].count, seen.runs.count, seen.refused.count, seen.latency);
        assert_eq!(counted, (0, 0, 0, vec![]), "{kind:?}");
        counts.settled(&Ended { in_parts: true, ..fault }, Tick::default());
        let broken = u64::from(matches!(kind, Kind::ModelFailed | Kind::ModelHung | Kind::Internal));
        assert_eq!(told(&mut counts).runs.count, broken, "{kind:?}");
    }
}

/// It tells how long each call was away and nothing else, and nobody tells of its runs.
#[test]
fn each_call_that_another_server_answers_is_a_run() {
    let mut counts = counts(&[10 * MS]);
    let away = Timing { infer_ns: 8 * MS, batch_rows: 1, ..Timing::default() };
    counts.settled(&answered(away, 9), Tick::default());
    counts.settled(&answered(away, 11), Tick::default());
    for kind in [Kind::ModelFailed, Kind::Invalid, Kind::Cancelled, Kind::Unavailable] {
        counts.settled(&Ended { timing: away, ..failed(kind) }, Tick::default());
    }
    let seen = told(&mut counts);
    assert_eq!(
        (seen.runs, seen.slow[0]),
        (units(4, 2.0), units(2, 1.0)),
        "what it says it cannot do is a failure"
    );
}

/// Their first parts are what callers wait for, and a step that fails breaks what is in it once.
#[test]
fn answers_in_parts_are_judged_by_their_first_part_and_their_end() {
    let mut counts = counts(&[100 * MS]);
    counts.executed(&ran(Sealed::Step, false));
    for ms in [50, 150, 250, 90, 500] {
        counts.first_part(Duration::from_millis(ms), None, Tick::default());
    }
    let end = Timing { infer_ns: 5, batch_rows: 4, sealed: Sealed::Step, ..Timing::default() };
    let good = Ended { in_parts: true, ..answered(end, 60_000) };
    counts.settled(&good, Tick::default());
    counts.executed(&ran(Sealed::Step, true));
    for _ in 0..4 {
        counts.settled(&Ended { fault: Some(Kind::ModelFailed), ..good }, Tick::default());
    }
    let seen = told(&mut counts);
    assert_eq!((seen.slow[0], seen.runs), (units(1, 0.5), units(1, 0.75)));
    assert_eq!(seen.latency.iter().map(|(_, count)| count).sum::<u64>(), 5, "first parts, not wholes");
    for _ in 0..3 {
        counts.settled(&good, Tick::default());
    }
    let seen = told(&mut counts);
    assert_eq!(seen.runs, units(2, 1.0), "one step, one unit");
    assert_eq!(seen.refused, units(1, 0.0), "of four that were answered");
    for fault in [Some(Kind::Invalid), None, Some(Kind::Invalid), None] {
        counts.settled(&Ended { fault, ..good }, Tick::default());
    }
    let seen = told(&mut counts);
    assert_eq!((seen.refused, seen.runs), (units(2, 0.5), units(2, 1.0)));
}

/// What happened to one of them may have happened to all.
#[test]
fn it_is_told_how_many_runs_waited_at_the_same_time() {
    let mut counts = counts(&[10 * MS]);
    let together = |counts: &mut Counts| told(counts).together;
    let run = |counts: &mut Counts, number: u64, (came, answered_at): (u64, u64)| {
        let ended = answered(timing(number, 2), answered_at - came); // its host saw nothing of its waiting
        counts.settled(&ended, Tick::from_nanos(answered_at * MS));
    };
    for number in 0..50 {
        (0..2).for_each(|_| run(&mut counts, number, (100 + 10 * number, 105 + 10 * number)));
    }
    assert_eq!(together(&mut counts), Together { count: 1, span_ns: 0 }, "two calls, one run");
    for number in 100..140 {
        (0..2).for_each(|late| run(&mut counts, number, (10 * number + late, 1500)));
    }
    assert_eq!(together(&mut counts), Together { count: 40, span_ns: 390 * MS });
    assert_eq!(told(&mut counts).slow[0], units(90, 40.0));
    run(&mut counts, 200, (1600, 1700)); // whose other call nobody hears of
    (210..300).for_each(|number| (0..2).for_each(|_| run(&mut counts, number, (1650, 10 * number))));
    assert!(together(&mut counts).count > 40);
    let before = together(&mut counts);
    counts.told(("m".into(), Version(2), 7), Tick::from_nanos(9000 * MS));
    assert_eq!((told(&mut counts).slow[0].count, together(&mut counts)), (181, before));
}

#[test]
fn so_it_is_of_first_parts_as_many_as_a_step_has_rows() {
    let mut counts = counts(&[10 * MS]);
    counts.executed(&ran(Sealed::Step, false));
    for answer in 0..64 {
        counts.first_part(
            Duration::from_millis(500 - 4 * answer),
            None,
            Tick::from_nanos((900 + answer) * MS),
        );
    }
    let seen = told(&mut counts);
    assert_eq!((seen.slow[0], seen.together), (units(16, 16.0), Together { count: 16, span_ns: 300 * MS }));
}

#[test]
fn who_asks_sees_what_is_overdue() {
    let mut counts = counts(&[MS]);
    counts.settled(&answered(timing(5, 2), 40), Tick::default());
    assert_eq!(told(&mut counts).slow[0], units(0, 0.0), "a second is not long");
    let late = counts.told(("m".into(), Version(2), 7), Tick::from_nanos(2001 * MS));
    assert_eq!(late.slow[0], units(1, 1.0));
}

/// What they found, and how long they took, is the time that it took to load.
#[test]
fn who_came_before_it_was_there_again_says_nothing() {
    let at = |ms: u64| Tick::from_nanos(ms * MS);
    for mut counts in [counts(&[MS]), of_users(&[MS])] {
        counts.settled(&answered(timing(50, 1), 3), at(100));
        counts.returned(at(20_000));
        counts.settled(&answered(timing(51, 1), 10_000), at(20_001));
        counts.settled(&Ended { total: Duration::from_secs(10), ..failed(Kind::Expired) }, at(20_001));
        counts.first_part(Duration::from_secs(10), None, at(20_001));
        counts.settled(&answered(timing(52, 1), 1), at(20_001));
        let seen = counts.told(("m".into(), Version(2), 7), at(30_000));
        assert_eq!((seen.slow[0], seen.unserved), (units(2, 1.0), units(2, 0.0)));
        assert_eq!(seen.latency.iter().map(|(_, count)| count).sum::<u64>(), 2);
    }
}

#[path = "evidence_users_tests.rs"]
mod users;
