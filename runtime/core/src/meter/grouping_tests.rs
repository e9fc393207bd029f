use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const SLOW: Said = Said::Answer([true, false, false, false]);
const FAST: Said = Said::Answer([false; 4]);

/// Of the run with this number, which has so many rows.
fn timing(run: u64, batch_rows: u32) -> Timing {
    Timing {
        queue_ns: 9 * run,
        input_ns: 3,
        infer_ns: 1000 + run,
        output_ns: 7,
        batch_rows,
        ..Timing::default()
    }
}

fn at(ms: u64) -> Tick {
    Tick::from_nanos(ms * 1_000_000)
}

fn share(group: Option<Group>) -> Option<f64> {
    group.and_then(|group| group.shares()).map(|shares| shares[0])
}

#[test]
fn calls_of_one_run_are_one_unit_when_the_last_was_heard_of() {
    let mut open = OpenRuns::default();
    let steps = [
        ("alone in its run", timing(1, 2), 2, SLOW, Some(1.0)),
        ("the first of three", timing(2, 4), 1, SLOW, None),
        ("another run between them", timing(3, 2), 1, FAST, None),
        ("the second", timing(2, 4), 2, FAST, None),
        ("without an answer, and of the run", timing(3, 2), 1, Said::Nothing, Some(0.0)),
        ("the third", timing(2, 4), 1, FAST, Some(1.0 / 3.0)),
        ("nobody of the run has an answer", timing(4, 2), 1, Said::Nothing, None),
        ("so that it says nothing", timing(4, 2), 1, Said::Nothing, None),
        ("nothing is known of batches", Timing::default(), 1, SLOW, Some(1.0)),
        ("each is by itself then", Timing::default(), 1, FAST, Some(0.0)),
        ("a fault before any run", Timing::default(), 1, Said::Nothing, None),
        ("more rows than its run had, as of a request that was cut", timing(5, 8), 20, SLOW, Some(1.0)),
    ];
    for (what, timing, rows, said, want) in steps {
        assert_eq!(share(open.ended(&timing, rows, (said, Stay::default()), at(0))), want, "{what}");
    }
    assert!(open.0.is_empty());
}

/// Who has no answer for another reason is in no share.
#[test]
fn who_is_refused_is_a_part_of_those_that_the_model_answers_or_refuses() {
    let cases: [(&[Said], _, _); 6] = [
        (&[Said::Refusal, FAST, SLOW, FAST], Some(0.25), Some(1.0 / 3.0)),
        (&[FAST, Said::Refusal, Said::Nothing], Some(0.5), Some(0.0)),
        (&[Said::Refusal, Said::Refusal], Some(1.0), None),
        (&[Said::Nothing, Said::Refusal], Some(1.0), None),
        (&[SLOW, SLOW], Some(0.0), Some(1.0)),
        (&[Said::Nothing, Said::Nothing], None, None),
    ];
    for (run, (said, refused, slow)) in (0..).zip(cases) {
        let (mut open, rows) = (OpenRuns::default(), u32::try_from(said.len()).unwrap());
        let units =
            said.iter().filter_map(|one| open.ended(&timing(run, rows), 1, (*one, Stay::default()), at(0)));
        let seen: Vec<_> = units.map(|unit| (unit.refused(), share(Some(unit)))).collect();
        let want: Vec<_> = refused.map(|refused| (Some(refused), slow)).into_iter().collect();
        assert_eq!(seen, want, "{said:?}");
        assert!(open.0.is_empty());
    }
}

/// The same run but for a nanosecond, or a row.
#[test]
fn runs_are_told_apart_by_all_that_their_calls_share() {
    let first = timing(1, 3);
    let others = [
        Timing { input_ns: 4, ..first },
        Timing { infer_ns: 1, ..first },
        Timing { output_ns: 1, ..first },
        Timing { batch_rows: 2, ..first },
    ];
    for other in others {
        let mut open = OpenRuns::default();
        assert_eq!(
            [first, other].map(|one| open.ended(&one, 1, (SLOW, Stay::default()), at(0))),
            [None, None]
        );
        assert_eq!(open.0.len(), 2, "{other:?}");
    }
    let mut open = OpenRuns::default();
    open.ended(&first, 1, (SLOW, Stay::default()), at(0));
    open.ended(&Timing { queue_ns: 77, ..first }, 1, (SLOW, Stay::default()), at(0));
    assert_eq!(open.0.len(), 1, "each has waited by itself");
}

