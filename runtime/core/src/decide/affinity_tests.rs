use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

type Known = Affinity<u8, u32>;

fn at(now: u64) -> Tick {
    Tick::from_nanos(now)
}

fn one(id: u64, start: bool) -> Correlation {
    Correlation { id: CorrelationId::Number(id), start, end: false }
}

fn rank(item: u32) -> Rank {
    Rank::new(1, at(0), Tick::NEVER, item.into())
}

fn asked(id: u64, start: bool, item: u32) -> Asked<u32> {
    Asked { one: one(id, start), rank: rank(item), item }
}

fn hosts(all: &[u8]) -> Vec<Place<u8>> {
    all.iter().map(|host| Place { host: *host, key: u64::from(*host) + 100, trusted: true }).collect()
}

fn items(asked: Vec<Asked<u32>>) -> Vec<u32> {
    asked.into_iter().map(|asked| asked.item).collect()
}

fn pop(known: &mut Known, host: u8) -> Option<u32> {
    known.pop(host, 0).map(|asked| asked.item)
}

/// An id whose home is this one of two hosts.
fn id_of(host: u8) -> u64 {
    (1..).find(|id| home(&CorrelationId::Number(*id), &hosts(&[1, 2])) == Some(host)).unwrap()
}

#[test]
fn of_each_sequence_one_is_out() {
    let (mut known, hosts) = (Known::default(), hosts(&[1]));
    for (id, start, item) in [(7, true, 1), (7, false, 2), (8, true, 3), (7, false, 4)] {
        known.enter(asked(id, start, item), &hosts, 9).unwrap();
    }
    assert_eq!(known.enter(asked(9, true, 5), &hosts, 4), Err((5, Refused::Full(4))));
    assert_eq!((pop(&mut known, 1), pop(&mut known, 1), pop(&mut known, 1)), (Some(1), Some(3), None));
    assert_eq!(items(known.over(&CorrelationId::Number(7), false, &hosts, at(1))), [0_u32; 0]);
    assert_eq!(pop(&mut known, 1), Some(2));
    // It comes back, and still goes before those that came later.
    assert_eq!(items(known.again(asked(7, false, 2), &hosts, at(1))), [0_u32; 0]);
    assert_eq!(pop(&mut known, 1), Some(2));
    assert_eq!(items(known.over(&CorrelationId::Number(7), true, &hosts, at(1))), [4], "behind the end");
    assert_eq!((known.waits(), known.known.len()), (0, 1));
}

#[test]
fn those_at_work_go_before_those_that_begin() {
    let (mut known, hosts) = (Known::default(), hosts(&[1]));
    known.enter(asked(1, true, 1), &hosts, 9).unwrap();
    known.enter(asked(2, false, 2), &hosts, 9).unwrap();
    assert!(known.next(1, 0).is_some_and(|asked| asked.item == 2));
    assert_eq!((pop(&mut known, 1), pop(&mut known, 1), known.next(1, 0)), (Some(2), Some(1), None));
}

#[test]
fn a_sequence_stays_where_it_began_though_hosts_come() {
    let mut known = Known::default();
    let (alone, both) = (hosts(&[1]), hosts(&[1, 2]));
    let theirs = id_of(2);
    known.enter(asked(theirs, true, 1), &alone, 9).unwrap();
    assert_eq!(pop(&mut known, 1), Some(1));
    known.over(&CorrelationId::Number(theirs), false, &alone, at(1));
    known.enter(asked(theirs, false, 2), &both, 9).unwrap();
    assert_eq!((pop(&mut known, 2), pop(&mut known, 1)), (None, Some(2)));
    known.over(&CorrelationId::Number(theirs), false, &both, at(2));
    // Once it is forgotten, its hash tells.
    known.expire(Duration::from_nanos(10), at(12));
    assert_eq!(known.known.len(), 0);
    known.enter(asked(theirs, false, 3), &both, 9).unwrap();
    assert_eq!((pop(&mut known, 1), pop(&mut known, 2)), (None, Some(3)));
}

