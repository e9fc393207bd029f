use super::*;
use crate::base::units::Rows;

const MS: u64 = 1_000_000;

fn ran(sealed: Sealed, failed: bool) -> Execution {
    Execution {
        rows: 4,
        padding: 0,
        padding_bytes: 0,
        between_ns: 0,
        cost: 0,
        sealed,
        input_ns: 1,
        infer_ns: 2,
        output_ns: 3,
        failed,
    }
}

fn timing(infer_ns: u64, batch_rows: u32) -> Timing {
    Timing { queue_ns: 5, input_ns: 1, infer_ns, output_ns: 3, batch_rows, sealed: Sealed::Full }
}

/// One row that was answered.
fn answered(timing: Timing, ms: u64) -> Ended {
    Ended { rows: Rows::new(1), fault: None, total: Duration::from_millis(ms), timing, in_parts: false }
}

fn failed(kind: Kind) -> Ended {
    Ended { fault: Some(kind), ..answered(Timing::default(), 1) }
}

fn told(counts: &mut Counts) -> Evidence {
    counts.told(("m".into(), Version(2), 7), Tick::from_nanos(1000 * MS))
}

fn units(count: u64, bad: f64) -> Units {
    Units { count, bad }
}

#[test]
fn runs_are_units_but_for_those_that_ask_why_one_failed() {
    let mut counts = Counts::new(&[]);
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
    let mut counts = Counts::new(&[10 * MS, 20 * MS]);
    for ms in [9, 11, 21, 10] {
        counts.settled(&answered(timing(50, 4), ms), Tick::default());
    }
    counts.settled(&answered(timing(60, 1), 30), Tick::default());
    let seen = told(&mut counts);
    assert_eq!(seen.slow, [units(2, 1.5), units(2, 1.25)], "10 ms is not beyond 10 ms");
    assert_eq!(seen.latency.iter().map(|(_, count)| count).sum::<u64>(), 5);
    assert_eq!((seen.since, seen.slow_ns, seen.runs), (7, vec![10 * MS, 20 * MS], units(0, 0.0)));
}

/// They are answers all the same, and as slow as they are.
#[test]
fn calls_that_ran_again_are_no_units() {
    let mut counts = Counts::new(&[MS]);
    counts.settled(&answered(Timing { sealed: Sealed::Again, ..timing(5, 1) }, 40), Tick::default());
    let seen = told(&mut counts);
    assert_eq!((seen.slow[0], seen.latency.len()), (units(0, 0.0), 1));
}

#[test]
fn calls_that_it_could_not_take_are_one_unit_a_second() {
    let mut counts = Counts::new(&[MS, 2 * MS]);
    let mut after = |ms: u64, kind| {
        counts.settled(&failed(kind), Tick::from_nanos((5_000 + ms) * MS));
        told(&mut counts).slow
    };
    assert_eq!(after(0, Kind::Overloaded), [units(1, 1.0); 2]);
    for ms in 1..999 {
        assert_eq!(after(ms, if ms % 2 == 0 { Kind::Overloaded } else { Kind::Expired }), [units(1, 1.0); 2]);
    }
    assert_eq!(after(1000, Kind::Expired), [units(2, 2.0); 2]);
    assert_eq!(after(1999, Kind::Expired), [units(2, 2.0); 2]);
    assert_eq!(after(60_000, Kind::Expired), [units(3, 3.0); 2]);
}

/// By each kind, what a run, an answer's end in parts, and time make of it.
#[test]
fn a_fault_that_is_not_the_versions_is_no_unit() {
    for kind in Kind::ALL {
        let mut counts = Counts::new(&[MS]);
        let fault = failed(*kind);
        counts.settled(&fault, Tick::default());
        let missed = u64::from(matches!(kind, Kind::Overloaded | Kind::Expired));
        let seen = told(&mut counts);
        assert_eq!((seen.slow[0].count, seen.runs.count, seen.latency), (missed, 0, vec![]), "{kind:?}");
        counts.settled(&Ended { in_parts: true, ..fault }, Tick::default());
        let broken = u64::from(matches!(kind, Kind::ModelFailed | Kind::ModelHung | Kind::Internal));
        assert_eq!(told(&mut counts).runs.count, broken, "{kind:?}");
    }
}

/// It tells how long each call was away and nothing else, and nobody tells of its runs.
#[test]
fn each_call_that_another_server_answers_is_a_run() {
    let mut counts = Counts::new(&[10 * MS]);
    let away = Timing { infer_ns: 8 * MS, batch_rows: 1, ..Timing::default() };
    counts.settled(&answered(away, 9), Tick::default());
    counts.settled(&answered(away, 11), Tick::default());
    for kind in [Kind::ModelFailed, Kind::Invalid, Kind::Cancelled, Kind::Unavailable] {
        counts.settled(&Ended { timing: away, ..failed(kind) }, Tick::default());
    }
    let seen = told(&mut counts);
    assert_eq!((seen.runs, seen.slow[0]), (units(3, 1.0), units(2, 1.0)));
}

/// Their first parts are what callers wait for, and a step that fails breaks what is in it once.
#[test]
fn answers_in_parts_are_judged_by_their_first_part_and_their_end() {
    let mut counts = Counts::new(&[100 * MS]);
    counts.executed(&ran(Sealed::Step, false));
    for ms in [50, 150, 250, 90, 500] {
        counts.first_part(Duration::from_millis(ms));
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
    assert_eq!(told(&mut counts).runs, units(2, 1.0), "one step, one unit");
}

#[test]
fn a_count_goes_on_by_the_same_lines_and_begins_anew_by_others() {
    let collector = Collector::default();
    let run = || collector.count(|counts| counts.executed(&ran(Sealed::Free, false)));
    let seen = || {
        let told = collector.told(&"m".into(), Version(1), Tick::default());
        told.map(|told| (told.since, told.slow_ns, told.runs.count))
    };
    run();
    assert_eq!(seen(), None);
    let steps: [(Option<&[u64]>, _); 8] = [
        (Some(&[5]), Some((1, vec![5], 1))),
        (Some(&[5]), Some((1, vec![5], 2))),
        (Some(&[6]), Some((2, vec![6], 1))),
        (Some(&[]), Some((3, vec![], 1))),
        (Some(&[]), Some((3, vec![], 2))),
        (None, None),
        (None, None),
        (Some(&[]), Some((4, vec![], 1))),
    ];
    for (lines, want) in steps {
        collector.judge(lines);
        run();
        assert_eq!(seen(), want, "{lines:?}");
    }
}

#[test]
fn who_asks_sees_what_is_overdue() {
    let mut counts = Counts::new(&[MS]);
    counts.settled(&answered(timing(5, 2), 40), Tick::default());
    assert_eq!(told(&mut counts).slow[0], units(0, 0.0), "a second is not long");
    let late = counts.told(("m".into(), Version(2), 7), Tick::from_nanos(2001 * MS));
    assert_eq!(late.slow[0], units(1, 1.0));
}
