use super::super::{
    Batch, Conduct, Gathered, Output,
    desk::{Desk, contract},
};
use super::*;
use crate::base::{
    call::{Call, Carrier},
    contract::{Batching, Contract, TensorSpec},
    datatype::Datatype,
    fault::Kind,
    inference::Value,
    sequence::{Control, ControlKind, Correlation, CorrelationId, SequenceBatching, Strategy},
    units::{CallId, Rows},
};
use smallvec::smallvec;
use std::time::Duration;

const IDLE: Duration = Duration::from_millis(50);

fn stateful(strategy: Strategy, max_sequences: u32) -> Contract {
    let spec = contract(8, 2);
    let control =
        |kind: ControlKind, datatype| Control { kind, tensor: TensorSpec::new(kind.code(), datatype, [1]) };
    let controls = vec![
        control(ControlKind::Start, Datatype::Int32),
        control(ControlKind::End, Datatype::Fp32),
        control(ControlKind::Ready, Datatype::Bool),
        control(ControlKind::Id, Datatype::Uint64),
    ];
    let sequences = SequenceBatching { strategy, idle_ms: 50.0, max_sequences, controls };
    let outputs = vec![TensorSpec::new("y", Datatype::Fp32, [1])];
    let batching = Batching { allowed_rows: vec![], ..spec.batching.clone() };
    Contract { sequences: Some(Box::new(sequences)), outputs, batching, ..spec }
}

fn opened(contract: Contract) -> (Arc<Intake>, Arc<Desk>) {
    (Arc::new(Intake::new(Arc::new(contract), Conduct::default(), None, None)), Arc::default())
}

const MIDDLE: (bool, bool) = (false, false);
const START: (bool, bool) = (true, false);
const END: (bool, bool) = (false, true);

fn call(desk: &Arc<Desk>, id: u64, sequence: u64, (start, end): (bool, bool), x: f32) -> Call {
    let parameters = vec![
        (Correlation::ID.into(), Value::Uint(sequence)),
        (Correlation::START.into(), Value::Bool(start)),
        (Correlation::END.into(), Value::Bool(end)),
    ];
    Call { parameters, ..desk.call(id, &[x]) }
}

fn number(one: &Option<super::super::InSequence>) -> u64 {
    match one.as_ref().map(|one| &one.correlation.id) {
        Some(CorrelationId::Number(number)) => *number,
        Some(CorrelationId::Text(_)) => panic!("a number was sent"),
        None => 0,
    }
}

/// Adds each row to what is kept of its sequence, and answers with the sum. Whose the rows were.
fn add_up(batch: Batch) -> Vec<u64> {
    let Gathered::Fixed { data, .. } = &batch.inputs()[0] else { panic!("fixed") };
    let mut sums = Vec::new();
    let rows = batch.sequences().unwrap();
    let each = rows.iter().flat_map(|(rows, one)| (0..rows.get()).map(move |_| one));
    let whose: Vec<u64> = each.clone().map(number).collect();
    for (one, x) in each.zip(data.chunks(4)) {
        let x = f32::from_le_bytes(x.try_into().unwrap());
        let sum = one.as_ref().map_or(-1.0, |one| {
            let before = one.kept.look(|kept| kept.map_or(0.0, |kept| *kept.downcast_ref::<f32>().unwrap()));
            one.kept.keep(Some(Box::new(before + x)));
            before + x
        });
        sums.extend(sum.to_le_bytes());
    }
    let shape = smallvec![i64::from(batch.rows().get()), 1];
    let output = Output::Fixed { datatype: Datatype::Fp32, shape, data: &sums };
    assert_eq!(batch.complete(clock::now(), Ok(vec![output])), None);
    whose
}

fn next(intake: &Arc<Intake>) -> Option<Vec<u64>> {
    intake.try_next_batch(false).map(|(batch, _)| add_up(batch))
}

fn answered(desk: &Desk, id: u64) -> f32 {
    f32::from_le_bytes(desk.output(id).1[..].try_into().unwrap())
}

