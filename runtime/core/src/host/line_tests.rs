use super::super::desk::Desk;
use super::*;
use std::sync::Arc;

const LIMITS: Limits = Limits { max_rows: Rows::new(2), max_cost: u64::MAX, max_delay: Duration::ZERO };

/// A call of one row of this width.
fn call(desk: &Arc<Desk>, id: u64, level: u8, width: usize) -> Call {
    let mut call = Call { level, arrived: Tick::from_nanos(id), ..desk.call(id, &vec![0.0; width]) };
    call.rows = Rows::new(1);
    call.inputs[0].shape = [1, i64::try_from(width).unwrap()].as_slice().into();
    call
}

fn batch(line: &mut Line) -> Vec<u64> {
    let now = Tick::from_nanos(1000);
    line.plan(now, LIMITS, |_| Duration::ZERO);
    line.take_picked(now, &mut Leaving::new()).0.iter().map(|call| call.id.0).collect()
}

#[test]
fn who_is_more_important_goes_first_and_shapes_do_not_meet() {
    let (desk, mut line) = (Arc::new(Desk::default()), Line::default());
    for (id, level, width) in [(1, 2, 3), (2, 2, 4), (3, 1, 4), (4, 2, 3), (5, 2, 4), (6, 2, 3)] {
        line.push(call(&desk, id, level, width), false, false, 1);
    }
    let batches: Vec<_> = std::iter::repeat_with(|| batch(&mut line)).take(4).collect();
    assert_eq!(batches, [vec![3, 2], vec![1, 4], vec![5], vec![6]]);
    assert!(line.is_empty() && line.rows() == Rows::ZERO);
}

#[test]
fn nobody_is_passed_for_ever() {
    let (desk, mut line) = (Arc::new(Desk::default()), Line::default());
    line.push(call(&desk, 1, 9, 1), false, false, 1);
    let mut ids = 2..;
    let mut served = 0;
    loop {
        while line.rows() < Rows::new(5) {
            line.push(call(&desk, ids.next().unwrap(), 1, 1), false, false, 1);
        }
        if batch(&mut line).contains(&1) {
            break;
        }
        served += 1;
    }
    assert_eq!(served, MOST_PASSED);
}

#[test]
fn who_leaves_gives_rows_back() {
    let (desk, mut line) = (Arc::new(Desk::default()), Line::default());
    for id in 1..=3 {
        line.push(Call { deadline: Tick::from_nanos(500 * id), ..call(&desk, id, 1, 1) }, false, false, 1);
    }
    let (now, mut leaving) = (Tick::from_nanos(900), Leaving::new());
    line.plan(now, LIMITS, |_| Duration::from_nanos(200));
    let (calls, _) = line.take_picked(now, &mut leaving);
    let notes: Vec<_> =
        leaving.iter().map(|(call, fault)| (call.id.0, fault.note.contains("would pass"))).collect();
    assert_eq!((calls.len(), calls[0].id.0, notes), (1, 3, vec![(1, false), (2, true)]));
    line.push(call(&desk, 4, 1, 1), false, false, 1);
    assert!(line.remove(CallId(9)).is_none() && line.remove(CallId(4)).is_some());
    line.push(call(&desk, 5, 1, 1), false, false, 1);
    assert!(line.pop().is_some() && line.pop().is_none() && line.rows() == Rows::ZERO);
}
