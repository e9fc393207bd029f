use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

const IDLE: u64 = 100;

fn at(now: u64) -> Tick {
    Tick::from_nanos(now)
}

fn slots(most: u32) -> Slots<u32, AtomicU32> {
    Slots::new(most, Duration::from_nanos(IDLE))
}

fn of(id: u64, start: bool, end: bool) -> Correlation {
    Correlation { id: CorrelationId::Number(id), start, end }
}

fn rank(number: u32) -> Rank {
    Rank::new(1, at(0), Tick::NEVER, number.into())
}

fn enter(slots: &mut Slots<u32, AtomicU32>, id: u64, start: bool, item: u32, now: u64) -> Entered<u32> {
    slots.enter(of(id, start, false), rank(item), item, at(now))
}

fn ran(end: bool) -> Over {
    Over::Ran { end }
}

fn moved(ready: &[(u32, u32)], not_started: &[u32]) -> (Vec<(u32, u32)>, Vec<u32>) {
    (ready.to_vec(), not_started.to_vec())
}

fn plain(moved: Moved<u32>) -> (Vec<(u32, u32)>, Vec<u32>) {
    (moved.ready.into_vec(), moved.not_started.into_iter().map(|(_, item)| item).collect())
}

#[test]
fn a_sequence_begins_with_its_start_and_ends_with_its_end() {
    let mut slots = slots(2);
    assert_eq!(enter(&mut slots, 7, false, 1, 0), Entered::NotStarted(1));
    assert_eq!(enter(&mut slots, 7, true, 2, 0), Entered::Ready(0, 2));
    assert_eq!(enter(&mut slots, 7, false, 3, 0), Entered::Waits, "one is out");
    assert_eq!(enter(&mut slots, 7, false, 4, 0), Entered::Waits);
    slots.run(0, true);
    assert_eq!(plain(slots.over(0, ran(false), at(1))), moved(&[(0, 3)], &[]));
    assert_eq!(plain(slots.over(0, ran(false), at(2))), moved(&[(0, 4)], &[]));
    assert_eq!(enter(&mut slots, 7, false, 5, 2), Entered::Waits);
    assert_eq!(plain(slots.over(0, ran(true), at(3))), moved(&[], &[5]), "it came behind the end");
    assert_eq!((slots.at_work(), slots.rows()), (0, 0));
    assert_eq!(enter(&mut slots, 7, false, 6, 3), Entered::NotStarted(6));
}

#[test]
fn whoever_finds_no_slot_waits_for_one_in_the_order_of_ranks() {
    let mut slots = slots(1);
    assert_eq!(enter(&mut slots, 1, true, 1, 0), Entered::Ready(0, 1));
    assert_eq!(enter(&mut slots, 2, true, 9, 0), Entered::Waits);
    assert_eq!(enter(&mut slots, 3, true, 8, 0), Entered::Waits);
    slots.run(0, true);
    assert!(slots.is_waited_for());
    assert_eq!(plain(slots.over(0, ran(true), at(1))), moved(&[(0, 8)], &[]));
    assert_eq!(slots.remove(|item| *item == 9), Some((9, vec![])));
    assert!(!slots.is_waited_for() && slots.remove(|item| *item == 9).is_none());
}

#[test]
fn a_start_that_never_ran_leaves_no_sequence() {
    let mut slots = slots(1);
    enter(&mut slots, 1, true, 1, 0);
    enter(&mut slots, 1, false, 2, 0);
    assert_eq!(plain(slots.over(0, Over::Left { start: true }, at(1))), moved(&[], &[2]));
    assert_eq!(slots.at_work(), 0);
    // One in the middle that never ran leaves the sequence as it is, even if it was to be the last.
    enter(&mut slots, 1, true, 3, 2);
    slots.run(0, true);
    slots.over(0, ran(false), at(2));
    assert_eq!(enter(&mut slots, 1, false, 4, 3), Entered::Ready(0, 4));
    assert_eq!(plain(slots.over(0, Over::Left { start: false }, at(4))), moved(&[], &[]));
    assert_eq!(enter(&mut slots, 1, false, 5, 4), Entered::Ready(0, 5));
}

