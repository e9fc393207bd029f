use super::super::{
    Batch, Conduct, Gathered, Output,
    desk::{Desk, contract},
};
use super::*;
use crate::base::{
    call::Carrier,
    clock,
    contract::Contract,
    datatype::Datatype,
    fault::Kind,
    units::{CallId, Rows},
};

const BAD: f32 = 666.0;

/// As a model that raises for one value, and returns what it is given.
fn run(batch: Batch) {
    let Gathered::Fixed { shape, data, .. } = &batch.inputs()[0] else { panic!("fixed") };
    let (shape, data) = (shape.clone(), data.clone());
    if data.chunks(4).any(|value| value == BAD.to_le_bytes()) {
        return batch.fail(clock::now(), "666".into());
    }
    let output = Output::Fixed { datatype: Datatype::Fp32, shape, data: &data };
    assert_eq!(batch.complete(clock::now(), Ok(vec![output])), None);
}

/// What became of calls with these values in one batch, and the rows of the runs.
fn runs(values: &[f32], repeatable: bool) -> (Vec<Option<Kind>>, Vec<String>) {
    let desk = Arc::<Desk>::default();
    let spec = Contract { repeatable, ..contract(64, 1) };
    let intake = Arc::new(Intake::new(Arc::new(spec), Conduct::default(), None, None));
    for (id, value) in (0..).zip(values) {
        intake.send(desk.call(id, &[*value]));
    }
    while desk.outcomes.lock().len() < values.len() {
        run(intake.next_batch().unwrap());
    }
    assert!(intake.wait_empty(clock::now()));
    assert_eq!(intake.occupancy(), (Rows::ZERO, Rows::ZERO));
    let runs = desk.events.lock().iter().filter(|event| event.starts_with("executed")).cloned().collect();
    ((0..).zip(values).map(|(id, _)| desk.kind(id)).collect(), runs)
}

#[test]
fn one_bad_row_of_64_is_the_only_one_that_fails() {
    let mut values = vec![1.0; 64];
    values[41] = BAD;
    let (kinds, runs) = runs(&values, true);
    let bad: Vec<_> = (0..64).filter(|call| kinds[*call].is_some()).collect();
    assert_eq!((bad, kinds[41]), (vec![41], Some(Kind::ModelFailed)));
    assert_eq!(runs.len(), 13, "{runs:?}");
    assert_eq!(runs[0], "executed 64 failed=true");
}

#[test]
fn where_all_rows_are_bad_few_runs_show_it() {
    let (kinds, runs) = runs(&[BAD; 64], true);
    assert!(kinds.iter().all(|kind| *kind == Some(Kind::ModelFailed)));
    assert_eq!(runs.len(), 13, "{runs:?}");
}

#[test]
fn what_must_not_run_twice_does_not() {
    let (kinds, runs) = runs(&[1.0, BAD], false);
    assert_eq!((kinds, runs.len()), (vec![Some(Kind::ModelFailed); 2], 1));
}

#[test]
fn who_runs_again_goes_behind_the_others_and_meets_none_of_them() {
    let desk = Arc::<Desk>::default();
    let spec = Contract { repeatable: true, ..contract(2, 1) };
    let intake = Arc::new(Intake::new(Arc::new(spec), Conduct::default(), None, None));
    for (id, value) in [(0, BAD), (1, 1.0), (2, 1.0), (3, 1.0)] {
        intake.send(desk.call(id, &[value]));
    }
    let mut rows = Vec::new();
    while desk.outcomes.lock().len() < 4 {
        let batch = intake.next_batch().unwrap();
        let Gathered::Fixed { shape, .. } = &batch.inputs()[0] else { panic!("fixed") };
        rows.push(shape[0]);
        run(batch);
    }
    assert_eq!(rows, [2, 2, 1, 1]);
    let order: Vec<_> =
        desk.events.lock().iter().filter(|event| event.starts_with("settle")).cloned().collect();
    assert_eq!(order, ["settle 2", "settle 3", "settle 0", "settle 1"]);
    assert_eq!((desk.kind(0), desk.kind(1)), (Some(Kind::ModelFailed), None));
}

#[test]
fn who_leaves_while_it_waits_to_run_again_is_gone() {
    let desk = Arc::<Desk>::default();
    let spec = Contract { repeatable: true, ..contract(2, 1) };
    let intake = Arc::new(Intake::new(Arc::new(spec), Conduct::default(), None, None));
    for id in 0..2 {
        intake.send(desk.call(id, &[BAD]));
    }
    run(intake.next_batch().unwrap());
    intake.cancel(CallId(0));
    assert_eq!(desk.kind(0), Some(Kind::Cancelled));
    run(intake.next_batch().unwrap());
    assert_eq!(desk.kind(1), Some(Kind::ModelFailed));
    assert!(intake.wait_empty(clock::now()));
}
