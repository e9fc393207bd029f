use super::super::{
    Conduct, Gathered, Intake, Output,
    desk::{Desk, contract},
    elements::Elements,
};
use super::*;
use crate::base::{
    call::{Call, Carrier, Execution, Outcome, Outlet, Produced, Reply, Timing},
    contract::{Batching, Contract},
    datatype::Datatype,
    panics,
    tensor::Tensor,
    units::CallId,
};
use smallvec::smallvec;

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn batch(desk: &Arc<Desk>, calls: &[&[f32]]) -> Batch {
    let intake = Arc::new(Intake::new(Arc::new(contract(64, 1)), Conduct::default(), None, None));
    for (id, rows) in calls.iter().enumerate() {
        intake.send(desk.call(u64::try_from(id).unwrap(), rows));
    }
    intake.next_batch().unwrap()
}

fn fixed(data: &[u8], rows: i64) -> Result<Vec<Output<'_>>, String> {
    Ok(vec![Output::Fixed { datatype: Datatype::Fp32, shape: smallvec![rows, 1], data }])
}

#[test]
fn each_caller_gets_its_own_rows() {
    let desk = Arc::<Desk>::default();
    let batch = batch(&desk, &[&[1.0], &[2.0, 3.0], &[4.0]]);
    let Gathered::Fixed { shape, data, .. } = &batch.inputs()[0] else { panic!("fixed") };
    assert_eq!((shape.as_slice(), &data[..]), (&[4, 1][..], &bytes(&[1.0, 2.0, 3.0, 4.0])[..]));
    let data = data.clone();
    assert_eq!(batch.complete(clock::now(), fixed(&data, 4)), None);
    assert_eq!(desk.output(0), (vec![1, 1], bytes(&[1.0]).into()));
    assert_eq!(desk.output(1), (vec![2, 1], bytes(&[2.0, 3.0]).into()));
    assert_eq!(desk.output(2), (vec![1, 1], bytes(&[4.0]).into()));
    let order = ["executed 4 failed=false", "settle 0", "settle 1", "settle 2", "flush"];
    assert_eq!(*desk.events.lock(), order);
    assert_eq!(desk.outcomes.lock()[&1].timing.batch_rows, 4);
}

#[test]
fn a_batch_of_one_is_not_copied_unless_it_lies_askew() {
    let desk = Arc::<Desk>::default();
    let intake = Arc::new(Intake::new(Arc::new(contract(64, 1)), Conduct::default(), None, None));
    let mut message = vec![0; 1];
    message.extend(bytes(&[0.0; 64]));
    let message = bytes::Bytes::from(message);
    for skip in 0..4 {
        let mut call = desk.call(skip, &[0.0]);
        let start = usize::try_from(skip).unwrap();
        call.inputs[0].data = message.slice(start..start + 4);
        let at = call.inputs[0].data.as_ptr();
        intake.send(call);
        let batch = intake.next_batch().unwrap();
        let Gathered::Fixed { data, .. } = &batch.inputs()[0] else { panic!("fixed") };
        assert_eq!(data.as_ptr().addr() % 4, 0);
        assert_eq!(data.as_ptr() == at, at.addr() % 4 == 0);
    }
}

