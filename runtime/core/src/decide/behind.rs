//! Requests of one sequence that wait behind each other, in the order in which they came.

use crate::base::sequence::Correlation;
use std::collections::{VecDeque, vec_deque};

#[derive(Debug)]
pub(super) struct Behind<T> {
    list: VecDeque<(Correlation, T)>,
    /// A first request left after all that are here: what goes on with it has nothing to go on with.
    lost: bool,
}

impl<T> Default for Behind<T> {
    fn default() -> Behind<T> {
        Behind { list: VecDeque::new(), lost: false }
    }
}

impl<T> Behind<T> {
    pub(super) fn of(one: Correlation, item: T) -> Behind<T> {
        Behind { list: VecDeque::from([(one, item)]), lost: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// A request that is not a first one would go on with what was never begun.
    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    /// A first request ended, before it ran, that came after all that are here.
    pub(super) fn lose(&mut self) {
        self.lost = true;
    }

    pub(super) fn first(&self) -> Option<&Correlation> {
        self.list.front().map(|(one, _)| one)
    }

    /// Gives it back if it goes on with what is lost.
    pub(super) fn push(&mut self, one: Correlation, item: T) -> Result<(), (Correlation, T)> {
        if self.lost && !one.start {
            return Err((one, item));
        }
        self.lost = false;
        self.list.push_back((one, item));
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Option<(Correlation, T)> {
        self.list.pop_front()
    }

    /// One leaves, and with a first one those that would go on with it.
    pub(super) fn take(&mut self, is_it: impl Fn(&T) -> bool) -> Option<(T, Vec<(Correlation, T)>)> {
        let at = self.list.iter().position(|(_, item)| is_it(item))?;
        let (one, item) = self.list.remove(at)?;
        let lost = if one.start { self.take_goers_on(at) } else { Vec::new() };
        Some((item, lost))
    }

    /// Those that go on with a first request that was before place `at`, and is no more.
    pub(super) fn take_goers_on(&mut self, at: usize) -> Vec<(Correlation, T)> {
        let goes_on = |(one, _): &&(Correlation, T)| !one.start;
        let count = self.list.iter().skip(at).take_while(goes_on).count();
        self.lost |= at + count == self.list.len();
        self.list.drain(at..at + count).collect()
    }
}

impl<T> IntoIterator for Behind<T> {
    type Item = (Correlation, T);
    type IntoIter = vec_deque::IntoIter<(Correlation, T)>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}