#[test]
fn a_batch_has_one_request_of_each_sequence_in_their_order() {
    let (intake, desk) = opened(stateful(Strategy::Oldest, 4));
    assert_eq!(intake.window().rows, Rows::new(3 * 8 + 4), "one of each sequence beside what lanes need");
    for (id, sequence, flags, x) in [
        (1, 7, START, 1.0),
        (2, 7, MIDDLE, 10.0),
        (3, 8, START, 2.0),
        (4, 7, END, 100.0),
        (5, 8, MIDDLE, 20.0),
    ] {
        intake.send(call(&desk, id, sequence, flags, x));
    }
    assert_eq!(next(&intake), Some(vec![7, 8]));
    assert_eq!(next(&intake), Some(vec![7, 8]));
    assert_eq!(next(&intake), Some(vec![7]));
    assert_eq!(next(&intake), None);
    assert_eq!([1, 2, 3, 4, 5].map(|id| answered(&desk, id)), [1.0, 11.0, 2.0, 111.0, 22.0]);
    intake.send(call(&desk, 6, 7, MIDDLE, 1.0));
    assert_eq!(desk.kind(6), Some(Kind::Invalid), "it is over");
    assert_eq!(
        desk.note(6),
        "inference request for sequence 7 to model 'm' must specify the START flag on the first request of the sequence"
    );
    intake.send(call(&desk, 7, 8, START, 5.0));
    assert_eq!((next(&intake), answered(&desk, 7)), (Some(vec![8]), 5.0), "it began anew");
    assert_eq!(intake.occupancy(), (Rows::ZERO, Rows::ZERO));
}

#[test]
fn the_next_of_a_sequence_waits_until_the_last_has_run() {
    let (intake, desk) = opened(stateful(Strategy::Oldest, 4));
    intake.send(call(&desk, 1, 7, START, 1.0));
    let (first, _) = intake.try_next_batch(false).unwrap();
    intake.send(call(&desk, 2, 7, MIDDLE, 2.0));
    intake.send(call(&desk, 3, 8, START, 4.0));
    assert_eq!(next(&intake), Some(vec![8]), "the other lane");
    assert_eq!(next(&intake), None);
    // One that failed is over, and the sequence goes on with what was kept.
    first.fail(clock::now(), "no".to_owned());
    assert_eq!(next(&intake), Some(vec![7]));
    assert_eq!((desk.kind(1), answered(&desk, 2)), (Some(Kind::ModelFailed), 2.0));
}

