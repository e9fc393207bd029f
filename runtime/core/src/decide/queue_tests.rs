use super::*;
use crate::base::units::{Rows, Tick};
use std::time::Duration;

const ROOM: Room = Room { rows: 8, shared: false };

fn at(level: u8, call: u64) -> Place {
    of(Tenant(0), level, call)
}

fn of(tenant: Tenant, level: u8, call: u64) -> Place {
    Place { tenant, rank: Rank::new(level, Tick::default(), Tick::NEVER, call) }
}

fn of_rows(rows: u32) -> Size {
    Size { rows: Rows::new(rows), cost: 0 }
}

fn push(queue: &mut Queue<u64>, call: u64, rows: u32) -> bool {
    queue.push(at(1, call), of_rows(rows), call, ROOM).is_ok()
}

#[test]
fn rows_are_bounded_and_given_back() {
    let mut queue = Queue::default();
    assert!(push(&mut queue, 1, 5) && push(&mut queue, 2, 3));
    assert!(!push(&mut queue, 3, 1), "full");
    assert_eq!(queue.remove(at(1, 1)), Some(1));
    assert_eq!(queue.remove(at(1, 1)), None);
    assert!(push(&mut queue, 3, 5) && queue.rows() == 8);
    assert_eq!((queue.first().map(|first| *first.1), queue.len()), (Some(2), 2));
    assert_eq!((queue.pop(), queue.pop(), queue.pop()), (Some(2), Some(3), None));
    assert_eq!((queue.rows(), queue.is_empty(), queue.first()), (0, true, None));
}

#[test]
fn who_comes_back_goes_first_even_into_a_full_queue() {
    let mut queue = Queue::default();
    assert!(push(&mut queue, 5, 8));
    queue.push_again(at(1, 2), of_rows(4), 2);
    assert_eq!((queue.rows(), queue.pop(), queue.pop()), (12, Some(2), Some(5)));
}

#[test]
fn one_of_a_rank_that_is_taken_takes_its_place() {
    let mut queue = Queue::default();
    assert!(push(&mut queue, 1, 3) && push(&mut queue, 1, 5));
    assert_eq!((queue.rows(), queue.len(), queue.pop(), queue.rows()), (5, 1, Some(1), 0));
}

#[test]
fn a_level_has_its_own_room_and_the_earliest_deadline_goes_first() {
    let mut queue = Queue::default();
    let due = |ms| Tick::default().plus(Duration::from_millis(ms));
    let mut push = |call, level, ms| {
        let place = Place { rank: Rank::new(level, Tick::default(), due(ms), call), tenant: Tenant(0) };
        queue.push(place, of_rows(4), call, ROOM).map_err(|full| full.1)
    };
    assert_eq!((push(1, 2, 10), push(2, 2, 5), push(3, 2, 1)), (Ok(()), Ok(()), Err(8)));
    assert_eq!((push(4, 1, 90), push(5, 1, 80)), (Ok(()), Ok(())));
    let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
    assert_eq!(order, [5, 4, 2, 1]);
}

#[test]
fn a_low_level_goes_by_and_by() {
    let mut queue = Queue::default();
    for call in 0..100 {
        queue.push_again(at(1, call), of_rows(1), 1);
        queue.push_again(at(3, 1000 + call), of_rows(1), 3);
    }
    queue.push_again(at(2, 500), of_rows(1), 2);
    let order: Vec<_> = std::iter::from_fn(|| queue.pop()).take(70).collect();
    let places = |level| order.iter().enumerate().filter(move |(_, one)| **one == level).map(|(at, _)| at);
    assert_eq!(places(2).collect::<Vec<_>>(), [31]);
    assert_eq!(places(3).collect::<Vec<_>>(), [32, 64]);
}

