//! Sequences that wait for a slot, each with its requests in the order in which they came.

use super::{behind::Behind, rank::Rank};
use crate::base::sequence::{Correlation, CorrelationId};
use std::collections::{BTreeMap, HashMap};

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

    /// Behind the others of its sequence. Gives it back if none are here that it could go on with.
    pub(super) fn join(&mut self, one: Correlation, item: T) -> Result<(), (Correlation, T)> {
        match self.places.get(&one.id).and_then(|rank| self.lists.get_mut(rank)) {
            Some(list) => list.push(one, item),
            None => Err((one, item)),
        }
    }

    /// A sequence of which none are here.
    pub(super) fn enter(&mut self, one: Correlation, rank: Rank, item: T) {
        self.places.insert(one.id.clone(), rank);
        self.lists.insert(rank, Behind::of(one, item));
    }

    /// The requests of the sequence that goes first.
    pub(super) fn pop(&mut self) -> Option<Behind<T>> {
        let (_, list) = self.lists.pop_first()?;
        if let Some(one) = list.first() {
            self.places.remove(&one.id);
        }
        Some(list)
    }

    /// One leaves, and those that would go on with it. They are searched.
    pub(super) fn remove(&mut self, is_it: impl Fn(&T) -> bool) -> Option<(T, Vec<(Correlation, T)>)> {
        let mut lists = self.lists.iter_mut();
        let (rank, id, taken) = lists.find_map(|(rank, list)| {
            let id = list.first().map(|one| one.id.clone())?;
            list.take(&is_it).map(|taken| (*rank, id, taken))
        })?;
        if self.lists.get(&rank).is_some_and(Behind::is_empty) {
            self.lists.remove(&rank);
            self.places.remove(&id);
        }
        Some(taken)
    }

    pub(super) fn clear(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.places.clear();
        std::mem::take(&mut self.lists).into_values().flatten().map(|(_, item)| item)
    }
}