#[test]
fn what_was_at_work_in_a_host_that_is_gone_is_lost_and_a_start_goes_elsewhere() {
    let mut known = Known::default();
    let (both, left) = (hosts(&[1, 2]), hosts(&[2]));
    let id = id_of(1);
    known.enter(asked(id, true, 1), &both, 9).unwrap();
    assert_eq!(pop(&mut known, 1), Some(1));
    known.enter(asked(id, false, 2), &both, 9).unwrap();
    known.enter(asked(id, true, 3), &both, 9).unwrap();
    // It was in flight: who is behind it has nothing to go on with.
    assert_eq!(items(known.over(&CorrelationId::Number(id), false, &left, at(1))), [2]);
    assert_eq!(pop(&mut known, 2), Some(3));
    known.over(&CorrelationId::Number(id), false, &left, at(2));
    let idle = Duration::from_nanos(5);
    assert_eq!(known.next_expiry(idle, &left), Some(at(7)));
    assert_eq!(known.next_expiry(idle, &hosts(&[1])), None, "its host is gone");
    // One that asks later is told at once, though no host is there to tell it.
    assert_eq!(known.enter(asked(id, false, 4), &[], 9), Err((4, Refused::NotStarted)));
    assert_eq!(known.known.len(), 0);
    // Those that wait for room in it.
    known.enter(asked(id, true, 5), &both, 9).unwrap();
    let second = id + (1..).find(|more| home(&CorrelationId::Number(id + more), &both) == Some(1)).unwrap();
    known.enter(asked(second, false, 6), &both, 9).unwrap();
    assert_eq!(items(known.move_to(&left, at(3))), [6]);
    assert_eq!((known.waits(), pop(&mut known, 2)), (1, Some(5)));
    assert_eq!(known.next_expiry(idle, &left), Some(Tick::NEVER), "it is out");
    known.over(&CorrelationId::Number(id), false, &left, at(4));
    known.lose(&CorrelationId::Number(id));
    assert_eq!(known.next_expiry(idle, &left), None, "nothing is kept of one whose second beginning failed");
}

#[test]
fn who_comes_while_there_is_no_host_waits_for_one() {
    let mut known = Known::default();
    known.enter(asked(1, true, 1), &[], 9).unwrap();
    known.enter(asked(1, false, 2), &[], 9).unwrap();
    assert_eq!(items(known.move_to(&[], at(1))), [0_u32; 0]);
    assert_eq!(items(known.move_to(&hosts(&[3]), at(1))), [0_u32; 0]);
    assert_eq!((pop(&mut known, 3), pop(&mut known, 3)), (Some(1), None));
    known.over(&CorrelationId::Number(1), false, &hosts(&[3]), at(2));
    assert_eq!(pop(&mut known, 3), Some(2));
}

#[test]
fn who_comes_back_unseen_goes_elsewhere_if_he_begins() {
    let (both, left) = (hosts(&[1, 2]), hosts(&[2]));
    for start in [true, false] {
        let mut known = Known::default();
        let id = id_of(1);
        known.enter(asked(id, start, 1), &both, 9).unwrap();
        let one = known.pop(1, 0).unwrap();
        known.enter(asked(id, false, 2), &both, 9).unwrap();
        let lost = items(known.again(one, &left, at(1)));
        assert_eq!(lost, if start { vec![] } else { vec![1, 2] });
        assert_eq!(pop(&mut known, 2), start.then_some(1));
    }
}

#[test]
fn a_start_that_leaves_takes_along_who_goes_on_with_it() {
    let (mut known, hosts) = (Known::default(), hosts(&[1]));
    let id = CorrelationId::Number(7);
    for (start, item) in [(true, 1), (true, 2), (false, 3), (true, 4), (false, 5)] {
        known.enter(asked(7, start, item), &hosts, 9).unwrap();
    }
    let (left, lost) = known.remove(&id, rank(1), &hosts, at(1));
    assert_eq!((left, items(lost)), (Some(1), vec![]), "the next one begins as well");
    assert_eq!(pop(&mut known, 1), Some(2));
    let (left, lost) = known.remove(&id, rank(4), &hosts, at(1));
    assert_eq!((left, items(lost), known.waits()), (Some(4), vec![5], 1));
    let refused = |known: &mut Known| known.enter(asked(7, false, 6), &hosts, 9);
    assert_eq!(refused(&mut known), Err((6, Refused::NotStarted)));
    known.over(&id, false, &hosts, at(2));
    assert_eq!(pop(&mut known, 1), Some(3), "of before");
    known.over(&id, false, &hosts, at(3));
    assert_eq!(refused(&mut known), Err((6, Refused::NotStarted)), "the host knows only what was before");
    known.enter(asked(7, true, 8), &hosts, 9).unwrap();
    assert_eq!(pop(&mut known, 1), Some(8));
    known.lose(&id);
    assert_eq!(refused(&mut known), Err((6, Refused::NotStarted)));
}

