//! Users who are listened to, and which were heard.
//!
//! Bounded, and never to the favour of one version: whom there is no place for is decided by hashes of who asks and by
//! when others came, which nothing that a version does changes. He is left out for good, for else those who ask often
//! would be heard more often where there are more of them.

use crate::base::units::{Tick, User};
use std::time::Duration;

/// What a user says is the share of his first requests that were bad: of so many by one number,
const REQUESTS: u8 = 20;
/// or of as many as he makes within so long after the first.
const WINDOW: Duration = Duration::from_secs(60);
/// Users who are listened to at once; some tens of bytes each.
const SEATS: usize = 8192;
/// Seats that a user may have.
const CHOICE: usize = 4;
/// Who was heard is remembered by a bit; half a megabyte. After a million users a fifth of those who come have the bit of
/// another, and are left out.
const BITS: u64 = 1 << 22;

/// By each number how bad something was, from 0 to 1, where it says anything of that.
pub(super) type Said<const N: usize> = [Option<f64>; N];

/// Numbers of which nothing was said.
pub(super) const fn nothing<const N: usize>() -> Said<N> {
    [None; N]
}

#[derive(Debug)]
pub(super) struct Seats<const N: usize> {
    taken: Vec<Option<Heard<N>>>,
    known: Vec<u64>,
}

/// What one user has said so far.
#[derive(Debug)]
struct Heard<const N: usize> {
    user: User,
    since: Tick,
    counts: [u8; N],
    bad: [f64; N],
}

/// What is known once somebody was listened to.
#[derive(Debug, PartialEq)]
pub(super) struct Spoken<const N: usize> {
    /// What he has said for the first time.
    pub(super) first: Said<N>,
    /// All that one has said who will say no more: it may be another, whose seat he has now.
    pub(super) whole: Option<Said<N>>,
}

impl<const N: usize> Default for Seats<N> {
    fn default() -> Seats<N> {
        Seats {
            taken: std::iter::repeat_with(|| None).take(SEATS).collect(),
            known: vec![0; usize::try_from(BITS / 64).unwrap_or_default()],
        }
    }
}

impl<const N: usize> Seats<N> {
    /// Who has no value that sticks is divided by the dice each time, and is somebody else each time.
    pub(super) fn heard(&mut self, user: Option<User>, said: &Said<N>, now: Tick) -> Spoken<N> {
        let Some(user) = user else { return Spoken { first: *said, whole: Some(*said) } };
        let unheard = Spoken { first: nothing(), whole: None };
        let first = place(user, SEATS / CHOICE) * CHOICE;
        let Some(seats) = self.taken.get_mut(first..first + CHOICE) else { return unheard };
        let mine = seats.iter().position(|seat| seat.as_ref().is_some_and(|heard| heard.user == user));
        let free = || seats.iter().position(|seat| seat.as_ref().is_none_or(|heard| heard.is_over(now)));
        let Some(seat) = mine.or_else(free).and_then(|at| seats.get_mut(at)) else {
            mark(&mut self.known, user);
            return unheard;
        };
        let over = seat.take_if(|heard| heard.is_over(now));
        if seat.is_none() && mark(&mut self.known, user) {
            *seat = Some(Heard::new(user, now));
        }
        let first = seat.as_mut().map_or_else(nothing, |heard| heard.hears(said));
        // Of one that begins now another was over, if any.
        let over = over.or_else(|| seat.take_if(|heard| heard.is_whole()));
        Spoken { first, whole: over.map(|heard| heard.shares()) }
    }

    /// Of those whose time is over.
    pub(super) fn overdue(&mut self, now: Tick) -> Vec<Said<N>> {
        let over = self.taken.iter_mut().filter_map(|seat| seat.take_if(|heard| heard.is_over(now)));
        over.map(|heard| heard.shares()).collect()
    }
}

/// Among so many, by the higher bits of a user's hash.
fn place(user: User, among: usize) -> usize {
    let User(hash) = user;
    let among = u64::try_from(among).unwrap_or(u64::MAX);
    usize::try_from((hash.get() >> 32) % among.max(1)).unwrap_or_default()
}

/// By the lower bits. False: it was.
fn mark(known: &mut [u64], user: User) -> bool {
    let User(hash) = user;
    let bit = hash.get() % BITS;
    let Some(word) = usize::try_from(bit / 64).ok().and_then(|at| known.get_mut(at)) else { return false };
    let mask = 1 << (bit % 64);
    let is_new = *word & mask == 0;
    *word |= mask;
    is_new
}

impl<const N: usize> Heard<N> {
    fn new(user: User, since: Tick) -> Heard<N> {
        Heard { user, since, counts: [0; N], bad: [0.0; N] }
    }

    fn is_over(&self, now: Tick) -> bool {
        now.since(self.since) >= WINDOW
    }

    /// Of one number he has said enough: others are of the same requests.
    fn is_whole(&self) -> bool {
        self.counts.iter().any(|count| *count >= REQUESTS)
    }

    /// Returns what he had not said before.
    fn hears(&mut self, said: &Said<N>) -> Said<N> {
        let mut first = *said;
        let numbers = self.counts.iter_mut().zip(&mut self.bad).zip(&mut first);
        for ((count, bad), said) in numbers {
            let Some(share) = *said else { continue };
            if *count > 0 {
                *said = None;
            }
            *count = count.saturating_add(1);
            *bad += share;
        }
        first
    }

    fn shares(&self) -> Said<N> {
        let mut shares = nothing();
        for ((share, count), bad) in shares.iter_mut().zip(self.counts).zip(self.bad) {
            *share = (count > 0).then(|| (bad / f64::from(count)).min(1.0));
        }
        shares
    }
}

#[cfg(test)]
#[path = "seats_tests.rs"]
mod tests;
