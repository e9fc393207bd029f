//! Users as units of evidence. Where requests stick to a version by a value, whoever has it meets that version again and
//! again: he says one number by each metric, however many requests are his.
//!
//! What found no room or no time is the exception, for a full queue turns away everybody at once. Of that a user speaks by
//! the first of his requests that says anything of it, and all who do so in one second are a unit (`seconds.rs`): no user
//! weighs more than one, and no second does, whomever it hit.

use super::{
    ending::Says,
    grouping::Marks,
    pool::Pool,
    seats::{Said, Seats, Spoken, nothing},
};
use crate::base::units::{Tick, User};
use crate::decide::policy::Judged;

/// Of failures, of refusals, of answers that disagree, and of answers beyond each line: shares of a user's requests.
const MEANS: usize = 3 + Judged::MOST_LINES;
/// These, and at last what found no room or no time.
const NUMBERS: usize = MEANS + 1;

pub(super) type Shares = Said<NUMBERS>;

#[derive(Debug)]
pub(super) struct Users {
    seats: Seats<NUMBERS>,
    /// As many users are one unit as a run has rows.
    pools: [Pool; MEANS],
    /// The most rows of a run. How runs end is no matter: which rule counts a version must not depend on how it fares.
    rows: u32,
}

impl Default for Users {
    fn default() -> Users {
        Users { seats: Seats::default(), pools: [Pool::default(); MEANS], rows: 1 }
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
    let [failed, refused, _, lines @ .., missed] = &mut shares;
    *failed = share(&[Says::Answered, Says::Failed], Says::Failed);
    *refused = share(&[Says::Answered, Says::Refused], Says::Refused);
    *missed = share(&[Says::Answered, Says::Failed, Says::Missed], Says::Missed);
    for (line, mark) in lines.iter_mut().zip(slow.into_iter().flatten()) {
        *line = Some(f64::from(mark));
    }
    shares
}

/// Of an answer that was compared, how much of it says something else.
pub(super) fn disagreed(share: f64) -> Shares {
    let mut shares: Shares = nothing();
    let [_, _, disagreed, ..] = &mut shares;
    *disagreed = Some(share);
    shares
}

#[cfg(test)]
#[path = "users_tests.rs"]
mod tests;
