use super::super::{
    conduct::Conduct,
    desk::{Desk, contract},
    outputs::Output,
    sequence::Refused,
};
use super::*;
use crate::base::{
    call::{Call, Carrier, PARTS_BYTES},
    contract::{Batching, Contract, Term},
    datatype::Datatype,
    units::CallId,
};
use smallvec::smallvec;

/// Credit that no test spends.
const MUCH: u32 = 1000;

fn streaming(max_rows: u32) -> Contract {
    Contract { streams: true, ..contract(max_rows, 1) }
}

fn opened(contract: Contract) -> (Arc<Intake>, Arc<Desk>) {
    (Arc::new(Intake::new(Arc::new(contract), Conduct::default(), None, None)), Arc::default())
}

fn ask(intake: &Intake, desk: &Arc<Desk>, id: u64, credit: u32) {
    intake.send(Call { credit, ..desk.call(id, &[0.0]) });
}

fn say(sequence: &Sequence, value: f32) -> Result<(), Refused> {
    let (data, rows) = (value.to_le_bytes(), sequence.rows().get());
    let data = data.repeat(usize::try_from(rows).unwrap());
    let shape = smallvec![i64::from(rows), 1];
    sequence.emit(vec![Output::Fixed { datatype: Datatype::Fp32, shape, data: &data }])
}

fn numbers(joined: &[Joined]) -> Vec<u64> {
    joined.iter().map(|one| one.sequence.number()).collect()
}

fn next(intake: &Arc<Intake>) -> (Step, Vec<Joined>, Vec<u64>) {
    let mut step = intake.next_step().unwrap();
    let (joined, left) = (step.take_joined(), step.take_left());
    (step, joined, left)
}

/// What `work` does while the lane waits for its next step.
fn meanwhile(intake: &Arc<Intake>, work: impl FnOnce()) -> Option<Step> {
    let waits = std::thread::spawn({
        let intake = Arc::clone(intake);
        move || intake.next_step()
    });
    while intake.state.lock().idle == 0 {
        std::thread::yield_now();
    }
    work();
    waits.join().unwrap()
}

#[test]
fn sequences_join_between_steps_and_end_when_the_model_says_so() {
    let (intake, desk) = opened(streaming(8));
    ask(&intake, &desk, 1, MUCH);
    let (step, first, _) = next(&intake);
    assert_eq!((numbers(&first), step.rows()), (vec![1], Rows::new(1)));
    ask(&intake, &desk, 2, MUCH);
    assert_eq!(intake.occupancy(), (Rows::new(1), Rows::new(1)), "who is at work runs");
    say(&first[0].sequence, 1.5).unwrap();
    assert!(step.finish().is_empty());
    let (step, second, _) = next(&intake);
    assert_eq!((numbers(&second), step.rows()), (vec![2], Rows::new(2)));
    say(&second[0].sequence, 2.5).unwrap();
    say(&first[0].sequence, 3.5).unwrap();
    first[0].sequence.end().unwrap();
    assert_eq!(say(&first[0].sequence, 0.0), Err(Refused::Ended));
    assert_eq!(step.finish(), [1]);
    assert_eq!(
        *desk.events.lock(),
        [
            "part of 1",
            "executed 1 failed=false",
            "flush",
            "part of 2",
            "part of 1",
            "executed 2 failed=false",
            "settle 1",
            "flush",
        ]
    );
    assert_eq!(desk.parts.lock()[&1], [1.5, 3.5]);
    let outcome = desk.outcomes.lock()[&1].clone();
    assert!(outcome.result.unwrap().outputs.is_empty(), "the end is no part");
    assert_eq!((outcome.timing.batch_rows, outcome.timing.infer_ns > 0), (2, true));
    assert_eq!(intake.occupancy(), (Rows::ZERO, Rows::new(1)), "its rows are free");
}

