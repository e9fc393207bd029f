//! Evidence about a version that is judged: units, of which each says one number from 0 (good) to 1 (bad).
//!
//! What happened once is one unit, however many callers were told: a run of the model, and for latency what one run
//! answered; or a user, where the table says so. Counted only while the policy table has the version as judged.

use super::{
    ending::{Says, is_from_elsewhere, says},
    grouping::{Cohort, Group, Marks, OpenRuns, Said, only},
    latency::Latencies,
    pool::{Pair, Pairs},
    seats::Spoken,
    seconds::Second,
    slowness::Slowness,
    together::{Stay, Together},
    users::{self, Shares, Users},
    version::Ended,
};
use crate::base::{
    call::{Execution, Sealed},
    units::{Tick, User, Version},
};
use crate::decide::policy::Judged;
use compact_str::CompactString;
use serde::Serialize;
use std::time::Duration;

/// How many there were, and how bad they were together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Units {
    pub count: u64,
    pub bad: f64,
}

impl Units {
    pub(super) fn add(&mut self, bad: f64) {
        self.count += 1;
        self.bad += bad;
    }
}

/// All that is known of a version since it is judged. Of the same `since`, in the same process, it only grows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    pub model: CompactString,
    pub version: Version,
    /// Which count of this version it is.
    pub since: u64,
    /// Whose count it is, as the table has it.
    pub rollout: u64,
    pub slow_ns: Vec<u64>,
    /// Of which step, where users are the units: of each what follows is the share of his requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users_at_step: Option<u32>,
    /// Runs of the model; bad are those that failed.
    pub runs: Units,
    /// Seconds in which requests ended, or where users are the units the first of each; bad is the share of them that it
    /// had no room or no time for.
    pub unserved: Units,
    /// Runs; bad is the share of a run's calls that the model refused for what they sent, of those that it has answered or
    /// refused. Whether callers are wrong one version alone cannot tell; two that serve the same callers can.
    pub refused: Units,
    /// By each line of `slow_ns`, runs, and bad is the share of their answers that took longer from arrival on; or users, by
    /// the first answer of each.
    pub slow: Vec<Units>,
    /// The most of these that waited at the same time.
    pub together: Together,
    /// Of a shadow, answers that were compared with those that callers had, as many together as one run has given; bad is
    /// the share of rows that say something else. Of who answered them, second answers to the same.
    pub agreement: Units,
    /// Answers by their time from arrival on: bucket (`meter/latency.rs`) and count, where there is any.
    pub latency: Vec<(usize, u64)>,
}

/// The counts of one version since it is judged so.
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) judged: Judged,
    runs: Units,
    unserved: Units,
    refused: Units,
    slowness: Slowness,
    agreement: Units,
    pairs: Pairs,
    latency: Latencies,
    open: OpenRuns,
    second: Second,
    /// Since when it has a host, if that came while this was counted.
    there_since: Option<Tick>,
    /// Answers in parts by how they end, and by whether they were refused.
    ends: Cohort,
    refusals: Cohort,
    /// Of the latest step.
    step_rows: u32,
    /// Where they are the units, and of the above from `open` on the second alone is used.
    users: Option<Users>,
}

impl Counts {
    pub(super) fn new(judged: &Judged) -> Counts {
        Counts {
            judged: judged.clone(),
            runs: Units::default(),
            unserved: Units::default(),
            refused: Units::default(),
            slowness: Slowness::default(),
            agreement: Units::default(),
            pairs: Pairs::default(),
            latency: Latencies::default(),
            open: OpenRuns::default(),
            second: Second::default(),
            there_since: None,
            ends: Cohort::default(),
            refusals: Cohort::default(),
            step_rows: 0,
            users: judged.users_at_step.map(|_| Users::default()),
        }
    }

    pub(super) fn executed(&mut self, execution: &Execution) {
        if let Some(users) = &mut self.users {
            return users.ran(execution.rows);
        }
        match execution.sealed {
            Sealed::Again => {} // why it failed is asked, and that it did was a unit
            Sealed::Step => self.step_rows = execution.rows, // see `Cohort`
            Sealed::Free | Sealed::Full | Sealed::Waited | Sealed::Hurried | Sealed::Alone => {
                self.runs.add(f64::from(execution.failed));
            }
        }
    }

    pub(super) fn settled(&mut self, ended: &Ended, now: Tick) {
        let Ended { rows, fault, total, inside, timing, in_parts, user } = ended;
        let says = if self.waited_for_it(*total, now) { Says::Nothing } else { says(*fault, timing) };
        let stay = Stay::of_call(now.minus(*inside), timing, now);
        if let Some(users) = &mut self.users {
            // Another gateway may have been told of its run. (What another server runs together nobody tells.)
            if !is_from_elsewhere(timing) {
                users.ran(timing.batch_rows);
            }
            let took = (says == Says::Answered && !in_parts).then(|| nanos(*total));
            took.into_iter().for_each(|took| self.latency.observe(took));
            return self.hear(*user, users::said(says, took.map(|took| self.marks(took))), stay, now);
        }
        if matches!(says, Says::Answered | Says::Failed | Says::Missed) {
            self.missed(says == Says::Missed, now);
        }
        if *in_parts {
            return self.whole(says);
        }
        let took = nanos(*total);
        if says == Says::Answered {
            self.latency.observe(took);
        }
        if timing.sealed == Sealed::Again {
            return;
        }
        if matches!(says, Says::Answered | Says::Failed) && is_from_elsewhere(timing) {
            self.runs.add(f64::from(says == Says::Failed));
        }
        let said = match says {
            Says::Answered => Said::Answer(self.marks(took)),
            Says::Refused => Said::Refusal,
            Says::Failed | Says::Missed | Says::Nothing => Said::Nothing,
        };
        let over = self.open.ended(timing, rows.get(), (said, stay), now);
        over.into_iter().for_each(|run| self.ran(&run));
    }

