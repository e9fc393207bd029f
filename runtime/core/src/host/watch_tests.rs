use super::super::{
    Batch, Conduct, Output,
    desk::{Desk, contract},
};
use super::*;
use crate::base::call::Carrier;
use futures_util::FutureExt;
use parking_lot::Mutex;
use smallvec::smallvec;
use std::num::NonZeroU32;

const LIMIT: Duration = Duration::from_secs(10);

/// An intake that is watched on this runtime, and what hung.
fn watched(lanes: u32, concurrency: u32) -> (Arc<Intake>, Arc<Desk>, Arc<Mutex<Vec<Hang>>>) {
    let conduct = Conduct {
        concurrency: NonZeroU32::new(concurrency),
        hang_timeout: Some(LIMIT),
        ..Conduct::default()
    };
    let intake = Arc::new(Intake::new(Arc::new(contract(1, lanes)), conduct, None, None));
    let hangs = Arc::<Mutex<Vec<Hang>>>::default();
    let heard = Arc::clone(&hangs);
    let alarm = Arc::clone(&intake.alarm);
    tokio::spawn(watch(Arc::downgrade(&intake), alarm, LIMIT, move |_, hang| heard.lock().push(hang)));
    (intake, Arc::default(), hangs)
}

/// Another lane, on this runtime's clock, that has sealed what waits.
fn lane(intake: &Arc<Intake>) -> std::thread::JoinHandle<Option<Batch>> {
    let (here, pulled) = (tokio::runtime::Handle::current(), Arc::clone(intake));
    let lane = std::thread::spawn(move || {
        let _clock = here.enter();
        pulled.next_batch()
    });
    while intake.occupancy().0 > Rows::ZERO {
        std::thread::yield_now();
    }
    lane
}

