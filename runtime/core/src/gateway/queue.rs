//! Calls that wait for a carrier with room: ranked, bounded in rows, and left at once by who gives up.

use crate::base::units::{CallId, Rows};
use std::collections::BTreeMap;

/// Lower goes first. Arrival alone decides for now; priority and deadline will come before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    arrival: u64,
}

impl Rank {
    /// A call that is tried again keeps its rank, and so goes before all that came later.
    pub(super) fn of(call: CallId) -> Rank {
        Rank { arrival: call.0 }
    }
}

#[derive(Debug)]
pub(super) struct Queue<T> {
    entries: BTreeMap<Rank, (Rows, T)>,
    rows: u64,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Queue<T> {
        Queue { entries: BTreeMap::new(), rows: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Hands the item back if it would exceed `bound` rows.
    pub(super) fn push(&mut self, rank: Rank, rows: Rows, item: T, bound: u32) -> Result<(), T> {
        if self.rows + u64::from(rows.get()) > u64::from(bound) {
            return Err(item);
        }
        self.push_again(rank, rows, item);
        Ok(())
    }

    /// For who was admitted before: beyond the bound, but never more than carriers' windows hold.
    pub(super) fn push_again(&mut self, rank: Rank, rows: Rows, item: T) {
        self.rows += u64::from(rows.get());
        if let Some((rows, _)) = self.entries.insert(rank, (rows, item)) {
            self.rows -= u64::from(rows.get()); // ranks are unique; were one not, the count would still be true
        }
    }

    pub(super) fn remove(&mut self, rank: Rank) -> Option<T> {
        let (rows, item) = self.entries.remove(&rank)?;
        self.rows -= u64::from(rows.get());
        Some(item)
    }

    /// Who is next. Nobody overtakes: a large request must not starve.
    pub(super) fn first(&mut self) -> Option<&mut T> {
        self.entries.iter_mut().next().map(|(_, (_, item))| item)
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let (_, (rows, item)) = self.entries.pop_first()?;
        self.rows -= u64::from(rows.get());
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queue: &mut Queue<u64>, call: u64, rows: u32) -> bool {
        queue.push(Rank::of(CallId(call)), Rows::new(rows), call, 8).is_ok()
    }

    #[test]
    fn rows_are_bounded_and_given_back() {
        let mut queue = Queue::new();
        assert!(push(&mut queue, 1, 5) && push(&mut queue, 2, 3));
        assert!(!push(&mut queue, 3, 1), "full");
        assert_eq!(queue.remove(Rank::of(CallId(1))), Some(1));
        assert_eq!(queue.remove(Rank::of(CallId(1))), None);
        assert!(push(&mut queue, 3, 5) && queue.rows() == 8);
        assert_eq!((queue.first().copied(), queue.len()), (Some(2), 2));
        assert_eq!((queue.pop(), queue.pop(), queue.pop()), (Some(2), Some(3), None));
        assert_eq!((queue.rows(), queue.first()), (0, None));
    }

    #[test]
    fn who_comes_back_goes_first_even_into_a_full_queue() {
        let mut queue = Queue::new();
        assert!(push(&mut queue, 5, 8));
        queue.push_again(Rank::of(CallId(2)), Rows::new(4), 2);
        assert_eq!((queue.rows(), queue.pop(), queue.pop()), (12, Some(2), Some(5)));
    }
}