#[test]
fn no_more_rows_and_cost_are_at_work_than_may_be() {
    let cost = vec![Term::Value("x".into())];
    let batching = Batching { max_rows: 3, cost, max_cost: Some(100), ..Batching::default() };
    let mut contract = Contract { batching, ..streaming(3) };
    contract.inputs[0].datatype = Datatype::Int32;
    let (intake, desk) = opened(contract);
    let send = |id, value: i32| {
        let mut call = Call { credit: MUCH, ..desk.call(id, &[0.0]) };
        call.inputs[0].datatype = Datatype::Int32;
        call.inputs[0].data = value.to_le_bytes().to_vec().into();
        intake.send(call);
    };
    (1..).zip([60, 40, 1, 1, 1, 101, -1]).for_each(|(id, value)| send(id, value));
    assert_eq!(
        (desk.note(6).as_str(), desk.kind(6)),
        (
            "the request costs 101, but model 'm' takes requests that cost at most 100 (batching.max_cost)",
            Some(Kind::Invalid)
        )
    );
    assert_eq!(desk.kind(7), Some(Kind::Invalid));
    let (step, first, _) = next(&intake);
    assert_eq!(numbers(&first), [1, 2], "the third would cost too much");
    first[1].sequence.end().unwrap();
    step.finish();
    let (step, more, _) = next(&intake);
    assert_eq!((numbers(&more), step.rows()), (vec![3, 4], Rows::new(3)), "the fifth has no row");
    step.finish();
}

#[tokio::test(start_paused = true)]
async fn who_leaves_or_is_late_ends_between_steps() {
    let (intake, desk) = opened(streaming(8));
    ask(&intake, &desk, 1, MUCH);
    ask(&intake, &desk, 2, MUCH);
    let (step, all, _) = next(&intake);
    step.finish();
    let soon = clock::now().plus(Duration::from_millis(20));
    intake.send(Call { credit: MUCH, deadline: soon, ..desk.call(3, &[0.0]) });
    let (step, ..) = next(&intake);
    intake.cancel(CallId(1));
    assert!(!all[0].sequence.is_live() && all[1].sequence.is_live());
    assert_eq!(say(&all[0].sequence, 1.0), Ok(()), "it is not the model's fault");
    tokio::time::advance(Duration::from_millis(25)).await;
    step.finish();
    assert!(desk.outcomes.lock().is_empty());
    let (step, _, left) = next(&intake);
    assert_eq!((left, step.rows()), (vec![1, 3], Rows::new(1)));
    assert_eq!((desk.kind(1), desk.kind(3)), (Some(Kind::Cancelled), Some(Kind::Expired)));
    step.finish();
    intake.cancel(CallId(2));
    let (step, _, left) = next(&intake);
    assert_eq!((left, step.rows()), (vec![2], Rows::ZERO), "the model has nothing to do");
    let before = desk.events.lock().len();
    step.finish();
    assert_eq!(desk.events.lock().len(), before, "and ran not");
    assert!(intake.wait_empty(clock::now()));
}

#[test]
fn a_paused_sequence_goes_on_with_credit_and_keeps_no_other() {
    let (intake, desk) = opened(streaming(8));
    ask(&intake, &desk, 1, 1);
    ask(&intake, &desk, 2, MUCH);
    let (step, all, _) = next(&intake);
    let [slow, quick] = [&all[0].sequence, &all[1].sequence];
    assert_eq!((say(slow, 1.0), slow.is_paused(), say(slow, 2.0)), (Ok(()), true, Err(Refused::Paused)));
    step.finish();
    let (step, ..) = next(&intake);
    assert_eq!(step.rows(), Rows::new(1), "the other one goes on");
    say(quick, 1.0).unwrap();
    quick.end().unwrap();
    step.finish();
    let step = meanwhile(&intake, || intake.credit(CallId(1), 2)).unwrap();
    assert_eq!((say(slow, 2.0), say(slow, 3.0), say(slow, 4.0)), (Ok(()), Ok(()), Err(Refused::Paused)));
    slow.end().unwrap();
    step.finish();
    assert_eq!(desk.parts.lock()[&1], [1.0, 2.0, 3.0]);
    assert!(intake.wait_empty(clock::now()));
}

