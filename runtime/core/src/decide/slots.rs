//! The slots of a stateful version in one host: which sequences are at work, whose turn it is in each, and who waits for
//! a slot.
//!
//! A sequence has a slot from its first request until its last one has run, or until it has asked nothing for so long
//! that it is forgotten. Of each no more than one request is out: waiting to be batched, or in the model. Others of it
//! wait here in the order in which they came, whatever their priorities and deadlines. All of it costs a hash and the
//! logarithm of how many sequences there are.

use super::{
    behind::Behind,
    lobby::Lobby,
    rank::Rank,
    turns::{Entered, Moved, Over},
};
use crate::base::{
    sequence::{Correlation, CorrelationId},
    units::Tick,
};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// `T` is a request, `S` what a model keeps of a sequence.
#[derive(Debug)]
pub struct Slots<T, S> {
    most: usize,
    idle: Duration,
    /// The last one is held.
    slots: Vec<Option<Held<T, S>>>,
    /// Those among them that are not.
    free: BTreeSet<u32>,
    /// Keys are callers' choice, so they are hashed with a secret.
    known: HashMap<CorrelationId, u32>,
    /// Slots of which nothing is out, and since when.
    quiet: BTreeSet<(Tick, u32)>,
    /// Slots in which somebody waits.
    queued: BTreeSet<u32>,
    /// Whoever has none.
    lobby: Lobby<T>,
    /// Of sequences that are over. To drop it may be work, which whoever holds a lock leaves for later.
    dropped: Vec<Arc<S>>,
}

#[derive(Debug)]
struct Held<T, S> {
    id: CorrelationId,
    /// `None`: one is out.
    quiet_since: Option<Tick>,
    behind: Behind<T>,
    state: Arc<S>,
}

impl<T, S: Default> Slots<T, S> {
    pub fn new(most: u32, idle: Duration) -> Slots<T, S> {
        Slots {
            most: usize::try_from(most).unwrap_or(usize::MAX),
            idle,
            slots: Vec::new(),
            free: BTreeSet::new(),
            known: HashMap::new(),
            quiet: BTreeSet::new(),
            queued: BTreeSet::new(),
            lobby: Lobby::default(),
            dropped: Vec::new(),
        }
    }

    /// `rank`: among first requests that wait for a slot.
    pub fn enter(&mut self, one: Correlation, rank: Rank, item: T, now: Tick) -> Entered<T> {
        if let Some(slot) = self.known.get(&one.id).copied() {
            if !self.is_expired(slot, now) {
                return self.join(slot, one, item);
            }
            self.release(slot);
        }
        let Err((one, item)) = self.lobby.join(one, item) else { return Entered::Waits };
        if !one.start {
            return Entered::NotStarted(item);
        }
        match self.lobby.is_empty().then(|| self.take(&one.id)).flatten() {
            Some(slot) => Entered::Ready(slot, item),
            None => {
                self.lobby.enter(one, rank, item);
                Entered::Waits
            }
        }
    }

    /// The request of this slot runs now. What the model keeps of its sequence; a first one begins anew.
    pub fn run(&mut self, slot: u32, start: bool) -> Arc<S> {
        let Some(held) = self.held(slot) else { return Arc::default() };
        if !start {
            return Arc::clone(&held.state);
        }
        let fresh = Arc::<S>::default();
        let old = std::mem::replace(&mut held.state, Arc::clone(&fresh));
        self.dropped.push(old);
        fresh
    }

    /// The request that was out in this slot has ended.
    pub fn over(&mut self, slot: u32, how: Over, now: Tick) -> Moved<T> {
        let mut moved = Moved::default();
        let Some(held) = self.slots.get_mut(index(slot)).and_then(Option::as_mut) else { return moved };
        let goes_on = !matches!(how, Over::Ran { end: true } | Over::Left { start: true });
        while let Some((one, item)) = held.behind.pop() {
            if goes_on || one.start {
                moved.ready.push((slot, item));
                break;
            }
            moved.not_started.push((one, item));
        }
        if held.behind.is_empty() {
            self.queued.remove(&slot);
        }
        if !moved.ready.is_empty() {
            return moved;
        }
        if goes_on && !held.behind.is_lost() {
            self.quiet.insert((now, slot));
            held.quiet_since = Some(now);
        } else {
            self.release(slot);
            self.let_in(&mut moved);
        }
        moved
    }

    /// Forgets who has asked nothing for too long.
    pub fn expire(&mut self, now: Tick) -> Moved<T> {
        let mut moved = Moved::default();
        while let Some((since, slot)) = self.quiet.first().copied() {
            if since.plus(self.idle) > now {
                break;
            }
            self.release(slot);
        }
        self.let_in(&mut moved);
        moved
    }