#[test]
fn each_sequence_has_a_row_of_its_own() {
    let (intake, desk) = opened(stateful(Strategy::Direct, 4));
    for sequence in 1..=3 {
        intake.send(call(&desk, sequence, sequence, START, 1.0));
    }
    assert_eq!(next(&intake), Some(vec![1, 2, 3]));
    intake.send(call(&desk, 4, 3, END, 5.0));
    intake.send(call(&desk, 5, 1, END, 3.0));
    let (batch, _) = intake.try_next_batch(false).unwrap();
    let bytes = |at: usize| match &batch.inputs()[at] {
        Gathered::Fixed { data, shape, .. } => {
            assert_eq!(shape.as_slice(), [3, 1]);
            data.to_vec()
        }
        Gathered::Elements { .. } | Gathered::OnDevice { .. } => panic!("fixed"),
    };
    let words = |words: [u32; 3]| words.map(u32::to_le_bytes).concat();
    assert_eq!(
        bytes(0),
        [3.0_f32, 3.0, 5.0].map(f32::to_le_bytes).concat(),
        "the row that is nobody's is a copy"
    );
    assert_eq!(bytes(1), words([0, 0, 0]));
    assert_eq!(bytes(2), [1.0_f32, 0.0, 1.0].map(f32::to_le_bytes).concat());
    assert_eq!(bytes(3), [1, 0, 1]);
    assert_eq!(bytes(4), [1_u64, 0, 3].map(u64::to_le_bytes).concat());
    assert_eq!(batch.live().unwrap().iter().map(|(_, live)| *live).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(batch.reject(1, "nobody's"), Some(true));
    assert_eq!(add_up(batch), [1, 0, 3]);
    assert_eq!((answered(&desk, 4), answered(&desk, 5)), (6.0, 4.0));
    // The lowest slots are given out first, and rows end with the last that is held.
    intake.send(call(&desk, 6, 9, START, 1.0));
    assert_eq!(next(&intake), Some(vec![9, 0]));
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_slot_waits_until_a_quiet_sequence_is_forgotten() {
    let (intake, desk) = opened(stateful(Strategy::Oldest, 1));
    intake.send(call(&desk, 1, 7, START, 1.0));
    intake.send(call(&desk, 2, 8, START, 2.0));
    intake.send(call(&desk, 3, 9, START, 2.0));
    let (batch, _) = intake.try_next_batch(false).unwrap();
    let kept = Arc::downgrade(&batch.sequences().unwrap()[0].1.as_ref().unwrap().kept);
    add_up(batch);
    assert_eq!(next(&intake), None);
    intake.cancel(CallId(3));
    assert_eq!(desk.kind(3), Some(Kind::Cancelled));
    let since = clock::now();
    assert!(kept.upgrade().is_some());
    let next_look = intake.expire(since).unwrap();
    assert!(next_look <= since.plus(IDLE));
    assert_eq!(intake.expire(next_look), None);
    assert!(kept.upgrade().is_none(), "what was kept is dropped with nobody asking");
    assert_eq!(next(&intake), Some(vec![8]));
    intake.send(call(&desk, 4, 7, MIDDLE, 1.0));
    assert_eq!(desk.kind(4), Some(Kind::Invalid));
}

#[test]
fn a_start_that_is_cancelled_leaves_its_slot_to_the_next() {
    let (intake, desk) = opened(stateful(Strategy::Oldest, 1));
    intake.send(call(&desk, 1, 7, START, 1.0));
    intake.send(call(&desk, 2, 7, MIDDLE, 1.0));
    intake.send(call(&desk, 3, 8, START, 2.0));
    intake.cancel(CallId(1));
    assert_eq!((desk.kind(1), desk.kind(2)), (Some(Kind::Cancelled), Some(Kind::Invalid)));
    assert_eq!(next(&intake), Some(vec![8]));
}

#[test]
fn one_that_is_late_leaves_the_sequence_as_it_is() {
    let (intake, desk) = opened(stateful(Strategy::Oldest, 1));
    intake.send(call(&desk, 1, 7, START, 1.0));
    assert_eq!(next(&intake), Some(vec![7]));
    intake.send(Call { deadline: clock::now(), ..call(&desk, 2, 7, END, 2.0) });
    intake.send(call(&desk, 3, 7, END, 4.0));
    assert_eq!(next(&intake), None, "it makes room for the next");
    assert_eq!(desk.kind(2), Some(Kind::Expired));
    assert_eq!((next(&intake), answered(&desk, 3)), (Some(vec![7]), 5.0));
}

#[test]
fn a_host_that_closes_gives_back_who_waits_for_a_slot() {
    let (intake, desk) = opened(stateful(Strategy::Oldest, 1));
    intake.send(call(&desk, 1, 7, START, 1.0));
    intake.send(call(&desk, 2, 8, START, 2.0));
    intake.close();
    assert_eq!(desk.kind(2), Some(Kind::Unavailable));
    assert_eq!(next(&intake), Some(vec![7]));
    assert!(intake.wait_empty(clock::now()));
}

#[test]
fn one_without_a_sequence_or_with_two_rows_is_refused() {
    let (intake, desk) = opened(stateful(Strategy::Oldest, 1));
    intake.send(desk.call(1, &[0.0]));
    intake.send(Call { parameters: call(&desk, 0, 1, START, 0.0).parameters, ..desk.call(2, &[0.0, 1.0]) });
    assert!(desk.note(1).contains("names none") && desk.note(2).contains("of one row, got 2"));
    assert_eq!(intake.occupancy(), (Rows::ZERO, Rows::ZERO));
}