/// Three tenants, of whom one has a hundred calls and one has calls of four rows.
#[test]
fn tenants_are_served_alike_in_rows() {
    let mut queue = Queue::default();
    for call in 0..100 {
        queue.push_again(of(Tenant(7), 1, call), of_rows(1), 7);
    }
    for call in 0..20 {
        queue.push_again(of(Tenant(9), 1, 200 + call), of_rows(4), 9);
    }
    let mut served = [0_u32; 2];
    for _ in 0..50 {
        let tenant = queue.pop().unwrap();
        served[usize::from(tenant == 9)] += if tenant == 9 { 4 } else { 1 };
    }
    assert_eq!(served, [40, 40]);
    // Who comes now waits for one turn of each.
    queue.push_again(of(Tenant(1), 1, 999), of_rows(1), 1);
    assert!(
        queue.rows_before(of(Tenant(1), 1, 1000)) <= 3,
        "one more would wait for two of the others, and the first"
    );
    let turn = (1..).find(|_| queue.pop() == Some(1)).unwrap();
    assert!(turn <= 3, "{turn}");
}

#[test]
fn one_tenant_leaves_room_for_others() {
    let room = Room { rows: 16, shared: true };
    let mut queue = Queue::default();
    let mut number = 0;
    let mut fill = |queue: &mut Queue<u64>, tenant| {
        let mut rows = 0;
        loop {
            number += 1;
            if queue.push(of(Tenant(tenant), 1, number), of_rows(1), tenant, room).is_err() {
                return rows;
            }
            rows += 1;
        }
    };
    assert_eq!([1, 2, 3, 4].map(|tenant| fill(&mut queue, tenant)), [8, 4, 2, 1]);
}

#[test]
fn who_leaves_takes_his_turn_with_him() {
    let mut queue = Queue::default();
    queue.push_again(of(Tenant(1), 1, 1), of_rows(1), 1);
    queue.push_again(of(Tenant(2), 1, 2), of_rows(1), 2);
    assert_eq!(queue.remove(of(Tenant(1), 1, 1)), Some(1));
    assert_eq!((queue.pop(), queue.pop(), queue.rows()), (Some(2), None, 0));
    let level = queue.levels.get(&1).unwrap();
    assert!(level.tenants.is_empty() && level.turns.is_empty() && level.clock == 0);
}

proptest::proptest! {
    /// Whatever comes and goes: counts are true, everybody leaves once, and nothing stays behind.
    #[test]
    fn nobody_is_lost(steps in proptest::collection::vec((0..4_u8, 0..5_u64, 1..3_u8, 0..20_u64, 1..6_u32), 0..200)) {
        let mut queue = Queue::default();
        let mut there = BTreeMap::new();
        for (step, tenant, level, call, rows) in steps {
            let place = of(Tenant(tenant), level, call);
            let key = (level, tenant, call);
            match step {
                0 | 1 => {
                    queue.push_again(place, of_rows(rows), key);
                    there.insert(key, rows);
                }
                2 => {
                    let removed = queue.remove(place);
                    proptest::prop_assert_eq!(removed.is_some(), there.remove(&key).is_some());
                }
                _ => {
                    let first = queue.first().map(|(_, key)| *key);
                    let popped = queue.pop();
                    proptest::prop_assert_eq!(first, popped);
                    proptest::prop_assert!(popped.is_none_or(|key| there.remove(&key).is_some()));
                }
            }
            let rows: u64 = there.values().map(|rows| u64::from(*rows)).sum();
            proptest::prop_assert_eq!((queue.len(), queue.rows()), (there.len(), rows));
        }
        while let Some(key) = queue.pop() {
            proptest::prop_assert!(there.remove(&key).is_some());
        }
        proptest::prop_assert!(there.is_empty() && queue.is_empty());
    }
}

/// One tenant's requests cost ten times as much as another's: it gets a tenth as many.
#[test]
fn tenants_are_served_alike_in_what_their_requests_cost() {
    let mut queue = Queue::default();
    for call in 0..100 {
        for (tenant, cost) in [(1, 10), (2, 100)] {
            let size = Size { rows: Rows::new(1), cost };
            queue.push_again(of(Tenant(tenant), 1, 1_000 * tenant + call), size, tenant);
        }
    }
    let first: Vec<_> = std::iter::from_fn(|| queue.pop()).take(55).collect();
    assert_eq!(first.iter().filter(|tenant| **tenant == 2).count(), 5);
}
