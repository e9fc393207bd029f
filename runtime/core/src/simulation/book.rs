//! What models saw: which caller's rows ran where.

use super::rows::{Row, Verb};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(super) struct Book {
    /// Of each caller: hosts and versions that took up a batch with its rows.
    runs: BTreeMap<u64, Vec<(u64, u64)>>,
    raised: BTreeSet<u64>,
    pub(super) begun: u64,
    /// Runs that were answered: by the lane, or by whoever gave them up.
    pub(super) ended: u64,
    /// Batches and steps that were given up before their model returned.
    pub(super) late: u64,
    /// Times that a model found that it may not say more.
    pub(super) paused: u64,
}

impl Book {
    pub(super) fn started(&mut self, host: u64, version: u64, rows: &[Row]) {
        self.begun += 1;
        // What kills is sent again and again, and counted where it is refused.
        let lives = rows.iter().filter(|(_, _, verb)| *verb != Verb::Kill);
        let callers: BTreeSet<u64> = lives.map(|(caller, ..)| *caller).collect();
        for caller in callers {
            self.runs.entry(caller).or_default().push((host, version));
        }
    }

    /// The same of a caller who is answered in parts.
    pub(super) fn joined(&mut self, host: u64, version: u64, caller: u64, verb: Verb) {
        if verb != Verb::Kill {
            self.runs.entry(caller).or_default().push((host, version));
        }
    }

    /// `is_run`: the model had something to do.
    pub(super) fn finished_step(&mut self, is_run: bool) {
        self.begun += u64::from(is_run);
        self.ended += u64::from(is_run);
    }

    pub(super) fn raised_for(&mut self, callers: impl Iterator<Item = u64>) {
        self.raised.extend(callers);
    }

    pub(super) fn finished(&mut self) {
        self.ended += 1;
    }

    pub(super) fn raised(&mut self, rows: &[Row]) {
        self.raised.extend(rows.iter().map(|(caller, ..)| *caller));
    }

    /// It was in a batch that the model raised for.
    pub(super) fn was_in_a_failure(&self, caller: u64) -> bool {
        self.raised.contains(&caller)
    }

    /// Runs of one caller's rows, and the version.
    pub(super) fn runs(&self) -> impl Iterator<Item = (u64, &[(u64, u64)])> {
        self.runs.iter().map(|(caller, runs)| (*caller, runs.as_slice()))
    }
}
