//! How sequences end that nobody ended in order.

use super::*;
use crate::host::watch::{Hang, watch};

#[test]
fn a_drain_lets_those_at_work_finish_and_then_ends_them() {
    let (intake, desk) = opened(streaming(1));
    ask(&intake, &desk, 1, MUCH);
    ask(&intake, &desk, 2, MUCH);
    let (step, first, _) = next(&intake);
    intake.close();
    assert!(!intake.wait_empty(clock::now()));
    first[0].sequence.end().unwrap();
    step.finish();
    let (step, second, _) = next(&intake);
    assert_eq!(numbers(&second), [2], "what waits is served");
    step.finish();
    let (step, ..) = next(&intake);
    assert!(!intake.wait_empty(clock::now()), "it is at work");
    intake.abandon();
    assert_eq!((desk.kind(1), desk.kind(2)), (None, Some(Kind::Unavailable)));
    assert!(!intake.wait_empty(clock::now()), "the model is in its step");
    say(&second[0].sequence, 1.0).unwrap_err();
    assert!(step.finish().is_empty());
    assert!(intake.wait_empty(clock::now()) && intake.next_step().is_none());
    assert_eq!(intake.occupancy(), (Rows::ZERO, Rows::ZERO));
}

#[test]
fn a_model_that_raises_fails_those_that_it_had_not_ended() {
    let (intake, desk) = opened(streaming(8));
    (1..=4).for_each(|id| ask(&intake, &desk, id, MUCH));
    let (step, all, _) = next(&intake);
    all[0].sequence.end().unwrap();
    all[1].sequence.reject("no such word".to_owned()).unwrap();
    all[2].sequence.fail("raised for it".to_owned()).unwrap();
    assert_eq!(step.fail("raised".to_owned()), [1, 2, 3, 4]);
    let told = |id| (desk.kind(id), if id == 1 { String::new() } else { desk.note(id) });
    assert_eq!(told(1), (None, String::new()));
    assert_eq!(told(2), (Some(Kind::Invalid), "no such word".to_owned()));
    assert_eq!(told(3), (Some(Kind::ModelFailed), "raised for it".to_owned()));
    assert_eq!(told(4), (Some(Kind::ModelFailed), "raised".to_owned()));
    assert_eq!(desk.events.lock()[0], "executed 4 failed=true");
    ask(&intake, &desk, 5, MUCH);
    let (step, fifth, left) = next(&intake);
    assert_eq!((numbers(&fifth), left), (vec![5], vec![]), "the version goes on");
    assert_eq!(say(&all[3].sequence, 1.0), Err(Refused::Ended));
    drop(step);
    assert_eq!(desk.note(5), "model 'm' version 3 left its step unfinished");
    assert!(intake.wait_empty(clock::now()));
}

#[test]
fn a_step_that_the_lane_forgot_is_over_when_it_asks_for_the_next() {
    let (intake, desk) = opened(streaming(8));
    ask(&intake, &desk, 1, MUCH);
    let (forgotten, ..) = next(&intake);
    ask(&intake, &desk, 2, MUCH);
    let (step, second, _) = next(&intake);
    assert_eq!((desk.kind(1), numbers(&second)), (Some(Kind::ModelFailed), vec![2]));
    assert!(forgotten.finish().is_empty(), "it ends no other");
    second[0].sequence.end().unwrap();
    assert_eq!(step.finish(), [2]);
}

const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn a_step_that_does_not_come_back_is_answered_for() {
    let conduct = Conduct { hang_timeout: Some(LIMIT), ..Conduct::default() };
    let intake = Arc::new(Intake::new(Arc::new(streaming(2)), conduct, None, None));
    let desk = Arc::<Desk>::default();
    let hangs = Arc::<parking_lot::Mutex<Vec<Hang>>>::default();
    let heard = Arc::clone(&hangs);
    let alarm = Arc::clone(&intake.alarm);
    tokio::spawn(watch(Arc::downgrade(&intake), alarm, LIMIT, move |_, hang| heard.lock().push(hang)));
    let sleep = |seconds| tokio::time::sleep(Duration::from_secs_f64(seconds));

    (1..=3).for_each(|id| ask(&intake, &desk, id, MUCH));
    let (mut step, all, _) = next(&intake);
    for _ in 0..5 {
        sleep(9.9).await; // each step has the limit for itself
        step.finish();
        (step, ..) = next(&intake);
    }
    say(&all[0].sequence, 1.0).unwrap();
    all[0].sequence.end().unwrap();
    sleep(30.0).await;
    let note = "model 'm' version 3 did not return from a step within 10 s and was given up; if one may take longer, \
                raise limits.hang_timeout_s in its model.yaml";
    assert_eq!((desk.kind(1), desk.kind(2)), (None, Some(Kind::ModelHung)), "the first was whole");
    assert_eq!(desk.note(2), note);
    assert_eq!(*hangs.lock(), [Hang { rows: Rows::new(2), limit: LIMIT }]);
    assert_eq!(intake.occupancy(), (Rows::new(1), Rows::ZERO), "its rows are free");
    let before = desk.events.lock().len();
    assert_eq!(say(&all[1].sequence, 1.0), Err(Refused::Ended));
    assert!(step.finish().is_empty() && intake.next_step().is_none(), "nobody else goes into it");
    assert_eq!(desk.events.lock().len(), before, "and nobody hears of it");
    intake.abandon();
    assert!(intake.wait_empty(clock::now()) && desk.kind(3) == Some(Kind::Unavailable));
}

/// A lane that gives out turns has the limit for each.
#[tokio::test(start_paused = true)]
async fn a_turn_has_as_long_as_a_step() {
    let conduct = Conduct { hang_timeout: Some(LIMIT), ..Conduct::default() };
    let intake = Arc::new(Intake::new(Arc::new(streaming(9)), conduct, None, None));
    let desk = Arc::<Desk>::default();
    let alarm = Arc::clone(&intake.alarm);
    tokio::spawn(watch(Arc::downgrade(&intake), alarm, LIMIT, |_, _| {}));
    (1..=9).for_each(|id| ask(&intake, &desk, id, MUCH));
    let (step, all, _) = next(&intake);
    for one in &all {
        assert!(one.sequence.begin_turn());
        tokio::time::sleep(LIMIT.mul_f64(0.9)).await;
    }
    assert!(desk.outcomes.lock().is_empty(), "81 s in one step");
    tokio::time::sleep(LIMIT).await;
    assert_eq!((desk.kind(1), desk.kind(9)), (Some(Kind::ModelHung), Some(Kind::ModelHung)));
    assert!(!all[0].sequence.begin_turn() && step.finish().is_empty());
    intake.abandon();
}

#[test]
fn who_left_is_paused_or_has_ended_has_no_turn() {
    let (intake, desk) = opened(streaming(8));
    for (id, credit) in [(1, MUCH), (2, 1), (3, MUCH), (4, MUCH)] {
        ask(&intake, &desk, id, credit);
    }
    let (step, all, _) = next(&intake);
    let turns = || all.iter().map(|one| one.sequence.begin_turn()).collect::<Vec<_>>();
    assert_eq!(turns(), [true; 4]);
    intake.cancel(CallId(1));
    say(&all[1].sequence, 1.0).unwrap();
    all[2].sequence.end().unwrap();
    assert_eq!(turns(), [false, false, false, true]);
    step.finish();
    assert_eq!(turns(), [false; 4], "there is no step");
}
