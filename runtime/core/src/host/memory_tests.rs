use super::super::{
    Conduct, Gathered, Output,
    desk::{Desk, contract},
};
use super::*;
use crate::base::{
    call::Carrier,
    clock,
    contract::{Batching, Contract},
    datatype::Datatype,
    units::Rows,
};

const HUGE: f32 = 500.0;

/// As a model on a device that holds so many rows; returns the rows of its runs, and what was said.
fn serve(calls: u64, holds: u32, spec: Contract) -> (Vec<u32>, Vec<String>, Arc<Desk>) {
    serve_with(calls, holds, spec, None)
}

/// One with a call that takes all of its memory by itself.
fn serve_with(
    calls: u64,
    holds: u32,
    spec: Contract,
    huge: Option<u64>,
) -> (Vec<u32>, Vec<String>, Arc<Desk>) {
    let desk = Arc::<Desk>::default();
    let intake = Arc::new(Intake::new(Arc::new(spec), Conduct::default(), None, None));
    let (mut runs, mut said) = (vec![], vec![]);
    for id in 0..calls {
        intake.send(desk.call(id, &[if huge == Some(id) { HUGE } else { 1.0 }]));
    }
    while desk.outcomes.lock().len() < usize::try_from(calls).unwrap() {
        let batch = intake.next_batch().unwrap();
        runs.push(batch.rows().get());
        let Gathered::Fixed { data, .. } = &batch.inputs()[0] else { panic!("fixed") };
        if batch.rows().get() > holds || data.chunks(4).any(|one| one == HUGE.to_le_bytes()) {
            said.push(batch.run_out(clock::now(), "out of memory".to_owned()));
            continue;
        }
        let Gathered::Fixed { shape, data, .. } = &batch.inputs()[0] else { panic!("fixed") };
        let (shape, data) = (shape.clone(), data.clone());
        let output = Output::Fixed { datatype: Datatype::Fp32, shape, data: &data };
        assert_eq!(batch.complete(clock::now(), Ok(vec![output])), None);
    }
    assert!(intake.wait_empty(clock::now()));
    assert_eq!(intake.occupancy(), (Rows::ZERO, Rows::ZERO));
    (runs, said, desk)
}

#[test]
fn one_request_that_is_too_large_by_itself_costs_others_nothing_that_lasts() {
    let (runs, said, desk) = serve_with(60, 16, spec(16, vec![]), Some(3));
    assert_eq!(runs[..5], [16, 8, 4, 2, 2]);
    assert_eq!(runs.iter().rposition(|rows| *rows == 16), Some(runs.len() - 2), "{runs:?}");
    assert_eq!((desk.note(3), desk.kind(4)), ("out of memory".to_owned(), None));
    assert_eq!((0..60).filter(|call| desk.kind(*call).is_some()).count(), 1);
    assert!(said.last().unwrap().contains("other batches may have 16 rows again"), "{said:?}");
}

#[test]
fn what_was_too_large_before_the_first_request_is_not_tried() {
    let desk = Arc::<Desk>::default();
    let intake = Arc::new(Intake::new(Arc::new(spec(16, vec![])), Conduct::default(), None, None));
    intake.limit_rows(Rows::new(5));
    (0..12).for_each(|id| intake.send(desk.call(id, &[1.0])));
    let runs: Vec<_> = (0..3).map(|_| intake.next_batch().unwrap()).map(|batch| batch.rows().get()).collect();
    assert_eq!(runs, [5, 5, 2]);
}

#[test]
fn what_others_found_out_meanwhile_stays() {
    let (runs, said, _) = serve_with(60, 4, spec(16, vec![]), Some(20));
    assert_eq!(*runs.iter().rev().take(5).max().unwrap(), 4, "{runs:?}");
    assert!(said.last().unwrap().contains("other batches may have 4 rows again"), "{said:?}");
}

fn spec(max_rows: u32, allowed_rows: Vec<u32>) -> Contract {
    let spec = contract(max_rows, 1);
    let batching = Batching { allowed_rows, ..spec.batching.clone() };
    Contract { repeatable: true, batching, ..spec }
}

#[test]
fn what_is_too_large_runs_in_halves_and_is_not_tried_again() {
    let (runs, said, desk) = serve(40, 6, spec(16, vec![]));
    assert_eq!(runs[..3], [16, 8, 4]);
    assert!(runs[2..].iter().all(|rows| *rows == 4), "{runs:?}");
    assert!((0..40).all(|call| desk.kind(call).is_none()));
    assert!(said[0].contains("16 rows ran out of memory: from now on none has more than 8"), "{said:?}");
}

#[test]
fn sizes_are_those_that_are_allowed() {
    let (runs, ..) = serve(40, 6, spec(16, vec![2, 5, 16]));
    assert_eq!(runs[..2], [16, 5]);
    assert!(runs[1..].iter().all(|rows| *rows == 5), "{runs:?}");
}

#[test]
fn where_none_is_smaller_callers_are_told() {
    let (runs, said, desk) = serve(5, 1, spec(16, vec![8, 16]));
    assert_eq!((runs, desk.note(4)), (vec![8], "out of memory".to_owned()));
    assert!(said[0].contains("8 rows ran out of memory, and there is no smaller one"), "{said:?}");
    let (runs, ..) = serve(3, 0, spec(1, vec![]));
    assert_eq!(runs, [1, 1, 1]);
}

#[test]
fn what_must_not_run_twice_is_not_but_later_batches_are_smaller() {
    let (runs, _, desk) = serve(24, 8, Contract { repeatable: false, ..spec(16, vec![]) });
    assert_eq!(runs, [16, 8]);
    assert_eq!((0..24).filter(|call| desk.kind(*call).is_some()).count(), 16);
}
