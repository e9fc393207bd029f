//! Users as units of evidence. Where requests stick to a version by a value, whoever has it meets that version again and
//! again: he says one number by each metric, however many requests are his.
//!
//! Of what took too long, or found no room or no time, he speaks by the first of his requests that says anything of it: a
//! process that stands still makes everybody wait, and a full queue turns everybody away, so that when it was has to be
//! known. Of the latter all who speak in one second are a unit (`seconds.rs`).

use super::{
    ending::{Says, is_from_elsewhere},
    grouping::Marks,
    pool::{Pair, Pool},
    seats::{Said, Seats, Spoken, nothing},
};
use crate::base::units::{Tick, User};
use crate::decide::policy::Judged;

/// Of failures and of refusals: shares of a user's requests.
const MEANS: usize = 2;
/// These, then answers beyond each line, and at last what found no room or no time.
const NUMBERS: usize = MEANS + Judged::MOST_LINES + 1;

pub(super) type Shares = Said<NUMBERS>;

#[derive(Debug)]
pub(super) struct Users {
    seats: Seats<NUMBERS>,
    /// Of copies, by how they disagree. Their own, for only of one version a user has requests beside them.
    copied: Seats<1>,
    /// As many users are one unit as a run has rows.
    pools: [Pool; MEANS],
    pairs: Pool,
    /// The most rows of a run. How runs end is no matter: which rule counts a version must not depend on how it fares.
    rows: u32,
    /// The most of one that was compared with, whoever ran it.
    other_rows: u32,
}

impl Default for Users {
    fn default() -> Users {
        Users {
            seats: Seats::default(),
            copied: Seats::default(),
            pools: [Pool::default(); MEANS],
            pairs: Pool::default(),
            rows: 1,
            other_rows: 1,
        }
    }
}

impl Users {
    /// The model has run over so many rows.
    pub(super) fn ran(&mut self, rows: u32) {
        self.rows = self.rows.max(rows);
    }

    /// A request of a user ended. Returns what he said first, and units that are whole.
    pub(super) fn heard(&mut self, user: Option<User>, said: &Shares, now: Tick) -> Spoken<NUMBERS> {
        let Spoken { first, whole } = self.seats.heard(user, said, now);
        Spoken { first, whole: whole.map(|shares| self.pooled(shares)) }
    }

    /// A copy of one of his requests was answered. Returns a unit that is whole.
    pub(super) fn compared(&mut self, pair: &Pair, user: Option<User>, now: Tick) -> Option<f64> {
        let runs = pair.runs.iter().filter(|run| !is_from_elsewhere(run));
        self.other_rows = runs.fold(self.other_rows, |most, run| most.max(run.batch_rows));
        let whole = self.copied.heard(user, &[Some(pair.disagreement)], now).whole;
        whole.and_then(|said| self.pooled_pair(said))
    }

    /// Units of copies that are whole because time is over.
    pub(super) fn overdue_pairs(&mut self, now: Tick) -> Vec<f64> {
        let over = self.copied.overdue(now);
        over.into_iter().filter_map(|said| self.pooled_pair(said)).collect()
    }

    fn pooled_pair(&mut self, [disagreement]: Said<1>) -> Option<f64> {
        let size = self.rows.max(self.other_rows);
        disagreement.and_then(|share| self.pairs.add(share, size))
    }

    /// Units that are whole because time is over.
    pub(super) fn overdue(&mut self, now: Tick) -> Vec<Shares> {
        let over = self.seats.overdue(now);
        over.into_iter().map(|shares| self.pooled(shares)).collect()
    }

    fn pooled(&mut self, said: Shares) -> Shares {
        let mut whole = nothing();
        for ((pool, said), whole) in self.pools.iter_mut().zip(said).zip(&mut whole) {
            *whole = said.and_then(|share| pool.add(share, self.rows));
        }
        whole
    }
}

/// How a request ended, and by each line whether it was answered too late.
pub(super) fn said(says: Says, slow: Option<Marks>) -> Shares {
    let share = |of: &[Says], bad: Says| of.contains(&says).then(|| f64::from(says == bad));
    let mut shares: Shares = nothing();
    let [failed, refused, lines @ .., missed] = &mut shares;
    *failed = share(&[Says::Answered, Says::Failed], Says::Failed);
    *refused = share(&[Says::Answered, Says::Refused], Says::Refused);
    *missed = share(&[Says::Answered, Says::Failed, Says::Missed], Says::Missed);
    for (line, mark) in lines.iter_mut().zip(slow.into_iter().flatten()) {
        *line = Some(f64::from(mark));
    }
    shares
}

#[cfg(test)]
#[path = "users_tests.rs"]
mod tests;