#[derive(Clone, Copy, Debug)]
enum Do {
    Enter {
        id: u64,
        start: bool,
    },
    Send {
        host: u8,
    },
    /// Of those in flight, one by its place.
    Land {
        which: usize,
        end: bool,
        again: bool,
    },
    Remove {
        item: u32,
    },
    Hosts {
        set: u8,
        trusted: u8,
    },
}

fn anything() -> impl Strategy<Value = Do> {
    prop_oneof![
        4 => (0..5_u64, any::<bool>()).prop_map(|(id, start)| Do::Enter { id, start }),
        4 => (0..3_u8).prop_map(|host| Do::Send { host }),
        3 => (0..8_usize, prop::bool::weighted(0.2), prop::bool::weighted(0.3))
            .prop_map(|(which, end, again)| Do::Land { which, end, again }),
        1 => (0..60_u32).prop_map(|item| Do::Remove { item }),
        1 => (0..8_u8, 0..8_u8).prop_map(|(set, trusted)| Do::Hosts { set, trusted }),
    ]
}

proptest! {
    /// Whatever happens: nobody is lost, of each sequence one is in flight, and they land in their order.
    #[test]
    fn nobody_is_lost_and_nobody_overtakes(all in prop::collection::vec(anything(), 1..120)) {
        let mut known = Known::default();
        let mut places = hosts(&[0, 1, 2]);
        let (mut next, mut now) = (0, 0);
        let mut waiting: BTreeSet<u32> = BTreeSet::new();
        let mut flying: Vec<Asked<u32>> = Vec::new();
        let mut landed: HashMap<CorrelationId, u32> = HashMap::new();
        let mut of: HashMap<u32, CorrelationId> = HashMap::new();
        for step in all {
            now += 1;
            let mut lost = Vec::new();
            match step {
                Do::Enter { id, start } => {
                    of.insert(next, CorrelationId::Number(id));
                    match known.enter(asked(id, start, next), &places, 12) {
                        Ok(()) => prop_assert!(waiting.insert(next)),
                        Err((_, Refused::Full(many))) => prop_assert!(many == waiting.len() && many >= 12),
                        Err((_, Refused::NotStarted)) => prop_assert!(!start),
                    }
                    next += 1;
                }
                Do::Send { host } if places.iter().any(|place| place.host == host) => {
                    if let Some(asked) = known.pop(host, 0) {
                        prop_assert!(waiting.remove(&asked.item));
                        prop_assert!(flying.iter().all(|other| other.one.id != asked.one.id));
                        flying.push(asked);
                    }
                }
                Do::Land { which, end, again } if which < flying.len() => {
                    let asked = flying.swap_remove(which);
                    if again {
                        waiting.insert(asked.item);
                        lost = known.again(asked, &places, at(now));
                    } else {
                        let before = landed.insert(asked.one.id.clone(), asked.item);
                        prop_assert!(before.is_none_or(|before| before < asked.item));
                        lost = known.over(&asked.one.id, end, &places, at(now));
                    }
                }
                Do::Remove { item } => {
                    let Some(id) = of.get(&item) else { continue };
                    let (found, behind) = known.remove(id, rank(item), &places, at(now));
                    prop_assert_eq!(found, waiting.take(&item));
                    lost = behind;
                }
                Do::Hosts { set, trusted } => {
                    let is_in = |set: u8, host: u8| set & (1 << host) > 0;
                    let set: Vec<u8> = (0..3).filter(|host| is_in(set, *host)).collect();
                    places = hosts(&set);
                    places.iter_mut().for_each(|place| place.trusted = is_in(trusted, place.host));
                    lost = known.move_to(&places, at(now));
                }
                Do::Send { .. } | Do::Land { .. } => {}
            }
            for one in lost {
                prop_assert!(!one.one.start && waiting.remove(&one.item), "{one:?}");
            }
            prop_assert_eq!(known.waits(), waiting.len());
        }
        let left: BTreeSet<_> = known.clear().into_iter().collect();
        prop_assert_eq!(left, waiting);
    }
}