#[test]
fn a_wrong_return_is_told_to_every_caller() {
    let data = bytes(&[1.0, 2.0]);
    let shape = smallvec![2, 1];
    let cases: [(Result<Vec<Output<'_>>, String>, &str); 5] = [
        (fixed(&data, 1), "returned FP32[1,1]"),
        (Ok(vec![Output::Fixed { datatype: Datatype::Int32, shape, data: &data }]), "returned INT32[2,1]"),
        (fixed(&data[..4], 2), "size does not fit"),
        (Ok(vec![]), "returned []"),
        (Err("said by Python".into()), "said by Python"),
    ];
    for (given, want) in cases {
        let desk = Arc::<Desk>::default();
        let told = batch(&desk, &[&[1.0], &[2.0]]).complete(clock::now(), given).unwrap();
        assert!(told.contains(want), "{told}");
        assert_eq!((desk.note(0), desk.note(1)), (told.clone(), told));
        assert_eq!(desk.kind(0), Some(Kind::ModelFailed));
        assert_eq!(desk.events.lock()[0], "executed 2 failed=true");
    }
}

#[test]
fn a_rejected_row_is_its_callers_alone() {
    let desk = Arc::<Desk>::default();
    let batch = batch(&desk, &[&[1.0], &[2.0, 3.0]]);
    let told = [batch.reject(2, "too dark"), batch.reject(1, "later"), batch.reject(3, "nobody")];
    assert_eq!(told, [Some(true), Some(true), Some(false)]);
    assert_eq!(batch.live().unwrap(), [(Rows::new(1), true), (Rows::new(2), false)]);
    batch.complete(clock::now(), fixed(&bytes(&[7.0, 8.0, 9.0]), 3));
    assert_eq!(desk.output(0).1, bytes(&[7.0]));
    assert_eq!((desk.kind(1), desk.note(1)), (Some(Kind::Invalid), "row 1: too dark".into()));
}

/// A batch of rows that are allowed to be 4.
fn padded(desk: &Arc<Desk>, spec: Contract, calls: Vec<Call>) -> Batch {
    let batching = Batching { allowed_rows: vec![1, 4, 64], ..spec.batching.clone() };
    let contract = Contract { batching, ..spec };
    let intake = Arc::new(Intake::new(Arc::new(contract), Conduct::default(), None, None));
    calls.into_iter().for_each(|call| intake.send(call));
    let batch = intake.next_batch().unwrap();
    assert!(desk.outcomes.lock().is_empty());
    batch
}

#[test]
fn a_batch_is_padded_with_its_last_row_which_nobody_gets() {
    let desk = Arc::<Desk>::default();
    let batch = padded(&desk, contract(64, 1), vec![desk.call(0, &[1.0]), desk.call(1, &[2.0, 3.0])]);
    let Gathered::Fixed { shape, data, .. } = &batch.inputs()[0] else { panic!("fixed") };
    assert_eq!((shape.as_slice(), &data[..]), (&[4, 1][..], &bytes(&[1.0, 2.0, 3.0, 3.0])[..]));
    assert_eq!(batch.rows(), Rows::new(4));
    let live = [(Rows::new(1), true), (Rows::new(2), true), (Rows::new(1), false)];
    assert_eq!(batch.live().unwrap(), live);
    let rows: Vec<_> = batch.parameters().unwrap().into_iter().map(|(rows, _)| rows.get()).collect();
    assert_eq!(rows, [1, 2, 1]);
    assert_eq!((batch.reject(3, "nobody's"), batch.reject(4, "none")), (Some(true), Some(false)));
    assert_eq!(batch.complete(clock::now(), fixed(&bytes(&[5.0, 6.0, 7.0, 8.0]), 4)), None);
    assert_eq!((desk.output(0).1, desk.output(1).1), (bytes(&[5.0]).into(), bytes(&[6.0, 7.0]).into()));
    assert_eq!(desk.events.lock()[0], "executed 3 failed=false");
    assert_eq!(desk.outcomes.lock()[&1].timing.batch_rows, 3);
}

#[test]
fn a_single_row_and_strings_are_padded_too() {
    let desk = Arc::<Desk>::default();
    let batch = padded(&desk, contract(64, 1), vec![desk.call(0, &[1.0, 2.0])]);
    let Gathered::Fixed { data, .. } = &batch.inputs()[0] else { panic!("fixed") };
    assert_eq!(data[..], bytes(&[1.0, 2.0, 2.0, 2.0]));
    drop(batch);

    let desk = Arc::<Desk>::default();
    let mut spec = contract(64, 1);
    spec.inputs[0].datatype = Datatype::Bytes;
    let mut call = desk.call(0, &[0.0, 0.0]);
    let data = b"\x01\0\0\0a\x01\0\0\0b".to_vec().into();
    call.inputs[0] = Tensor { datatype: Datatype::Bytes, shape: smallvec![2, 1], data };
    let batch = padded(&desk, spec, vec![call]);
    let Gathered::Elements { shape, elements } = &batch.inputs()[0] else { panic!("elements") };
    assert_eq!((shape.as_slice(), elements.concat()), (&[4, 1][..], b"abbb".to_vec()));
}

#[test]
fn a_batch_nobody_is_left_in_needs_no_outputs() {
    let desk = Arc::<Desk>::default();
    let batch = batch(&desk, &[&[1.0]]);
    batch.reject(0, "no");
    assert_eq!(batch.complete(clock::now(), Err("nothing came".into())), None);
    assert_eq!((desk.kind(0), desk.note(0)), (Some(Kind::Invalid), "no".into()));
    assert_eq!(desk.events.lock()[0], "executed 1 failed=false");
}

/// A client's fault is not the model's, whatever that raises over rows that it has refused; one that was not is.
#[test]
fn a_model_that_raises_over_refused_rows_has_not_failed() {
    for (refused, failed) in [(vec![0, 1], false), (vec![1], true)] {
        let desk = Arc::<Desk>::default();
        let batch = batch(&desk, &[&[1.0], &[2.0]]);
        refused.into_iter().for_each(|row| assert_eq!(batch.reject(row, "no picture"), Some(true)));
        batch.fail(clock::now(), "need at least one array to stack".into());
        let first = if failed { Kind::ModelFailed } else { Kind::Invalid };
        assert_eq!((desk.kind(0), desk.kind(1)), (Some(first), Some(Kind::Invalid)));
        assert_eq!(desk.events.lock()[0], format!("executed 2 failed={failed}"));
    }
}

#[test]
fn a_dropped_and_a_failed_batch_answer() {
    let desk = Arc::<Desk>::default();
    drop(batch(&desk, &[&[1.0]]));
    assert!(desk.note(0).contains("model 'm' version 3 dropped its batch"), "{}", desk.note(0));
    let desk = Arc::<Desk>::default();
    batch(&desk, &[&[1.0]]).fail(clock::now(), "boom".into());
    assert_eq!((desk.kind(0), desk.note(0)), (Some(Kind::ModelFailed), "boom".into()));
}

#[test]
fn large_outputs_do_not_share_memory() {
    let desk = Arc::<Desk>::default();
    let batch = batch(&desk, &[&[1.0], &[2.0]]);
    let row = 20_000;
    let values: Vec<f32> = (0_u16..40_000).map(f32::from).collect();
    let data = bytes(&values);
    let shape = smallvec![2, i64::try_from(row).unwrap()];
    let given = Ok(vec![Output::Fixed { datatype: Datatype::Fp32, shape, data: &data }]);
    assert_eq!(batch.complete(clock::now(), given), None);
    let (first, second) = (desk.output(0).1, desk.output(1).1);
    assert_eq!((&first[..], &second[..]), (&data[..row * 4], &data[row * 4..]));
    desk.outcomes.lock().clear();
    assert!(first.try_into_mut().is_ok(), "nobody else holds it");
}

#[test]
fn bytes_come_as_views_and_go_by_rows() {
    let desk = Arc::<Desk>::default();
    let mut contract = contract(64, 1);
    contract.inputs[0].datatype = Datatype::Bytes;
    contract.outputs[0].datatype = Datatype::Bytes;
    let intake = Arc::new(Intake::new(Arc::new(contract), Conduct::default(), None, None));
    let encoded: [(u64, i64, &[u8]); 3] =
        [(0, 1, b"\x01\0\0\0a"), (1, 2, b"\0\0\0\0\x02\0\0\0bc"), (2, 1, b"\x09\0\0\0x")];
    for (id, rows, data) in encoded {
        let mut call = desk.call(id, &vec![0.0; usize::try_from(rows).unwrap()]);
        let data = bytes::Bytes::from_static(data);
        call.inputs[0] = Tensor { datatype: Datatype::Bytes, shape: smallvec![rows, 1], data };
        intake.send(call);
    }
    let batch = intake.next_batch().unwrap();
    let Gathered::Elements { shape, elements } = &batch.inputs()[0] else { panic!("elements") };
    assert_eq!(shape.as_slice(), [4, 1]);
    assert_eq!(elements.iter().map(|element| &element[..]).collect::<Vec<_>>(), [&b"a"[..], b"", b"bc", b""]);
    let mut out = Elements::default();
    [&b"A"[..], b"", b"BC", b"?"].iter().for_each(|element| out.push(element).unwrap());
    let given = Output::Elements { shape: smallvec![4, 1], elements: out };
    assert_eq!(batch.complete(clock::now(), Ok(vec![given])), None);
    assert_eq!(desk.output(0).1, &b"\x01\0\0\0A"[..]);
    assert_eq!(desk.output(1), (vec![2, 1], bytes::Bytes::from_static(b"\0\0\0\0\x02\0\0\0BC")));
    assert_eq!(desk.kind(2), Some(Kind::Invalid), "its lengths lied");
}

/// The gateway of the first call died while the batch ran.
#[test]
fn a_run_is_counted_by_a_gateway_that_lives() {
    let (dead, desk) = (Arc::new(Desk::gone()), Arc::<Desk>::default());
    let intake = Arc::new(Intake::new(Arc::new(contract(64, 1)), Conduct::default(), None, None));
    intake.send(dead.call(0, &[1.0]));
    intake.send(desk.call(1, &[2.0]));
    intake.next_batch().unwrap().fail(clock::now(), "it raised".to_owned());
    assert_eq!(dead.events.lock()[..], ["settle 0", "flush"]);
    assert_eq!(desk.events.lock()[..], ["executed 2 failed=true", "settle 1", "flush"]);
}

/// An outlet that panics when one of its callers is answered.
#[derive(Debug)]
struct Fragile(Arc<Desk>);

impl Outlet for Fragile {
    fn emit(&self, _: CallId, _: Produced) {}
    fn settle(&self, call: CallId, outcome: Outcome) {
        assert_ne!((call, outcome.result.is_ok()), (CallId(1), true), "planted");
        self.0.settle(call, outcome);
    }
    fn executed(&self, _: &Contract, _: Execution) {}
    fn flush(&self) {}
}

#[test]
fn a_panic_while_callers_are_answered_leaves_none_of_them_waiting_and_frees_the_room() {
    let (desk, intake) = (
        Arc::<Desk>::default(),
        Arc::new(Intake::new(Arc::new(contract(64, 1)), Conduct::default(), None, None)),
    );
    let outlet = Arc::new(Fragile(Arc::clone(&desk)));
    for id in 0..3 {
        let mut call = desk.call(id, &[1.0]);
        let before = std::mem::replace(&mut call.reply, Reply::new(CallId(id), outlet.clone()));
        before.settle(Outcome { result: Err(Fault::invalid("replaced")), timing: Timing::default() });
        intake.send(call);
    }
    desk.outcomes.lock().clear();
    let batch = intake.next_batch().unwrap();
    let data = bytes(&[7.0, 8.0, 9.0]);
    assert!(panics::survive(|| batch.complete(clock::now(), fixed(&data, 3))).is_err());
    assert_eq!((desk.kind(0), desk.kind(2)), (None, Some(Kind::Internal)), "the first was answered before");
    assert_eq!(desk.outcomes.lock().len(), 2, "of the second its outlet knows");
    assert!(intake.wait_empty(clock::now()), "what was taken is done");
    assert_eq!(intake.occupancy(), (Rows::ZERO, Rows::ZERO));
}
