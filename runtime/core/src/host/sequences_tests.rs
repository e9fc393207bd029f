use super::super::desk::{Desk, contract};
use super::*;

fn at(seconds: u64) -> Tick {
    Tick::from_nanos(seconds * 1_000_000_000)
}

/// Sequences 1, 2 and so on of so many rows, credit and deadline.
fn joined(desk: &Arc<Desk>, given: &[(usize, u32, Tick)]) -> (Sequences, Vec<Arc<Sequence>>) {
    let contract = Arc::new(contract(8, 1));
    let mut sequences = Sequences::default();
    let join = |(id, (rows, credit, deadline)): (u64, &(usize, u32, Tick))| {
        let call = Call { credit: *credit, deadline: *deadline, ..desk.call(id, &vec![0.0; *rows]) };
        sequences.join(call, 10 * id, &contract, at(0)).0
    };
    let all = (1..).zip(given).map(join).collect();
    (sequences, all)
}

fn ended(sequences: &mut Sequences, now: Tick) -> Vec<(u64, Kind)> {
    sequences.sweep(now).iter().map(|(sequence, fault)| (sequence.number(), fault.kind)).collect()
}

#[test]
fn rows_and_costs_of_those_at_work_add_up() {
    let desk = Arc::new(Desk::default());
    let (mut sequences, all) = joined(&desk, &[(1, 1, Tick::NEVER), (3, 1, Tick::NEVER)]);
    assert_eq!(sequences.at_work(), join::AtWork { rows: Rows::new(4), cost: 30 });
    all[0].mark_gone();
    assert_eq!(ended(&mut sequences, at(1)), [(1, Kind::Cancelled)]);
    assert_eq!(sequences.at_work(), join::AtWork { rows: Rows::new(3), cost: 20 });
    assert_eq!((sequences.take_left(), sequences.take_left()), (vec![1], vec![]), "said once");
}

#[test]
fn the_clock_ends_who_is_late_and_nobody_for_a_pause() {
    let desk = Arc::new(Desk::default());
    let given = [(1, 0, Tick::NEVER), (1, 1, at(5)), (1, 0, at(60)), (1, 9, Tick::NEVER)];
    let (mut sequences, all) = joined(&desk, &given);
    assert_eq!(ended(&mut sequences, at(1)), []);
    assert_eq!((sequences.ready(), sequences.next_end()), (Rows::new(2), at(5)));
    assert_eq!(ended(&mut sequences, at(5)), [(2, Kind::Expired)]);
    assert_eq!(sequences.next_end(), at(60));
    all[2].add_credit(1);
    assert_eq!(ended(&mut sequences, at(59)), []);
    assert_eq!((sequences.ready(), sequences.next_end()), (Rows::new(2), at(60)), "one was read meanwhile");
    assert_eq!(ended(&mut sequences, at(60)), [(3, Kind::Expired)]);
    assert_eq!(ended(&mut sequences, at(100_000)), [], "its reader is slow, and reads");
    assert_eq!(sequences.take_left(), [2, 3]);
}

#[test]
fn a_lane_that_rests_is_wanted_for_credit_and_for_who_is_gone() {
    let desk = Arc::new(Desk::default());
    let (mut sequences, all) = joined(&desk, &[(1, 0, Tick::NEVER), (1, 0, Tick::NEVER)]);
    sequences.sweep(at(1));
    assert!(!sequences.wants_look(), "all are paused");
    all[1].add_credit(1);
    assert!(sequences.wants_look());
    sequences.begin(Rows::new(1), at(1));
    all[0].mark_gone();
    assert!(!sequences.wants_look(), "it does not rest");
    assert!(sequences.close(1).is_some() && sequences.wants_look());
}

#[test]
fn a_step_is_over_once() {
    let mut sequences = Sequences::default();
    let first = sequences.begin(Rows::new(2), at(1));
    assert!(!sequences.is_empty());
    assert_eq!((sequences.close(first.number), sequences.close(first.number)), (Some(first), None));
    let second = sequences.begin(Rows::new(2), at(1));
    assert_eq!((sequences.close(first.number), sequences.inside), (None, Some(second)));
}