    pub(super) fn returned(&mut self, now: Tick) {
        self.there_since = Some(now);
    }

    /// For whatever that needs to load. What a request meets that came before it was there is no evidence.
    fn waited_for_it(&self, total: Duration, now: Tick) -> bool {
        self.there_since.is_some_and(|since| now.since(since) < total)
    }

    /// An answer in parts is over.
    fn whole(&mut self, says: Says) {
        if matches!(says, Says::Answered | Says::Failed) {
            let unit = self.ends.ended(only(says == Says::Failed), Stay::default(), self.step_rows);
            unit.and_then(|unit| unit.share()).into_iter().for_each(|share| self.runs.add(share));
        }
        if matches!(says, Says::Answered | Says::Refused) {
            let unit = self.refusals.ended(only(says == Says::Refused), Stay::default(), self.step_rows);
            unit.and_then(|unit| unit.share()).into_iter().for_each(|share| self.refused.add(share));
        }
    }

    fn hear(&mut self, user: Option<User>, said: Shares, stay: Stay, now: Tick) {
        if let Some(users) = &mut self.users
            && said.iter().any(Option::is_some)
        {
            let Spoken { first: [_, _, slow @ .., missed], whole } = users.heard(user, &said, now);
            self.slowness.heard(slow, stay);
            missed.into_iter().for_each(|missed| self.missed(missed > 0.0, now));
            whole.into_iter().for_each(|shares| self.users_spoke(shares));
        }
    }

    /// Whether somebody was, which is a unit together with whatever else ends in this second.
    fn missed(&mut self, missed: bool, now: Tick) {
        let over = self.second.ended(missed, now);
        over.into_iter().for_each(|share| self.unserved.add(share));
    }

    fn users_spoke(&mut self, [failed, refused, ..]: Shares) {
        for (units, share) in [(&mut self.runs, failed), (&mut self.refused, refused)] {
            share.into_iter().for_each(|share| units.add(share));
        }
    }

    fn ran(&mut self, run: &Group) {
        self.slowness.ran(run);
        run.refused().into_iter().for_each(|share| self.refused.add(share));
    }

    /// The first part of an answer was taken so long after its arrival: what its caller waited for. How long the whole
    /// takes is the answer's length.
    pub(super) fn first_part(&mut self, since: Duration, user: Option<User>, now: Tick) {
        if self.waited_for_it(since, now) {
            return;
        }
        let took = nanos(since);
        self.latency.observe(took);
        let stay = Stay::of(now.minus(since), now); // when the first step began nobody tells
        if self.users.is_some() {
            return self.hear(user, users::said(Says::Nothing, Some(self.marks(took))), stay, now);
        }
        self.slowness.first_part(self.marks(took), stay, self.step_rows);
    }

    /// One of its answers was compared, as a shadow's.
    pub(super) fn compared(&mut self, pair: &Pair, user: Option<User>, now: Tick) {
        let unit = match &mut self.users {
            Some(users) => users.compared(pair, user, now),
            None => self.pairs.compared(pair),
        };
        unit.into_iter().for_each(|disagreement| self.agreement.add(disagreement));
    }

    fn marks(&self, took: u64) -> Marks {
        let mut marks = Marks::default();
        for (mark, line) in marks.iter_mut().zip(&self.judged.slow_ns) {
            *mark = took > *line;
        }
        marks
    }

    pub(super) fn told(
        &mut self,
        (model, version, since): (CompactString, Version, u64),
        now: Tick,
    ) -> Evidence {
        let overdue: Vec<_> = self.open.overdue(now).collect();
        overdue.into_iter().for_each(|run| self.ran(&run));
        self.second.over(now).into_iter().for_each(|share| self.unserved.add(share));
        if let Some(users) = &mut self.users {
            let (overdue, pairs) = (users.overdue(now), users.overdue_pairs(now));
            overdue.into_iter().for_each(|shares| self.users_spoke(shares));
            pairs.into_iter().for_each(|disagreement| self.agreement.add(disagreement));
        }
        Evidence {
            model,
            version,
            since,
            rollout: self.judged.rollout,
            slow_ns: self.judged.slow_ns.clone(),
            users_at_step: self.judged.users_at_step,
            runs: self.runs,
            unserved: self.unserved,
            refused: self.refused,
            slow: self.slowness.told(self.judged.slow_ns.len()),
            together: self.slowness.together(),
            agreement: self.agreement,
            latency: self.latency.sparse(),
        }
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;