/// Of rows of a megabyte and of less: the second is refused, as it would be without credit.
#[test]
fn bytes_that_are_not_read_pause_a_sequence() {
    let (intake, desk) = opened(streaming(8));
    ask(&intake, &desk, 1, 16);
    let (step, all, _) = next(&intake);
    let sequence = &all[0].sequence;
    let say = |len: usize| {
        let (datatype, shape) = (Datatype::Fp32, smallvec![1, i64::try_from(len / 4).unwrap()]);
        sequence.emit(vec![Output::Fixed { datatype, shape, data: &vec![0; len] }])
    };
    assert_eq!((say(4), say(PARTS_BYTES - 8), sequence.is_paused()), (Ok(()), Ok(()), false));
    assert_eq!((say(5 * PARTS_BYTES), sequence.is_paused()), (Ok(()), true), "one may be of any size");
    assert_eq!(say(4), Err(Refused::Paused));
    step.finish();
    intake.credit(CallId(1), 2);
    assert!(sequence.is_paused(), "the large one is not read");
    intake.credit(CallId(1), 1);
    assert!(!sequence.is_paused());
    let (step, ..) = next(&intake);
    assert_eq!((say(4), sequence.is_paused()), (Ok(()), false));
    step.finish();
}

#[test]
fn while_all_are_paused_the_lane_waits_for_whatever_comes_first() {
    let (intake, desk) = opened(streaming(8));
    ask(&intake, &desk, 1, 1);
    // Time enough to join the first step on a busy machine.
    let soon = clock::now().plus(Duration::from_secs(1));
    intake.send(Call { credit: 1, deadline: soon, ..desk.call(2, &[0.0]) });
    let (step, all, _) = next(&intake);
    all.iter().for_each(|one| say(&one.sequence, 1.0).unwrap());
    step.finish();

    let step = meanwhile(&intake, || ask(&intake, &desk, 3, 1)).unwrap();
    assert_eq!(step.rows(), Rows::new(1), "a call");
    let mut step = step;
    let third = step.take_joined();
    say(&third[0].sequence, 1.0).unwrap();
    third[0].sequence.end().unwrap();
    step.finish();

    let began = clock::now();
    let (step, _, left) = next(&intake);
    assert_eq!((left, desk.kind(2)), (vec![2], Some(Kind::Expired)), "the clock");
    assert!(clock::now().since(began) < Duration::from_secs(10));
    step.finish();

    let mut step = meanwhile(&intake, || intake.cancel(CallId(1))).unwrap();
    assert_eq!((step.take_left(), step.rows()), (vec![1], Rows::ZERO), "a caller that leaves");
    step.finish();
    assert!(meanwhile(&intake, || intake.close()).is_none(), "the end");
}

#[test]
fn parts_are_what_was_declared_and_come_in_a_step() {
    let (intake, desk) = opened(streaming(8));
    ask(&intake, &desk, 1, 2);
    let (step, all, _) = next(&intake);
    let sequence = &all[0].sequence;
    let Err(Refused::Wrong(wrong)) = sequence.emit(vec![]) else { panic!("it declared one output") };
    assert!(wrong.contains("declared outputs [\"y\"], but returned []"), "{wrong}");
    let two = Output::Fixed { datatype: Datatype::Fp32, shape: smallvec![2, 1], data: &[0; 8] };
    assert!(matches!(sequence.emit(vec![two]), Err(Refused::Wrong(_))), "it has one row");
    assert_eq!((say(sequence, 1.0), say(sequence, 2.0)), (Ok(()), Ok(())), "what is wrong costs no credit");
    step.finish();
    assert_eq!((say(sequence, 1.0), sequence.end()), (Err(Refused::Outside), Err(Refused::Outside)));
}

#[test]
fn a_request_for_one_answer_and_lengths_that_lie_are_refused() {
    let (intake, desk) = opened(streaming(8));
    ask(&intake, &desk, 1, 0);
    assert_eq!(desk.kind(1), Some(Kind::Invalid));
    let mut texts = streaming(8);
    texts.inputs[0].datatype = Datatype::Bytes;
    let (intake, desk) = opened(texts);
    let mut call = Call { credit: 1, ..desk.call(2, &[0.0]) };
    (call.inputs[0].datatype, call.inputs[0].data) = (Datatype::Bytes, vec![9, 0, 0, 0].into());
    intake.send(call);
    let (step, joined, _) = next(&intake);
    assert_eq!((numbers(&joined), step.rows()), (vec![], Rows::ZERO));
    step.finish();
    assert_eq!(desk.kind(2), Some(Kind::Invalid));
}

#[path = "step_ending_tests.rs"]
mod ending;

#[path = "step_dice_tests.rs"]
mod dice;
