//! What goes wrong in one run may do so for all who are in it: as many of them are one unit together.

use super::grouping::Key;
use crate::base::call::Timing;
use std::collections::VecDeque;

/// Some who are one unit together, by the mean of what they say. What one run does is so one unit at most in all, whomever
/// it hit; two, where they are not heard in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pool {
    heard: u32,
    bad: f64,
}

impl Pool {
    pub(super) fn add(&mut self, share: f64, size: u32) -> Option<f64> {
        self.heard += 1;
        self.bad += share;
        if self.heard < size {
            return None;
        }
        let Pool { heard, bad } = std::mem::take(self);
        Some(bad / f64::from(heard))
    }
}

/// Runs whose pairs are counted: those of one are compared within moments.
const MOST_RUNS: usize = 64;

/// Two answers to the same were compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pair {
    /// How much of it says something else, from 0 to 1.
    pub disagreement: f64,
    /// In which they were made.
    pub runs: [Timing; 2],
    /// Of the request.
    pub rows: u32,
}

/// Pairs of answers: as many as one run has given an answer of are one unit.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    /// How many pairs each has been in, and their rows; the oldest first.
    runs: VecDeque<(Key, u32, u32)>,
    /// The most pairs of one.
    together: u32,
    pool: Pool,
}

impl Pairs {
    /// Returns how bad a unit was that is whole now.
    pub(super) fn compared(&mut self, pair: &Pair) -> Option<f64> {
        for run in &pair.runs {
            self.together = self.together.max(self.count(run, pair.rows));
        }
        self.pool.add(pair.disagreement, self.together)
    }

    /// Two runs that say the same are one here, for as many rows as one has.
    fn count(&mut self, run: &Timing, rows: u32) -> u32 {
        let key = Key::of(run);
        if let Some((_, pairs, before)) = self.runs.iter_mut().rev().find(|(known, ..)| *known == key) {
            let together = before.saturating_add(rows);
            (*pairs, *before) = if together <= run.batch_rows { (*pairs + 1, together) } else { (1, rows) };
            return *pairs;
        }
        if self.runs.len() == MOST_RUNS {
            self.runs.pop_front();
        }
        self.runs.push_back((key, 1, rows));
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(infer_ns: u64) -> Timing {
        Timing { infer_ns, batch_rows: 8, ..Timing::default() }
    }

    /// Units of pairs by the runs of who answered first and of who got the copy.
    fn units(pairs: &[(u64, u64, f64)]) -> Vec<f64> {
        let mut held = Pairs::default();
        let compared = |(one, two, disagreement): &(u64, u64, f64)| {
            held.compared(&Pair { disagreement: *disagreement, runs: [run(*one), run(*two)], rows: 2 })
        };
        pairs.iter().filter_map(compared).collect()
    }

    #[test]
    fn pairs_of_one_run_are_one_unit_whichever_of_both_it_is() {
        let apart = [(1, 11, 0.0), (2, 12, 1.0), (3, 13, 0.0)];
        assert_eq!(units(&apart), [0.0, 1.0, 0.0]);
        // The first of a run may be one by itself, for no run has had more until then.
        let second = [(1, 10, 1.0), (2, 10, 1.0), (3, 10, 1.0), (4, 10, 1.0), (5, 11, 0.0), (6, 12, 0.0)];
        assert_eq!(units(&second), [1.0, 0.75]);
        let first = second.map(|(one, two, bad)| (two, one, bad));
        assert_eq!(units(&first), units(&second));
    }

    #[test]
    fn runs_that_say_the_same_have_no_more_pairs_than_there_are_rows() {
        // The first by itself, and then four at once.
        assert_eq!(units(&[(1, 2, 0.5); 100]).len(), 1 + 99 / 4);
    }
}