#[test]
fn a_start_that_never_ran_ends_what_was_before_it() {
    let begun = || {
        let mut slots = slots(1);
        enter(&mut slots, 1, true, 1, 0);
        slots.run(0, true);
        slots.over(0, ran(false), at(0));
        slots
    };
    let mut out = begun();
    assert_eq!(enter(&mut out, 1, true, 2, 1), Entered::Ready(0, 2));
    enter(&mut out, 1, false, 3, 1);
    assert_eq!(plain(out.over(0, Over::Left { start: true }, at(2))), moved(&[], &[3]));
    assert_eq!(enter(&mut out, 1, false, 4, 2), Entered::NotStarted(4));
    let mut waits = begun();
    assert_eq!(enter(&mut waits, 1, false, 2, 1), Entered::Ready(0, 2));
    for (start, item) in [(false, 3), (true, 4), (false, 5)] {
        enter(&mut waits, 1, start, item, 1);
    }
    let (left, lost) = waits.remove(|item| *item == 4).unwrap();
    assert_eq!((left, lost.into_iter().map(|(_, item)| item).collect()), (4, vec![5]));
    assert_eq!(enter(&mut waits, 1, false, 6, 1), Entered::NotStarted(6));
    assert_eq!(plain(waits.over(0, ran(false), at(2))), moved(&[(0, 3)], &[]), "of before");
    assert_eq!(plain(waits.over(0, ran(false), at(3))), moved(&[], &[]));
    assert_eq!(enter(&mut waits, 1, false, 7, 3), Entered::NotStarted(7));
    assert_eq!(enter(&mut waits, 1, true, 8, 3), Entered::Ready(0, 8));
}

#[test]
fn what_is_kept_lives_until_the_end_or_a_new_beginning() {
    let mut slots = slots(1);
    enter(&mut slots, 1, true, 1, 0);
    let kept = slots.run(0, true);
    kept.store(5, Relaxed);
    slots.over(0, ran(false), at(0));
    enter(&mut slots, 1, false, 2, 0);
    assert_eq!(slots.run(0, false).load(Relaxed), 5);
    slots.over(0, ran(false), at(0));
    drop(slots.take_dropped());
    assert_eq!(Arc::strong_count(&kept), 2);
    enter(&mut slots, 1, true, 3, 0);
    assert_eq!(slots.run(0, true).load(Relaxed), 0, "it begins anew");
    drop(slots.take_dropped());
    assert_eq!(Arc::strong_count(&kept), 1);
    let second = slots.run(0, false);
    slots.over(0, ran(true), at(0));
    drop(slots.take_dropped());
    assert_eq!(Arc::strong_count(&second), 1);
}

#[test]
fn a_start_behind_an_end_begins_in_the_same_slot() {
    let mut slots = slots(1);
    enter(&mut slots, 1, true, 1, 0);
    slots.run(0, true).store(5, Relaxed);
    enter(&mut slots, 1, false, 2, 0);
    enter(&mut slots, 1, true, 3, 0);
    assert_eq!(plain(slots.over(0, ran(true), at(1))), moved(&[(0, 3)], &[2]));
    assert_eq!(slots.run(0, true).load(Relaxed), 0);
}

#[test]
fn who_asks_nothing_for_too_long_is_forgotten() {
    let mut slots = slots(2);
    for id in 0..2 {
        enter(&mut slots, id, true, 1, 0);
        slots.run(u32::try_from(id).unwrap(), true);
    }
    assert_eq!(slots.next_expiry(), None, "both are out");
    slots.over(0, ran(false), at(10));
    slots.over(1, ran(false), at(30));
    assert_eq!(enter(&mut slots, 5, true, 7, 40), Entered::Waits);
    assert_eq!(slots.next_expiry(), Some(at(110)));
    assert_eq!(plain(slots.expire(at(109))), moved(&[], &[]));
    assert_eq!(plain(slots.expire(at(110))), moved(&[(0, 7)], &[]));
    assert_eq!(slots.next_expiry(), Some(at(130)));
    // Nobody has looked, and it is late all the same.
    assert_eq!(enter(&mut slots, 1, false, 8, 130), Entered::NotStarted(8));
    assert_eq!(slots.take_dropped().len(), 3 + 1, "two beginnings, and both sequences");
}

#[derive(Clone, Copy, Debug)]
enum Do {
    Enter {
        id: u64,
        start: bool,
        end: bool,
    },
    /// The one that is out in this slot, if one is.
    Over {
        slot: u32,
        ran: bool,
    },
    Remove {
        item: u32,
    },
    Wait {
        span: u64,
    },
}