#[test]
fn who_has_left_is_waited_for_two_seconds_and_heard_of_later_adds_nothing() {
    let mut open = OpenRuns::default();
    open.ended(&timing(1, 3), 1, (SLOW, Stay::default()), at(1000));
    open.ended(&timing(2, 3), 1, (Said::Nothing, Stay::default()), at(1000));
    open.ended(&timing(3, 3), 1, (FAST, Stay::default()), at(1001));
    let mut overdue = |ms| open.overdue(at(ms)).map(|group| share(Some(group))).collect::<Vec<_>>();
    assert_eq!(overdue(3000), []);
    assert_eq!(overdue(3001), [Some(1.0)], "the first; the second has no answer, and the third is younger");
    assert_eq!(overdue(3001), []);
    assert_eq!(overdue(9000), [Some(0.0)]);
    for (run, want) in [(1, None), (2, Some(1.0)), (3, None)] {
        let last =
            [1, 1].map(|rows| share(open.ended(&timing(run, 3), rows, (SLOW, Stay::default()), at(9001))));
        assert_eq!(last, [None, want], "of the second nobody had an answer before");
    }
    assert!(open.0.is_empty());
}

#[test]
fn the_oldest_makes_room() {
    let mut open = OpenRuns::default();
    let most = u64::try_from(MOST_OPEN).unwrap();
    for run in 0..most {
        let said = if run == 1 { Said::Nothing } else { SLOW };
        assert_eq!(open.ended(&timing(run, 2), 1, (said, Stay::default()), at(run)), None);
    }
    assert_eq!(share(open.ended(&timing(most, 2), 1, (FAST, Stay::default()), at(most))), Some(1.0), "run 0");
    assert_eq!(
        share(open.ended(&timing(most + 1, 2), 1, (FAST, Stay::default()), at(most))),
        None,
        "run 1 had no answer"
    );
    assert_eq!(open.overdue(at(100_000)).count(), MOST_OPEN);
    assert_eq!(
        open.ended(&timing(most + 2, 2), 1, (FAST, Stay::default()), at(most)),
        None,
        "run 2 was told"
    );
    assert_eq!(open.0.len(), MOST_OPEN);
}

/// What becomes of a call: answered, slowly or not; refused; ended without an answer; never heard of.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Answered(bool),
    Refused,
    Ended,
    Gone,
}

fn fate() -> impl Strategy<Value = Fate> {
    let answered = any::<bool>().prop_map(Fate::Answered);
    prop_oneof![3 => answered, 1 => Just(Fate::Refused), 1 => Just(Fate::Ended), 1 => Just(Fate::Gone)]
}

/// Runs, of calls with rows and fates; and in which order their calls are heard of.
fn runs(most: usize) -> impl Strategy<Value = Vec<(u64, u32, u32, Fate)>> {
    let run = prop::collection::vec((1_u32..4, fate()), 1..6);
    prop::collection::vec(run, 1..most).prop_flat_map(|runs| {
        let calls = (0..).zip(runs).flat_map(|(run, calls)| {
            let all = calls.iter().map(|(rows, _)| rows).sum();
            calls.into_iter().map(move |(rows, fate)| (run, all, rows, fate)).collect::<Vec<_>>()
        });
        Just(calls.collect::<Vec<_>>()).prop_shuffle()
    })
}

/// All units, where each call takes so long, and who asks does so after each `ask_each`.
fn units(
    open: &mut OpenRuns,
    calls: &[(u64, u32, u32, Fate)],
    (pace_ms, ask_each): (u64, usize),
) -> Vec<Group> {
    let (mut units, mut now) = (Vec::new(), 0);
    for (at_call, (run, batch_rows, rows, fate)) in calls.iter().enumerate() {
        now += pace_ms;
        let said = match fate {
            Fate::Answered(slow) => Said::Answer([*slow, !slow, false, true]),
            Fate::Refused => Said::Refusal,
            Fate::Ended => Said::Nothing,
            Fate::Gone => continue,
        };
        units.extend(open.ended(&timing(*run, *batch_rows), *rows, (said, Stay::default()), at(now)));
        assert!(open.0.len() <= MOST_OPEN);
        if at_call % ask_each == 0 {
            units.extend(open.overdue(at(now)));
        }
    }
    units.extend(open.overdue(at(now + 10_000)));
    units
}

