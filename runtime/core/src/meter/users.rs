//! Users as units of evidence. Where requests stick to a version by a value, whoever has it meets that version again and
//! again: he says one number by each metric, however many requests are his.
//!
//! Bounded, and never to the favour of one version: whom there is no place for is decided by hashes of who asks and by
//! when others came, which nothing that a version does changes. He is left out for good, for else those who ask often
//! would be heard more often where there are more of them.

use super::{ending::Says, grouping::Marks, pool::Pool};
use crate::base::units::{Tick, User};
use crate::decide::policy::Judged;
use std::time::Duration;

/// What a user says is the share of his first requests that were bad: of so many by one number,
const REQUESTS: u8 = 20;
/// or of as many as he makes within so long after the first.
const WINDOW: Duration = Duration::from_secs(60);
/// Users who are listened to at once; less than a megabyte.
const SEATS: usize = 8192;
/// Seats that a user may have.
const CHOICE: usize = 4;
/// Who was heard is remembered by a bit; half a megabyte. After a million users a fifth of those who come have the bit of
/// another, and are left out.
const BITS: u64 = 1 << 22;

/// Numbers that a user says: of failures, of what found no room or no time, of refusals, of answers that disagree, and of
/// answers beyond each line.
const NUMBERS: usize = 4 + Judged::MOST_LINES;
const DISAGREED: usize = 3;

/// By each metric how bad something was, from 0 to 1, where it says anything of that.
pub(super) type Shares = [Option<f64>; NUMBERS];

#[derive(Debug)]
pub(super) struct Users {
    seats: Vec<Option<Heard>>,
    known: Vec<u64>,
    /// As many users are one unit as a run has rows.
    pools: [Pool; NUMBERS],
    /// The most rows of a run. How runs end is no matter: which rule counts a version must not depend on how it fares.
    rows: u32,
}

/// What one user has said so far.
#[derive(Debug)]
struct Heard {
    user: User,
    since: Tick,
    counts: [u8; NUMBERS],
    bad: [f64; NUMBERS],
}

impl Default for Users {
    fn default() -> Users {
        Users {
            seats: std::iter::repeat_with(|| None).take(SEATS).collect(),
            known: vec![0; usize::try_from(BITS / 64).unwrap_or_default()],
            pools: [Pool::default(); NUMBERS],
            rows: 1,
        }
    }
}

impl Users {
    /// The model has run over so many rows.
    pub(super) fn ran(&mut self, rows: u32) {
        self.rows = self.rows.max(rows);
    }

    /// A request of a user ended. Who has no value that sticks is divided by the dice each time, and is somebody else each
    /// time. Returns units that are whole.
    pub(super) fn heard(&mut self, user: Option<User>, said: &Shares, now: Tick) -> Option<Shares> {
        let Some(user) = user else {
            return Some(self.pooled(*said));
        };
        let first = place(user, SEATS / CHOICE) * CHOICE;
        let seats = self.seats.get_mut(first..first + CHOICE)?;
        let mine = seats.iter().position(|seat| seat.as_ref().is_some_and(|heard| heard.user == user));
        let free = || seats.iter().position(|seat| seat.as_ref().is_none_or(|heard| heard.is_over(now)));
        let Some(seat) = mine.or_else(free).and_then(|at| seats.get_mut(at)) else {
            mark(&mut self.known, user);
            return None;
        };
        let over = seat.take_if(|heard| heard.is_over(now));
        if seat.is_none() && mark(&mut self.known, user) {
            *seat = Some(Heard::new(user, now));
        }
        if let Some(heard) = seat {
            heard.hears(said);
        }
        // Of one that begins now another was over, if any.
        let over = over.or_else(|| seat.take_if(|heard| heard.is_whole()));
        over.map(|heard| self.pooled(heard.shares()))
    }

    /// Units that are whole because time is over.
    pub(super) fn overdue(&mut self, now: Tick) -> Vec<Shares> {
        let over: Vec<_> =
            self.seats.iter_mut().filter_map(|seat| seat.take_if(|heard| heard.is_over(now))).collect();
        over.iter().map(|heard| self.pooled(heard.shares())).collect()
    }

    fn pooled(&mut self, said: Shares) -> Shares {
        let mut whole = Shares::default();
        for ((pool, said), whole) in self.pools.iter_mut().zip(said).zip(&mut whole) {
            *whole = said.and_then(|share| pool.add(share, self.rows));
        }
        whole
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

impl Heard {
    fn new(user: User, since: Tick) -> Heard {
        Heard { user, since, counts: [0; NUMBERS], bad: [0.0; NUMBERS] }
    }

    fn is_over(&self, now: Tick) -> bool {
        now.since(self.since) >= WINDOW
    }

    /// Of one number he has said enough: others are of the same requests.
    fn is_whole(&self) -> bool {
        self.counts.iter().any(|count| *count >= REQUESTS)
    }

    fn hears(&mut self, said: &Shares) {
        for ((count, bad), share) in self.counts.iter_mut().zip(&mut self.bad).zip(said) {
            if let Some(share) = share {
                *count = count.saturating_add(1);
                *bad += share;
            }
        }
    }

    fn shares(&self) -> Shares {
        let mut shares = Shares::default();
        for ((share, count), bad) in shares.iter_mut().zip(self.counts).zip(self.bad) {
            *share = (count > 0).then(|| (bad / f64::from(count)).min(1.0));
        }
        shares
    }
}

/// How a request ended, and by each line whether it was answered too late.
pub(super) fn said(says: Says, slow: Option<Marks>) -> Shares {
    let share = |of: &[Says], bad: Says| of.contains(&says).then(|| f64::from(says == bad));
    let mut shares = Shares::default();
    let ends = [
        share(&[Says::Answered, Says::Failed], Says::Failed),
        share(&[Says::Answered, Says::Failed, Says::Missed], Says::Missed),
        share(&[Says::Answered, Says::Refused], Says::Refused),
        None,
    ];
    let slow = slow.into_iter().flatten().map(|mark| Some(f64::from(mark)));
    for (share, said) in shares.iter_mut().zip(ends.into_iter().chain(slow)) {
        *share = said;
    }
    shares
}

/// Of an answer that was compared, how much of it says something else.
pub(super) fn disagreed(share: f64) -> Shares {
    let mut shares = Shares::default();
    if let Some(disagreed) = shares.get_mut(DISAGREED) {
        *disagreed = Some(share);
    }
    shares
}

#[cfg(test)]
#[path = "users_tests.rs"]
mod tests;
