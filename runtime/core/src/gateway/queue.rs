//! Calls that wait for a carrier with room: ranked, bounded in rows, and left at once by who gives up.

use crate::base::units::Rows;
use crate::decide::rank::Rank;
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

/// Calls of other levels that go by before one of a level whose turn it is not goes all the same.
const MOST_PASSED: u32 = 31;

#[derive(Debug)]
struct Level<T> {
    entries: BTreeMap<Rank, (Rows, T)>,
    rows: u64,
    /// Calls of higher levels that went since one of this did, or since this one has been waiting.
    passed: u32,
}

#[derive(Debug)]
pub(super) struct Queue<T> {
    /// The highest first. Few, and none goes once it is there.
    levels: BTreeMap<u8, Level<T>>,
    rows: u64,
    len: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Queue<T> {
        Queue { levels: BTreeMap::new(), rows: 0, len: 0 }
    }
}

impl<T> Queue<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Of levels that go before it, its own among them.
    pub(super) fn rows_before(&self, rank: Rank) -> u64 {
        self.levels.range(..=rank.level).map(|(_, level)| level.rows).sum()
    }

    /// Hands the item back, and how many rows of its level wait, if there would be more than `bound`. Each level has so
    /// much room for itself: nobody finds the queue full of what is less important.
    pub(super) fn push(&mut self, rank: Rank, rows: Rows, item: T, bound: u32) -> Result<(), (T, u64)> {
        let waiting = self.level(rank.level).rows;
        if waiting + u64::from(rows.get()) > u64::from(bound) {
            return Err((item, waiting));
        }
        self.push_again(rank, rows, item);
        Ok(())
    }

    /// For who was admitted before: beyond the bound, but never more than carriers' windows hold.
    pub(super) fn push_again(&mut self, rank: Rank, rows: Rows, item: T) {
        let level = self.level(rank.level);
        // Ranks are unique; were one not, the counts would still be true.
        let replaced = level.entries.insert(rank, (rows, item));
        let less = replaced.as_ref().map_or(0, |(rows, _)| u64::from(rows.get()));
        let more = u64::from(rows.get());
        level.rows = level.rows + more - less;
        self.rows = self.rows + more - less;
        self.len += usize::from(replaced.is_none());
    }

    pub(super) fn remove(&mut self, rank: Rank) -> Option<T> {
        let level = self.levels.get_mut(&rank.level)?;
        let (rows, item) = level.entries.remove(&rank)?;
        level.left(rows);
        self.rows -= u64::from(rows.get());
        self.len -= 1;
        Some(item)
    }

    /// Who is next, and the level as one of which he goes: the highest that waits, though he be of a lower one. Nobody of
    /// his level overtakes: a large request must not starve.
    pub(super) fn first(&mut self) -> Option<(u8, &mut T)> {
        let next = self.next()?;
        let (highest, _) = self.levels.iter().find(|(_, level)| !level.entries.is_empty())?;
        let highest = *highest;
        self.levels.get_mut(&next)?.entries.iter_mut().next().map(|(_, (_, item))| (highest, item))
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let next = self.next()?;
        let level = self.levels.get_mut(&next)?;
        let (_, (rows, item)) = level.entries.pop_first()?;
        level.left(rows);
        level.passed = 0;
        let lower = self.levels.range_mut((Excluded(next), Unbounded)).map(|(_, level)| level);
        lower.filter(|level| !level.entries.is_empty()).for_each(|level| level.passed += 1);
        self.rows -= u64::from(rows.get());
        self.len -= 1;
        Some(item)
    }

    /// The highest level with somebody in it, unless another has been passed too often.
    fn next(&self) -> Option<u8> {
        let waits = |(_, level): &(&u8, &Level<T>)| !level.entries.is_empty();
        let starves = |found: &(&u8, &Level<T>)| waits(found) && found.1.passed >= MOST_PASSED;
        let found = self.levels.iter().find(starves).or_else(|| self.levels.iter().find(waits));
        found.map(|(level, _)| *level)
    }

    fn level(&mut self, level: u8) -> &mut Level<T> {
        self.levels.entry(level).or_insert_with(|| Level { entries: BTreeMap::new(), rows: 0, passed: 0 })
    }
}

impl<T> Level<T> {
    fn left(&mut self, rows: Rows) {
        self.rows -= u64::from(rows.get());
        if self.entries.is_empty() {
            self.passed = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::units::Tick;
    use std::time::Duration;

    fn rank(level: u8, call: u64) -> Rank {
        Rank::new(level, Tick::default(), Tick::NEVER, call)
    }

    fn push(queue: &mut Queue<u64>, call: u64, rows: u32) -> bool {
        queue.push(rank(1, call), Rows::new(rows), call, 8).is_ok()
    }

    #[test]
    fn rows_are_bounded_and_given_back() {
        let mut queue = Queue::default();
        assert!(push(&mut queue, 1, 5) && push(&mut queue, 2, 3));
        assert!(!push(&mut queue, 3, 1), "full");
        assert_eq!(queue.remove(rank(1, 1)), Some(1));
        assert_eq!(queue.remove(rank(1, 1)), None);
        assert!(push(&mut queue, 3, 5) && queue.rows() == 8);
        assert_eq!((queue.first().map(|first| *first.1), queue.len()), (Some(2), 2));
        assert_eq!((queue.pop(), queue.pop(), queue.pop()), (Some(2), Some(3), None));
        assert_eq!((queue.rows(), queue.is_empty(), queue.first()), (0, true, None));
    }

    #[test]
    fn who_comes_back_goes_first_even_into_a_full_queue() {
        let mut queue = Queue::default();
        assert!(push(&mut queue, 5, 8));
        queue.push_again(rank(1, 2), Rows::new(4), 2);
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
            queue
                .push(Rank::new(level, Tick::default(), due(ms), call), Rows::new(4), call, 8)
                .map_err(|full| full.1)
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
            queue.push_again(rank(1, call), Rows::new(1), 1);
            queue.push_again(rank(3, 1000 + call), Rows::new(1), 3);
        }
        queue.push_again(rank(2, 500), Rows::new(1), 2);
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).take(70).collect();
        let places =
            |level| order.iter().enumerate().filter(move |(_, one)| **one == level).map(|(at, _)| at);
        assert_eq!(places(2).collect::<Vec<_>>(), [31]);
        assert_eq!(places(3).collect::<Vec<_>>(), [32, 64]);
    }
}
