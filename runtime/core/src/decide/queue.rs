//! Calls that wait for a carrier with room: ranked, bounded in rows, fair between tenants, and left at once by who gives
//! up. All of it costs the logarithm of how many wait.
//!
//! Between the tenants of a level the turn goes by what they were served, in rows or in whatever their model counts:
//! self-clocked fair queueing (Golestani,
//! "A self-clocked fair queueing scheme for broadband applications", INFOCOM 1994). Within a tenant the rank decides.

use super::{plan::Size, rank::Rank};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};

/// Calls of other levels that go by before one of a level whose turn it is not goes all the same.
const MOST_PASSED: u32 = 31;

/// Whom a call is for, as a number that nobody outside can choose; all calls of a model without tenants are of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tenant(pub u64);

/// A call's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub tenant: Tenant,
    pub rank: Rank,
}

/// What a level has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub rows: u32,
    /// Tenants share it: one may have as much as is left for the others, so that who comes next finds room
    /// (Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", 1998).
    pub shared: bool,
}

#[derive(Debug)]
struct Waiting<T> {
    entries: BTreeMap<Rank, (Size, T)>,
    rows: u64,
    /// Where its first one ends, on the level's clock.
    turn: u64,
}

#[derive(Debug)]
struct Level<T> {
    tenants: BTreeMap<Tenant, Waiting<T>>,
    /// Whose turn comes first.
    turns: BTreeSet<(u64, Tenant)>,
    /// The turn that was served last.
    clock: u64,
    rows: u64,
    /// Calls of higher levels that went since one of this did, or since this one has been waiting.
    passed: u32,
}

#[derive(Debug)]
pub struct Queue<T> {
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
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Of levels that go before it, and of its own as many as its tenant's turn leaves before it.
    pub fn rows_before(&self, place: Place) -> u64 {
        let above: u64 = self.levels.range(..place.rank.level).map(|(_, level)| level.rows).sum();
        let own = self.levels.get(&place.rank.level).map_or(0, |level| level.before(place.tenant));
        above + own
    }

    /// Hands the item back, and how many rows wait, if there would be more than there is room for. Each level has room
    /// for itself: nobody finds the queue full of what is less important.
    pub fn push(&mut self, place: Place, size: Size, item: T, room: Room) -> Result<(), (T, u64)> {
        let level = self.level(place.rank.level);
        let free = u64::from(room.rows).saturating_sub(level.rows);
        let own = if room.shared { level.rows_of(place.tenant) } else { 0 };
        if own + rows(size) > free {
            let waiting = if room.shared { own } else { level.rows };
            return Err((item, waiting));
        }
        self.push_again(place, size, item);
        Ok(())
    }

    /// For who was admitted before: beyond the bound, but never more than carriers' windows hold.
    pub fn push_again(&mut self, place: Place, size: Size, item: T) {
        // Ranks are unique; were one not, the counts would still be true.
        drop(self.remove(place));
        self.level(place.rank.level).insert(place, size, item);
        self.rows += rows(size);
        self.len += 1;
    }

    pub fn remove(&mut self, place: Place) -> Option<T> {
        let level = self.levels.get_mut(&place.rank.level)?;
        let (size, item) = level.remove(place)?;
        self.rows -= rows(size);
        self.len -= 1;
        Some(item)
    }

    /// Who is next, and the level as one of which he goes: the highest that waits, though he be of a lower one. Nobody of
    /// his level and tenant overtakes: a large request must not starve.
    pub fn first(&mut self) -> Option<(u8, &mut T)> {
        let next = self.next()?;
        let (highest, _) = self.levels.iter().find(|(_, level)| level.rows_wait())?;
        let highest = *highest;
        let level = self.levels.get_mut(&next)?;
        let (_, tenant) = level.turns.first()?;
        let (_, (_, item)) = level.tenants.get_mut(tenant)?.entries.iter_mut().next()?;
        Some((highest, item))
    }

