use super::super::desk::{Desk, contract};
use super::*;
use crate::base::{
    clock,
    contract::{Batching, Term},
};
use crate::decide::times::Times;

/// Two lanes, and a model that takes one batch at once, 40 ms for each.
#[test]
fn while_the_model_works_the_next_batch_is_not_sealed_before_it_must() {
    let desk = Arc::<Desk>::default();
    let conduct = Conduct { concurrency: NonZeroU32::new(1), ..Conduct::default() };
    let mut room = Room::new(&contract(4, 2), &conduct);
    let mut leaving = Leaving::new();
    let mut times = Times::default();
    let begun = clock::now().plus(Duration::from_secs(1)); // later than all that comes
    let at = |ms| begun.plus(Duration::from_millis(ms));
    times.learn(1, Duration::from_millis(40), at(0));
    room.times = times;
    let admit = |room: &mut Room, id| room.admit(desk.call(id, &[0.0]), 1).map(drop).unwrap();

    admit(&mut room, 1);
    let Turn::Run { running: first, entered: true, .. } = room.turn(at(0), &mut leaving) else { panic!() };
    assert!(matches!(room.turn(at(1), &mut leaving), Turn::Idle), "nobody waits");
    admit(&mut room, 2);
    let Turn::Wait { until } = room.turn(at(10), &mut leaving) else { panic!() };
    assert!(at(35) < until && until < at(39), "{until:?}");
    admit(&mut room, 3);
    let Turn::Run { calls, entered: false, running, .. } = room.turn(until, &mut leaving) else { panic!() };
    assert_eq!(calls.len(), 2, "who came meanwhile is in it");
    // A third lane, if there were one, would wait for both.
    admit(&mut room, 4);
    let Turn::Wait { until } = room.turn(until, &mut leaving) else { panic!() };
    assert!(at(70) < until && until < at(80), "{until:?}");
    // Back sooner than was expected.
    room.leave(&first, at(38));
    room.enter(&running, at(38));
    room.leave(&running, at(39));
    assert!(matches!(room.turn(at(39), &mut leaving), Turn::Run { entered: true, .. }));
}

/// Two lanes that take 20 ms to prepare a batch, and a model that takes 40 ms for each.
#[test]
fn a_batch_is_sealed_so_early_that_its_lane_can_prepare_it() {
    let desk = Arc::<Desk>::default();
    let conduct = Conduct { concurrency: NonZeroU32::new(1), prepares: true, ..Conduct::default() };
    let mut room = Room::new(&contract(4, 2), &conduct);
    let mut leaving = Leaving::new();
    let begun = clock::now().plus(Duration::from_secs(1)); // later than all that comes
    let at = |ms| begun.plus(Duration::from_millis(ms));
    room.times.learn(1, Duration::from_millis(40), at(0));
    room.before = Duration::from_millis(20);
    let admit = |room: &mut Room, id| room.admit(desk.call(id, &[0.0]), 1).map(drop).unwrap();

    admit(&mut room, 1);
    let Turn::Run { running, entered: false, .. } = room.turn(at(0), &mut leaving) else { panic!() };
    assert_eq!(room.enter(&running, at(20)), Entry::Now);
    admit(&mut room, 2);
    let Turn::Wait { until } = room.turn(at(21), &mut leaving) else { panic!() };
    assert!(at(33) < until && until < at(38), "{until:?}: the model is free at 60, and 20 are prepared");
    // Whoever would be late behind both is not served.
    let mut late = desk.call(3, &[0.0]);
    late.deadline = at(95);
    room.admit(late, 1).map(drop).unwrap();
    let Turn::Run { calls, .. } = room.turn(until, &mut leaving) else { panic!() };
    assert_eq!((calls.len(), leaving.len()), (1, 1));
}

/// Rows that look alike, of which one costs a hundred times as much: a millisecond for each.
#[test]
fn where_a_model_counts_cost_its_time_is_learned_over_that() {
    let desk = Arc::<Desk>::default();
    let mut counting = contract(4, 1);
    counting.batching = Batching { cost: vec![Term::Rows], max_cost: Some(1_000), ..counting.batching };
    let mut room = Room::new(&counting, &Conduct::default());
    let (mut leaving, mut now) = (Leaving::new(), clock::now().plus(Duration::from_secs(1)));
    for (id, cost) in (1..).zip([1_u32, 100, 50].into_iter().cycle().take(60)) {
        room.admit(desk.call(id, &[0.0]), cost.into()).unwrap();
        let Turn::Run { running, .. } = room.turn(now, &mut leaving) else { panic!() };
        let all = Duration::from_millis(cost.into());
        now = now.plus(all);
        room.leave(&running, now);
        room.release(&running, Some(Took { model: all, before: Duration::ZERO, ended: now }));
        room.settled();
    }
    for cost in [1, 100] {
        let expected = room.times.expect(cost, now).as_secs_f64() * 1e3;
        assert!(
            (expected - 1.0 * f64::from(u32::try_from(cost).unwrap())).abs() < 5.0,
            "{cost}: {expected} ms"
        );
    }
    room.update(&Batching { cost: vec![], max_cost: None, ..counting.batching.clone() });
    assert_eq!(room.times, Times::default(), "rows are something else");
}
