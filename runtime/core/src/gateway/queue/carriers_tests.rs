use super::*;
use crate::base::{call::Call, units::CallId};

const FULL: Rows = Rows::new(4);
const NOW: Tick = Tick::from_nanos(1 << 40);

#[derive(Debug)]
struct Nobody;

impl Carrier for Nobody {
    fn send(&self, _: Call) {}
    fn cancel(&self, _: CallId) {}
}

fn carriers(windows: &[u32]) -> Carriers {
    let mut carriers = Carriers::default();
    for (id, rows) in (1..).zip(windows) {
        carriers.add(CarrierId(id), Arc::new(Nobody), Window { rows: Rows::new(*rows) });
    }
    carriers
}

fn take(carriers: &mut Carriers, rows: u32) -> Option<u64> {
    carriers.take(Need::Among(Rows::new(rows)), 1, FULL, NOW).map(|seat| seat.id.0)
}

fn back(carrier: u64, rows: u32) -> GivenBack {
    GivenBack { carrier: CarrierId(carrier), rows: Rows::new(rows), level: 1, begins: false, apart: false }
}

#[test]
fn what_is_less_important_takes_no_room_away() {
    let mut one = carriers(&[4]);
    let take = |carriers: &mut Carriers, level| carriers.take(Need::Among(Rows::new(2)), level, FULL, NOW);
    let seats: Vec<_> = [2, 2, 1, 1].iter().filter_map(|level| take(&mut one, *level)).collect();
    assert_eq!((seats.len(), one.in_flight()), (4, (4, 8)));
    assert!(take(&mut one, 1).is_none() && take(&mut one, 2).is_none());
    one.give_back(seats[0].given_back(), Sign::Nothing, NOW);
    assert!(take(&mut one, 1).is_none() && take(&mut one, 2).is_none(), "the others fill it");
    one.give_back(seats[2].given_back(), Sign::Nothing, NOW);
    assert!(take(&mut one, 2).is_none() && take(&mut one, 1).is_some());
    assert_eq!((one.not_after(1), one.not_after(2)), (4, 6));
}

#[test]
fn who_must_be_alone_waits_for_an_idle_carrier_and_fills_it() {
    let mut one = carriers(&[8]);
    let alone = Need::Alone(Rows::new(2));
    assert_eq!(take(&mut one, 1), Some(1));
    assert!(one.take(alone, 1, FULL, NOW).is_none());
    one.give_back(back(1, 1), Sign::Nothing, NOW);
    let seat = one.take(alone, 1, FULL, NOW).unwrap();
    assert_eq!((seat.rows, take(&mut one, 1)), (Rows::new(8), None));
    one.give_back(seat.given_back(), Sign::Nothing, NOW);
    assert_eq!(one.in_flight(), (0, 0));
}

#[test]
fn the_emptiest_gets_the_next_call_and_none_gets_too_many() {
    let mut two = carriers(&[4, 8]);
    let order: Vec<_> = (0..12).map(|_| take(&mut two, 1)).collect();
    assert_eq!(order.iter().filter(|id| **id == Some(1)).count(), 4);
    assert_eq!(order[..4], [Some(1), Some(2), Some(1), Some(2)], "as long as both have room");
    assert_eq!((take(&mut two, 1), two.in_flight()), (None, (12, 12)));
    two.give_back(back(1, 1), Sign::Nothing, NOW);
    assert_eq!(take(&mut two, 1), Some(1));
}

#[test]
fn equals_take_turns() {
    let mut three = carriers(&[8, 8, 8]);
    let mut order: Vec<_> = (0..3).filter_map(|_| take(&mut three, 1)).collect();
    order.sort_unstable();
    assert_eq!(order, [1, 2, 3]);
}

#[test]
fn an_idle_carrier_takes_what_its_window_does_not_hold() {
    let mut one = carriers(&[4]);
    assert_eq!(take(&mut one, 6), Some(1));
    assert_eq!(take(&mut one, 1), None);
    one.give_back(back(1, 6), Sign::Nothing, NOW);
    one.resize(CarrierId(1), Window { rows: Rows::ZERO });
    assert_eq!(take(&mut one, 1), None, "a window of nothing takes nothing");
}

#[test]
fn a_closed_carrier_gets_nothing_until_it_reports() {
    let mut one = carriers(&[4]);
    one.close(CarrierId(1));
    assert_eq!((take(&mut one, 1), one.open()), (None, 0));
    one.resize(CarrierId(1), Window { rows: Rows::new(2) });
    assert_eq!((take(&mut one, 2), one.open()), (Some(1), 1));
    assert!(one.remove(CarrierId(1)) && !one.remove(CarrierId(1)) && one.is_empty());
    one.give_back(back(1, 2), Sign::Nothing, NOW);
}

const MS: Duration = Duration::from_millis(1);