proptest! {
    #[test]
    fn a_run_is_one_unit_however_its_calls_come_and_who_of_them_is_gone(
        calls in runs(MOST_OPEN), pace_ms in 0_u64..1000, ask_each in 1_usize..9,
    ) {
        let mut said: BTreeMap<u64, u32> = BTreeMap::new();
        for (run, .., fate) in &calls {
            *said.entry(*run).or_default() += u32::from(matches!(fate, Fate::Answered(_) | Fate::Refused));
        }
        let of_whom = said.values().filter(|count| **count > 0).count();
        let units = units(&mut OpenRuns::default(), &calls, (pace_ms, ask_each));
        prop_assert_eq!(units.len(), of_whom, "one of each that has answered or refused somebody");
        for unit in &units {
            let refused = unit.refused().unwrap();
            prop_assert!((0.0..=1.0).contains(&refused));
            prop_assert_eq!((refused < 1.0, refused > 0.0), (unit.calls > 0, unit.refused > 0));
            let Some([slow, fast, never, always]) = unit.shares() else { continue };
            prop_assert!((0.0..=1.0).contains(&slow) && (slow + fast - 1.0).abs() < 1e-9);
            prop_assert_eq!((never, always), (0.0, 1.0));
        }
        let heard: u32 = units.iter().map(|unit| unit.calls + unit.refused).sum();
        let said: u32 = said.values().sum();
        prop_assert!(heard <= said, "no call twice");
        if pace_ms == 0 {
            prop_assert_eq!(heard, said, "and none left out that came in time");
        }
    }

    /// Of more runs than are followed a latecomer may be a unit of its own; memory and sums stay bounded.
    #[test]
    fn of_many_runs_at_once_no_call_counts_twice(calls in runs(4 * MOST_OPEN)) {
        let said = calls.iter().filter(|call| matches!(call.3, Fate::Answered(_) | Fate::Refused)).count();
        let units = units(&mut OpenRuns::default(), &calls, (0, 1000));
        prop_assert!(units.iter().all(|unit| unit.calls + unit.refused > 0));
        let heard: u32 = units.iter().map(|unit| unit.calls + unit.refused).sum();
        prop_assert_eq!(usize::try_from(heard).unwrap(), said);
    }

    /// A step that breaks all that are in it is one unit in all, wherever those before it had got to.
    #[test]
    fn what_one_step_breaks_is_one_unit_at_most(before in 0_u32..100, rows in 1_u32..64, after in 0_u32..200) {
        let mut cohort = Cohort::default();
        let ends = [(before, false), (rows, true), (after, false)];
        let ends = ends.into_iter().flat_map(|(count, bad)| (0..count).map(move |_| bad));
        let units: Vec<_> = ends.filter_map(|bad| share(cohort.ended([bad, false, false, false], Stay::default(), rows))).collect();
        prop_assert_eq!(units.len(), usize::try_from((before + rows + after) / rows).unwrap());
        let bad: f64 = units.iter().sum();
        prop_assert!(bad <= 1.0 + 1e-9 && (after + 1 < rows || bad > 1.0 - 1e-9), "{}", bad);
    }
}

#[test]
fn answers_in_parts_are_as_many_to_a_unit_as_a_step_has_rows() {
    let mut cohort = Cohort::default();
    let mark = |bad| [bad, false, false, false];
    let steps = [
        ("nothing is known of steps", true, 0, Some(1.0)),
        ("one after the other", false, 1, Some(0.0)),
        ("the first of four", true, 4, None),
        ("the step is smaller meanwhile", false, 2, None),
        ("the third", false, 2, None),
        ("the fourth", false, 1, Some(0.25)),
        ("anew, of two", true, 2, None),
        ("which have become three", false, 3, None),
        ("the last", true, 1, Some(2.0 / 3.0)),
    ];
    for (what, bad, rows, want) in steps {
        assert_eq!(share(cohort.ended(mark(bad), Stay::default(), rows)), want, "{what}");
    }
}