    /// When somebody may have to be forgotten; `None` while nobody is quiet.
    pub fn next_expiry(&self) -> Option<Tick> {
        self.quiet.first().map(|(since, _)| since.plus(self.idle))
    }

    /// One that waits here leaves. Those that wait are searched, of which a window bounds how many there are.
    /// With it those that would go on with what it was to begin.
    pub fn remove(&mut self, is_it: impl Fn(&T) -> bool) -> Option<(T, Vec<(Correlation, T)>)> {
        let found = self.queued.iter().find_map(|slot| {
            let behind = &mut self.slots.get_mut(index(*slot))?.as_mut()?.behind;
            behind.take(&is_it).map(|taken| (*slot, behind.is_empty(), taken))
        });
        let Some((slot, is_last, taken)) = found else { return self.lobby.remove(is_it) };
        if is_last {
            self.queued.remove(&slot);
        }
        Some(taken)
    }

    /// Those that wait for a slot leave.
    pub fn clear_lobby(&mut self) -> impl Iterator<Item = T> + use<T, S> {
        self.lobby.clear()
    }

    /// All that wait leave.
    pub fn clear(&mut self) -> Vec<T> {
        self.queued.clear();
        let behind = self.slots.iter_mut().flatten().flat_map(|held| std::mem::take(&mut held.behind));
        let behind: Vec<_> = behind.map(|(_, item)| item).collect();
        behind.into_iter().chain(self.clear_lobby()).collect()
    }

    /// What was kept of sequences that are over.
    pub fn take_dropped(&mut self) -> Vec<Arc<S>> {
        std::mem::take(&mut self.dropped)
    }

    pub fn is_waited_for(&self) -> bool {
        !self.lobby.is_empty() || !self.queued.is_empty()
    }

    /// Sequences that are at work.
    pub fn at_work(&self) -> usize {
        self.known.len()
    }

    /// Slots up to the last one that is held.
    pub fn rows(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    fn held(&mut self, slot: u32) -> Option<&mut Held<T, S>> {
        self.slots.get_mut(index(slot))?.as_mut()
    }

    fn is_expired(&mut self, slot: u32, now: Tick) -> bool {
        let idle = self.idle;
        self.held(slot).and_then(|held| held.quiet_since).is_some_and(|since| since.plus(idle) <= now)
    }

    /// One of a sequence that has a slot.
    fn join(&mut self, slot: u32, one: Correlation, item: T) -> Entered<T> {
        let Some(held) = self.held(slot) else { return Entered::NotStarted(item) };
        if let Some(since) = held.quiet_since.take() {
            self.quiet.remove(&(since, slot));
            return Entered::Ready(slot, item);
        }
        if let Err((_, item)) = held.behind.push(one, item) {
            return Entered::NotStarted(item);
        }
        self.queued.insert(slot);
        Entered::Waits
    }

    /// The lowest slot, so that rows of all slots are few.
    fn take(&mut self, id: &CorrelationId) -> Option<u32> {
        let slot = match self.free.pop_first() {
            Some(slot) => slot,
            None if self.slots.len() < self.most => {
                self.slots.push(None);
                self.rows() - 1
            }
            None => return None,
        };
        let (id, behind) = (id.clone(), Behind::default());
        self.known.insert(id.clone(), slot);
        let held = Held { id, quiet_since: None, behind, state: Arc::default() };
        *self.slots.get_mut(index(slot))? = Some(held);
        Some(slot)
    }

    fn release(&mut self, slot: u32) {
        let Some(held) = self.slots.get_mut(index(slot)).and_then(Option::take) else { return };
        self.known.remove(&held.id);
        if let Some(since) = held.quiet_since {
            self.quiet.remove(&(since, slot));
        }
        self.dropped.push(held.state);
        self.free.insert(slot);
        while self.slots.pop_if(|slot| slot.is_none()).is_some() {
            self.free.remove(&self.rows());
        }
    }

    /// Whoever waits for a slot, and finds one.
    fn let_in(&mut self, moved: &mut Moved<T>) {
        while self.known.len() < self.most
            && let Some(mut list) = self.lobby.pop()
        {
            // The first one begins it: who would go on with one that left has left with it.
            if let Some((one, item)) = list.pop()
                && let Some(slot) = self.take(&one.id)
            {
                if !list.is_empty() {
                    self.queued.insert(slot);
                }
                self.held(slot).into_iter().for_each(|held| held.behind = std::mem::take(&mut list));
                moved.ready.push((slot, item));
            }
        }
    }
}

fn index(slot: u32) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[path = "slots_tests.rs"]
mod tests;
