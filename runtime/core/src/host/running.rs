//! A batch that a model works on: whose calls it has, and which of their callers are gone.

use crate::base::{
    call::Call,
    units::{CallId, Rows},
};
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug)]
pub(super) struct Running {
    seats: Box<[(CallId, AtomicBool)]>,
    rows: Rows,
}

impl Running {
    pub(super) fn new(calls: &[Call]) -> Running {
        let rows = calls.iter().fold(Rows::ZERO, |sum, call| sum.plus(call.rows).unwrap_or(sum));
        Running { seats: calls.iter().map(|call| (call.id, AtomicBool::new(false))).collect(), rows }
    }

    pub(super) fn rows(&self) -> Rows {
        self.rows
    }

    /// False: the call is not of this batch.
    pub(super) fn mark_gone(&self, id: CallId) -> bool {
        let seat = self.seats.iter().find(|(seated, _)| *seated == id);
        if let Some((_, gone)) = seat {
            gone.store(true, Ordering::Relaxed); // a hint: nothing is ordered after it
        }
        seat.is_some()
    }

    pub(super) fn is_gone(&self, seat: usize) -> bool {
        self.seats.get(seat).is_some_and(|(_, gone)| gone.load(Ordering::Relaxed))
    }
}