async fn sleep(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

fn one_row() -> Result<Vec<Output<'static>>, String> {
    let datatype = crate::base::datatype::Datatype::Fp32;
    Ok(vec![Output::Fixed { datatype, shape: smallvec![1, 1], data: &[0; 4] }])
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_does_not_come_back_is_answered_and_its_late_answer_finds_nobody() {
    let (intake, desk, hangs) = watched(1, 1);
    intake.send(desk.call(1, &[0.0]));
    intake.send(desk.call(2, &[0.0]));
    let batch = intake.next_batch().unwrap();
    sleep(9.9).await;
    assert!(desk.outcomes.lock().is_empty() && hangs.lock().is_empty());
    sleep(0.2).await;
    let note = "model 'm' version 3 did not return a batch within 10 s and was given up; if one may take longer, \
                raise limits.hang_timeout_s in its model.yaml";
    assert_eq!((desk.kind(1), desk.note(1)), (Some(Kind::ModelHung), note.to_owned()));
    assert_eq!(*hangs.lock(), [Hang { rows: Rows::new(1), limit: LIMIT }]);
    assert_eq!(*desk.events.lock(), ["executed 1 failed=true", "settle 1", "flush"]);
    assert_eq!(intake.occupancy(), (Rows::new(1), Rows::ZERO), "its rows are free");

    assert_eq!((batch.live(), batch.parameters(), batch.reject(0, "late")), (None, None, None));
    sleep(1.0).await;
    let told = batch.complete(clock::now(), one_row()).unwrap();
    assert!(told.starts_with("model 'm' version 3 returned after 11.1"), "{told}");
    assert_eq!(desk.events.lock().len(), 3, "nobody hears of it");
    assert!(intake.next_batch().is_none(), "the other call is not for a model that hangs");
    intake.abandon();
    assert_eq!(desk.outcomes.lock()[&2].result.as_ref().unwrap_err().phase, Phase::NotStarted);
    assert!(intake.wait_empty(clock::now()));
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_time_is_an_answer() {
    let (intake, desk, hangs) = watched(1, 1);
    for id in 0..5 {
        intake.send(desk.call(id, &[0.0]));
        let batch = intake.next_batch().unwrap();
        sleep(9.9).await;
        assert_eq!(batch.complete(clock::now(), one_row()), None);
        assert_eq!(desk.output(id).0, [1, 1]);
    }
    assert!(hangs.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_timer_is_set_once_for_many_batches_and_not_at_all_for_none() {
    let conduct = Conduct { hang_timeout: Some(LIMIT), ..Conduct::default() };
    let intake = Arc::new(Intake::new(Arc::new(contract(1, 1)), conduct, None, None));
    let desk = Arc::<Desk>::default();
    let run = |id| {
        intake.send(desk.call(id, &[0.0]));
        drop(intake.next_batch());
        intake.alarm.notified().now_or_never().is_some()
    };
    assert_eq!([1, 2, 3].map(run), [true, false, false]);
    tokio::time::advance(LIMIT).await;
    assert!(intake.look(clock::now()).next.is_none(), "idle: the watch waits for the alarm");
    assert_eq!([4, 5].map(run), [true, false]);

    let unwatched = Arc::new(Intake::new(Arc::new(contract(1, 1)), Conduct::default(), None, None));
    unwatched.send(desk.call(6, &[0.0]));
    drop(unwatched.next_batch());
    assert!(unwatched.alarm.notified().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn requests_that_come_alone_do_not_each_wake_the_watch() {
    let (intake, desk, hangs) = watched(1, 1);
    let is_watched = || intake.state.lock().watched;
    for id in 0..9 {
        intake.send(desk.call(id, &[0.0]));
        drop(intake.next_batch());
        sleep(1.0).await;
        assert!(is_watched(), "its timer runs on, idle or not");
    }
    sleep(1.1).await;
    assert!(!is_watched() && hangs.lock().is_empty(), "idle");
    intake.send(desk.call(9, &[0.0]));
    let _hung = intake.next_batch().unwrap();
    sleep(10.1).await;
    assert_eq!(hangs.lock().len(), 1, "and watched again");
}

/// Two lanes, and a model that is safe for one batch at a time: the second one's wait is not the model's.
#[tokio::test(start_paused = true)]
async fn who_waits_for_the_model_does_not_hang() {
    let (intake, desk, hangs) = watched(2, 1);
    intake.send(desk.call(1, &[0.0]));
    intake.send(desk.call(2, &[0.0]));
    let first = intake.next_batch().unwrap();
    let second = lane(&intake);
    sleep(9.0).await;
    first.complete(clock::now(), one_row());
    let second = second.join().unwrap().unwrap();
    sleep(9.0).await;
    assert_eq!(second.complete(clock::now(), one_row()), None);
    assert!(hangs.lock().is_empty());
    let timing = desk.outcomes.lock()[&2].timing;
    assert_eq!(timing.infer_ns, 9_000_000_000, "and neither is it counted as the model's time");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_model_that_hangs_may_run_elsewhere() {
    let (intake, desk, hangs) = watched(2, 1);
    intake.send(desk.call(1, &[0.0]));
    intake.send(desk.call(2, &[0.0]));
    let hung = intake.next_batch().unwrap();
    let waits = lane(&intake);
    sleep(10.1).await;
    assert!(waits.join().unwrap().is_none());
    assert_eq!(hangs.lock().len(), 1);
    let outcomes = desk.outcomes.lock();
    let phase = |id| outcomes[&id].result.as_ref().unwrap_err().phase;
    assert_eq!((phase(1), phase(2)), (Phase::Started, Phase::NotStarted));
    drop(outcomes);
    drop(hung);
    assert!(intake.wait_empty(clock::now()));
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_beside_one_that_works_is_the_only_one_given_up() {
    let (intake, desk, hangs) = watched(2, 2);
    intake.send(desk.call(1, &[0.0]));
    intake.send(desk.call(2, &[0.0]));
    let _hung = intake.next_batch().unwrap();
    sleep(5.0).await;
    let works = intake.next_batch().unwrap();
    sleep(5.1).await;
    assert_eq!((desk.kind(1), hangs.lock().len()), (Some(Kind::ModelHung), 1));
    assert_eq!(works.complete(clock::now(), one_row()), None);
    assert_eq!(desk.kind(2), None);
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_with_its_intake() {
    let conduct = Conduct { hang_timeout: Some(LIMIT), ..Conduct::default() };
    let intake = Arc::new(Intake::new(Arc::new(contract(1, 1)), conduct, None, None));
    let (alarm, desk) = (Arc::clone(&intake.alarm), Arc::<Desk>::default());
    let watching = tokio::spawn(watch(Arc::downgrade(&intake), alarm, LIMIT, |_, _| {}));
    intake.send(desk.call(1, &[0.0]));
    drop(intake.next_batch());
    sleep(1.0).await; // its timer runs
    let before = clock::now();
    drop(intake);
    watching.await.unwrap();
    assert_eq!(clock::now(), before, "at once");
}
