//! Replies in the order of what they reply to, whatever the order in which they come.

use std::collections::BTreeMap;

#[derive(Debug)]
pub(super) struct Line<T> {
    /// Came before those that they stand behind. `None`: has left the line.
    waiting: BTreeMap<u64, Option<T>>,
    begun: u64,
    next: u64,
}

impl<T> Default for Line<T> {
    fn default() -> Line<T> {
        Line { waiting: BTreeMap::new(), begun: 0, next: 0 }
    }
}

impl<T> Line<T> {
    /// The place of the next in the line.
    pub(super) fn place(&mut self) -> u64 {
        self.begun += 1;
        self.begun - 1
    }

    /// `None`: nobody has to wait for it.
    pub(super) fn came(&mut self, place: u64, reply: Option<T>) {
        self.waiting.insert(place, reply);
    }

    /// The next whose turn it is, if it has come.
    pub(super) fn pop(&mut self) -> Option<T> {
        while let Some(reply) = self.waiting.remove(&self.next) {
            self.next += 1;
            if reply.is_some() {
                return reply;
            }
        }
        None
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_early_waits_and_who_left_is_waited_for_by_nobody() {
        let mut line = Line::default();
        let places: Vec<_> = (0..5).map(|_| line.place()).collect();
        assert_eq!(places, [0, 1, 2, 3, 4]);
        line.came(2, Some('c'));
        line.came(1, None);
        assert_eq!((line.pop(), line.len()), (None, 2));
        line.came(0, Some('a'));
        assert_eq!([line.pop(), line.pop(), line.pop()], [Some('a'), Some('c'), None]);
        line.came(4, None);
        line.came(3, None);
        assert_eq!((line.pop(), line.len()), (None, 0));
    }
}
