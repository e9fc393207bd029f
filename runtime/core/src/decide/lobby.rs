//! Sequences that wait for a slot, each with its requests in the order in which they came.

use super::rank::Rank;
use crate::base::sequence::{Correlation, CorrelationId};
use std::collections::{BTreeMap, HashMap, VecDeque};

pub(super) type Behind<T> = VecDeque<(Correlation, T)>;

#[derive(Debug)]
pub(super) struct Lobby<T> {
    lists: BTreeMap<Rank, Behind<T>>,
    /// Keys are callers' choice, so they are hashed with a secret.
    places: HashMap<CorrelationId, Rank>,
}

impl<T> Default for Lobby<T> {
    fn default() -> Lobby<T> {
        Lobby { lists: BTreeMap::new(), places: HashMap::new() }
    }
}

impl<T> Lobby<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// Behind the others of its sequence. Gives it back if none are here.
    pub(super) fn join(&mut self, one: Correlation, item: T) -> Option<(Correlation, T)> {
        match self.places.get(&one.id).and_then(|rank| self.lists.get_mut(rank)) {
            Some(list) => list.push_back((one, item)),
            None => return Some((one, item)),
        }
        None
    }

    /// A sequence of which none are here.
    pub(super) fn enter(&mut self, one: Correlation, rank: Rank, item: T) {
        self.places.insert(one.id.clone(), rank);
        self.lists.insert(rank, VecDeque::from([(one, item)]));
    }

    /// The requests of the sequence that goes first.
    pub(super) fn pop(&mut self) -> Option<Behind<T>> {
        let (_, list) = self.lists.pop_first()?;
        if let Some((one, _)) = list.front() {
            self.places.remove(&one.id);
        }
        Some(list)
    }

    /// They are searched.
    pub(super) fn remove(&mut self, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let mut lists = self.lists.iter_mut();
        let (rank, left, (one, item)) =
            lists.find_map(|(rank, list)| take_from(list, &is_it).map(|taken| (*rank, list.len(), taken)))?;
        if left == 0 {
            self.lists.remove(&rank);
            self.places.remove(&one.id);
        }
        Some(item)
    }

    pub(super) fn clear(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.places.clear();
        std::mem::take(&mut self.lists).into_values().flatten().map(|(_, item)| item)
    }
}

pub(super) fn take_from<T>(list: &mut Behind<T>, is_it: impl Fn(&T) -> bool) -> Option<(Correlation, T)> {
    let at = list.iter().position(|(_, item)| is_it(item))?;
    list.remove(at)
}