fn worked(ms: u32) -> Sign {
    Sign::Worked { rows: 1, took: ms * MS }
}

/// One call each after the other, whose host says so.
fn asks(carriers: &mut Carriers, times: u64, sign: impl Fn(u64, u64) -> Sign) -> Vec<u64> {
    let mut order = Vec::new();
    for at in 1..=times {
        let Some(seat) = carriers.take(Need::Among(Rows::new(1)), 1, FULL, NOW) else { break };
        order.push(seat.id.0);
        carriers.give_back(seat.given_back(), sign(seat.id.0, at), NOW);
    }
    order
}

#[test]
fn a_slow_host_gets_what_the_fast_one_would_answer_later() {
    let mut two = carriers(&[8, 8]);
    let slow_is_one = |id: u64, _| worked(if id == 1 { 40 } else { 10 });
    let order = asks(&mut two, 40, slow_is_one);
    assert!(order.iter().filter(|id| **id == 1).count() <= 2, "to know it: {order:?}");
    assert!(order[20..].iter().all(|id| *id == 2));
    let full: Vec<_> = (0..16).filter_map(|_| take(&mut two, 1)).collect();
    assert_eq!(full[0], 2);
    assert_eq!(full.len(), 16, "and both are used");
}

/// What was known of the slow one has faded: it gets one call, and no others while that is out.
#[test]
fn a_slow_host_is_tried_again_by_one_call() {
    let mut two = carriers(&[8, 8]);
    asks(&mut two, 40, |id, _| worked(if id == 1 { 200 } else { 10 }));
    let later = NOW.plus(Duration::from_secs(60));
    let one = Need::Among(Rows::new(1));
    // The one that waited longest, where nothing is known.
    let first: Vec<_> = (0..2).filter_map(|_| two.take(one, 1, FULL, later)).map(|seat| seat.id.0).collect();
    assert_eq!(first, [1, 2]);
    let soon = |ms: u32| later.plus(MS * ms);
    two.give_back(GivenBack { begins: false, ..back(2, 1) }, worked(10), soon(10));
    let next: Vec<_> =
        (0..4).filter_map(|n| two.take(one, 1, FULL, soon(30 + n))).map(|seat| seat.id.0).collect();
    assert_eq!(next, [2; 4], "the other still has its first");
}

#[test]
fn a_host_that_was_mended_is_used_again() {
    let mut two = carriers(&[8, 8]);
    asks(&mut two, 40, |id, _| worked(if id == 1 { 200 } else { 10 }));
    let mut counts = [0, 0];
    for at in 0..2_000_u32 {
        let now = NOW.plus(MS * 10 * at);
        let Some(seat) = two.take(Need::Among(Rows::new(1)), 1, FULL, now) else { break };
        counts[usize::try_from(seat.id.0).unwrap() - 1] += 1;
        two.give_back(seat.given_back(), worked(10), now.plus(MS * 10));
    }
    assert!(counts[0] > 400, "of 2000 in twenty seconds: {counts:?}");
}

#[test]
fn one_that_refuses_all_it_gets_is_not_thought_to_be_fast() {
    let mut two = carriers(&[8, 8]);
    let refuses_is_one = |id: u64, _| match id {
        1 => Sign::Refused { rows: 1, took: 40 * MS },
        _ => worked(10),
    };
    let order = asks(&mut two, 100, refuses_is_one);
    let ones = order.iter().filter(|id| **id == 1).count();
    assert!(ones <= 4, "it takes four times as long over it: {ones}");
}

#[test]
fn a_host_that_fails_is_left_out_while_another_does_well() {
    let failing_is_one = |id, at| if id == 1 { Sign::Failed { ns: at } } else { worked(1) };
    let mut two = carriers(&[8, 8]);
    let order = asks(&mut two, 200, failing_is_one);
    let failed = order.iter().filter(|id| **id == 1).count();
    assert!((5..8).contains(&failed), "{failed}");
    assert!(two.slots[0].trust.is_out());
    two.close(CarrierId(2));
    assert_eq!(take(&mut two, 1), Some(1), "whoever fails serves if nobody else is there");
    assert!(two.remove(CarrierId(2)));
    assert_eq!(take(&mut two, 1), Some(1));
}

#[test]
fn where_all_fail_it_is_the_model_and_nobody_is_left_out() {
    let mut three = carriers(&[8, 8, 8]);
    asks(&mut three, 300, |_, at| Sign::Failed { ns: at });
    assert!(three.slots.iter().all(|slot| !slot.trust.is_out()));
    let mut three = carriers(&[8, 8, 8]);
    asks(&mut three, 300, |id, at| if id < 3 { Sign::Failed { ns: at } } else { worked(1) });
    assert_eq!(three.slots.iter().filter(|slot| slot.trust.is_out()).count(), 1, "half of them at most");
}
