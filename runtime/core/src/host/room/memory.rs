//! How many rows a batch may have, since larger ones ran out of memory.

use super::{Room, Running, limits::limits};
use crate::base::units::{CallId, Rows};

/// Of a room: each batch leaves one, and halves what comes after it, but for those of several lanes at once.
const MOST_KEPT: usize = 32;

/// A batch that ran out of memory.
#[derive(Debug)]
pub(super) struct TooLarge {
    /// Of a batch from then on.
    most: Rows,
    calls: Vec<CallId>,
}

/// What follows from a batch that ran out of memory.
#[derive(Debug)]
pub(in crate::host) enum Shrunk {
    /// From now on none has more rows.
    To(Rows),
    /// There is no smaller one.
    NoSmaller,
    /// There is no smaller one, and it was one call's, which was in each of the larger ones before: it told nothing of
    /// others, which may have so many rows again.
    Alone(Rows),
}

impl Room {
    /// A batch was too large for the device's memory: from now on none is larger than half of it.
    pub(in crate::host) fn shrink(&mut self, running: &Running) -> Shrunk {
        let before = self.limits.max_rows;
        let half = Rows::new(running.padded().get() / 2).max(Rows::new(1));
        let most = self.batching.fitting(half);
        if self.batching.padded(most) < running.padded() {
            if self.too_large.len() >= MOST_KEPT {
                self.forget_calls();
            }
            self.too_large.push(TooLarge { most, calls: running.calls().collect() });
            self.limit_rows();
            return Shrunk::To(self.limits.max_rows);
        }
        let mut calls = running.calls();
        if let (Some(alone), None) = (calls.next(), calls.next()) {
            self.too_large.retain(|one| !one.calls.contains(&alone));
            self.limit_rows();
        }
        if self.limits.max_rows > before { Shrunk::Alone(self.limits.max_rows) } else { Shrunk::NoSmaller }
    }

    /// From now on no batch is larger: larger ones ran out of memory before there was a request.
    pub(in crate::host) fn limit_to(&mut self, rows: Rows) {
        self.too_large.push(TooLarge { most: self.batching.fitting(rows), calls: Vec::new() });
        self.limit_rows();
    }

    fn limit_rows(&mut self) {
        let most = limits(&self.batching).max_rows;
        self.limits.max_rows = self.too_large.iter().map(|one| one.most).fold(most, Rows::min);
    }

    /// Keep the least of all, as if it were of calls that never come again.
    fn forget_calls(&mut self) {
        if let Some(most) = self.too_large.drain(..).map(|one| one.most).min() {
            self.too_large.push(TooLarge { most, calls: Vec::new() });
        }
    }
}