fn anything() -> impl Strategy<Value = Do> {
    prop_oneof![
        4 => (0..6_u64, any::<bool>(), prop::bool::weighted(0.2)).prop_map(|(id, start, end)| Do::Enter { id, start, end }),
        4 => (0..4_u32, prop::bool::weighted(0.8)).prop_map(|(slot, ran)| Do::Over { slot, ran }),
        1 => (0..60_u32).prop_map(|item| Do::Remove { item }),
        1 => (1..80_u64).prop_map(|span| Do::Wait { span }),
    ]
}

/// None of them was told or served before.
fn take_up(moved: Moved<u32>, ready: &mut Vec<(u32, u32)>, waiting: &mut BTreeSet<u32>) {
    for (one, item) in &moved.not_started {
        assert!(!one.start && waiting.remove(item));
    }
    moved.ready.iter().for_each(|(_, item)| assert!(waiting.remove(item)));
    ready.extend(moved.ready);
}

proptest! {
    /// Whatever comes: nobody is lost or served twice, no slot has two out, and of each sequence they run as they came.
    #[test]
    fn each_has_its_turn_once_and_in_order(all in prop::collection::vec(anything(), 1..120), most in 1..4_u32) {
        let mut slots = slots(most);
        let (mut now, mut next) = (0, 0);
        let mut asked: HashMap<u32, Correlation> = HashMap::new();
        let mut out: BTreeMap<u32, u32> = BTreeMap::new();
        let mut waiting: BTreeSet<u32> = BTreeSet::new();
        let mut ran_last: HashMap<u64, u32> = HashMap::new();
        // The first request that came last before each, and that ran last, of each sequence.
        let (mut goes_on_with, mut began) = (HashMap::new(), HashMap::new());
        let mut newest: HashMap<u64, u32> = HashMap::new();
        for step in all {
            let mut ready = Vec::new();
            match step {
                Do::Enter { id, start, end } => {
                    let one = of(id, start, end);
                    asked.insert(next, one.clone());
                    if start {
                        newest.insert(id, next);
                    }
                    goes_on_with.insert(next, newest.get(&id).copied());
                    match slots.enter(one, rank(next), next, at(now)) {
                        Entered::Ready(slot, item) => {
                            prop_assert_eq!(item, next);
                            ready.push((slot, item));
                        }
                        Entered::Waits => prop_assert!(waiting.insert(next)),
                        Entered::NotStarted(_) => prop_assert!(!start),
                    }
                    next += 1;
                }
                Do::Over { slot, ran } => {
                    let Some(item) = out.remove(&slot) else { continue };
                    let one = asked[&item].clone();
                    if ran {
                        slots.run(slot, one.start);
                        let CorrelationId::Number(id) = one.id else { unreachable!() };
                        let before = ran_last.insert(id, item);
                        prop_assert!(before.is_none_or(|before| before < item), "{before:?} before {item}");
                        if one.start {
                            began.insert(id, item);
                        }
                        prop_assert_eq!(began.get(&id).copied(), goes_on_with[&item], "what it goes on with");
                    }
                    let how = if ran { Over::Ran { end: one.end } } else { Over::Left { start: one.start } };
                    let moved = slots.over(slot, how, at(now));
                    take_up(moved, &mut ready, &mut waiting);
                }
                Do::Remove { item } => {
                    let removed = slots.remove(|one| *one == item);
                    prop_assert_eq!(removed.as_ref().map(|(item, _)| *item), waiting.take(&item));
                    let not_started = removed.map_or_else(Vec::new, |(_, lost)| lost);
                    take_up(Moved { not_started, ..Moved::default() }, &mut ready, &mut waiting);
                }
                Do::Wait { span } => {
                    now += span;
                    take_up(slots.expire(at(now)), &mut ready, &mut waiting);
                }
            }
            for (slot, item) in ready {
                prop_assert!(slot < most && out.insert(slot, item).is_none(), "two are out");
            }
            let ids: BTreeSet<_> = out.values().map(|item| asked[item].id.clone()).collect();
            prop_assert_eq!(ids.len(), out.len(), "two of one sequence are out");
            prop_assert!(slots.at_work() <= usize::try_from(most).unwrap() && slots.rows() <= most);
            prop_assert_eq!(slots.is_waited_for(), !waiting.is_empty());
        }
        let left: BTreeSet<_> = slots.clear().into_iter().collect();
        prop_assert_eq!(left, waiting);
    }
}