    pub fn pop(&mut self) -> Option<T> {
        let next = self.next()?;
        let level = self.levels.get_mut(&next)?;
        let (size, item) = level.pop()?;
        level.passed = 0;
        let lower = self.levels.range_mut((Excluded(next), Unbounded)).map(|(_, level)| level);
        lower.filter(|level| level.rows_wait()).for_each(|level| level.passed += 1);
        self.rows -= rows(size);
        self.len -= 1;
        Some(item)
    }

    /// The highest level with somebody in it, unless another has been passed too often.
    fn next(&self) -> Option<u8> {
        let waits = |(_, level): &(&u8, &Level<T>)| level.rows_wait();
        let starves = |found: &(&u8, &Level<T>)| waits(found) && found.1.passed >= MOST_PASSED;
        let found = self.levels.iter().find(starves).or_else(|| self.levels.iter().find(waits));
        found.map(|(level, _)| *level)
    }

    fn level(&mut self, level: u8) -> &mut Level<T> {
        self.levels.entry(level).or_insert_with(|| Level {
            tenants: BTreeMap::new(),
            turns: BTreeSet::new(),
            clock: 0,
            rows: 0,
            passed: 0,
        })
    }
}

impl<T> Level<T> {
    fn rows_wait(&self) -> bool {
        !self.turns.is_empty()
    }

    fn rows_of(&self, tenant: Tenant) -> u64 {
        self.tenants.get(&tenant).map_or(0, |waiting| waiting.rows)
    }

    /// Rows that go before one more of this tenant: as many of each other, at most, as of its own.
    fn before(&self, tenant: Tenant) -> u64 {
        let own = self.tenants.get(&tenant);
        let others = self.tenants.len() - usize::from(own.is_some());
        let own = own.map_or(0, |waiting| waiting.rows);
        let others = u64::try_from(others).unwrap_or(u64::MAX).saturating_mul(own.max(1));
        self.rows.min(own.saturating_add(others))
    }

    fn insert(&mut self, place: Place, size: Size, item: T) {
        self.rows += rows(size);
        let (clock, turns) = (self.clock, &mut self.turns);
        let waiting = self.tenants.entry(place.tenant).or_insert_with(|| {
            let turn = clock.saturating_add(size.weight());
            turns.insert((turn, place.tenant));
            Waiting { entries: BTreeMap::new(), rows: 0, turn }
        });
        waiting.rows += rows(size);
        waiting.entries.insert(place.rank, (size, item));
    }

    fn remove(&mut self, place: Place) -> Option<(Size, T)> {
        let waiting = self.tenants.get_mut(&place.tenant)?;
        let (size, item) = waiting.entries.remove(&place.rank)?;
        waiting.rows -= rows(size);
        self.rows -= rows(size);
        if waiting.entries.is_empty() {
            self.turns.remove(&(waiting.turn, place.tenant));
            self.tenants.remove(&place.tenant);
            self.emptied();
        }
        Some((size, item))
    }

    fn pop(&mut self) -> Option<(Size, T)> {
        let (turn, tenant) = self.turns.pop_first()?;
        self.clock = turn;
        let waiting = self.tenants.get_mut(&tenant)?;
        let (_, (size, item)) = waiting.entries.pop_first()?;
        waiting.rows -= rows(size);
        self.rows -= rows(size);
        if let Some((_, (next, _))) = waiting.entries.first_key_value() {
            waiting.turn = turn.saturating_add(next.weight());
            self.turns.insert((waiting.turn, tenant));
        } else {
            self.tenants.remove(&tenant);
            self.emptied();
        }
        Some((size, item))
    }

    /// The clock begins anew when nobody waits.
    fn emptied(&mut self) {
        if self.turns.is_empty() {
            (self.clock, self.passed) = (0, 0);
        }
    }
}

fn rows(size: Size) -> u64 {
    size.rows.get().into()
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
