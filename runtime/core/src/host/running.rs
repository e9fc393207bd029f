//! A batch that was sealed: whose calls it has, which of their callers are gone, and who owes them an answer.

use super::{
    kept::{InSequence, Seated},
    seat::Seat,
};
use crate::base::{
    call::{Call, Sealed},
    contract::Batching,
    primitive::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    units::{CallId, Rows},
};
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Running {
    callers: Box<[(CallId, AtomicBool)]>,
    rows: Rows,
    /// What the model sees: these rows, and some more where only certain sizes are allowed.
    padded: Rows,
    sealed: Sealed,
    /// Since the run before, where rows of this one waited for its end.
    between_ns: u64,
    /// What its time is learned over.
    measure: u64,
    /// Where its model counts one; else 0.
    cost: u64,
    seated: Seated,
    /// Whoever takes them answers: the lane once the model has returned, or the watch when it does not. Empty before
    /// the rows are gathered, and from then on that somebody took them.
    seats: Mutex<Vec<Seat>>,
}

impl Running {
    pub(super) fn new(
        calls: &[Call],
        batching: &Batching,
        cost: u64,
        sealed: Sealed,
        between: Duration,
        seated: Seated,
    ) -> Running {
        let rows = calls.iter().fold(Rows::ZERO, |sum, call| sum.plus(call.rows).unwrap_or(sum));
        let between_ns = u64::try_from(between.as_nanos()).unwrap_or(u64::MAX);
        let seen = rows.max(seated.rows);
        let measure = batching.measure(seen, cost);
        let cost = if batching.cost.is_empty() { 0 } else { cost };
        let callers = calls.iter().map(|call| (call.id, AtomicBool::new(false))).collect();
        let padded = batching.padded(seen);
        Running { callers, rows, padded, sealed, between_ns, measure, cost, seated, seats: Mutex::default() }
    }

    /// Of each call, where the version has sequences.
    pub(super) fn sequences(&self) -> &[InSequence] {
        &self.seated.sequences
    }

    pub(super) fn seated(&self) -> &Seated {
        &self.seated
    }

    pub(super) fn rows(&self) -> Rows {
        self.rows
    }

    pub(super) fn padded(&self) -> Rows {
        self.padded
    }

    pub(super) fn sealed(&self) -> Sealed {
        self.sealed
    }

    pub(super) fn cost(&self) -> u64 {
        self.cost
    }

    pub(super) fn measure(&self) -> u64 {
        self.measure
    }

    pub(super) fn between_ns(&self) -> u64 {
        self.between_ns
    }

    pub(super) fn calls(&self) -> impl Iterator<Item = CallId> + '_ {
        self.callers.iter().map(|(call, _)| *call)
    }

    /// False: the call is not of this batch.
    pub(super) fn mark_gone(&self, id: CallId) -> bool {
        let caller = self.callers.iter().find(|(seated, _)| *seated == id);
        if let Some((_, gone)) = caller {
            gone.store(true, Ordering::Relaxed); // a hint: nothing is ordered after it
        }
        caller.is_some()
    }

    pub(super) fn is_gone(&self, seat: usize) -> bool {
        self.callers.get(seat).is_some_and(|(_, gone)| gone.load(Ordering::Relaxed))
    }

    pub(super) fn sit(&self, seats: Vec<Seat>) {
        *self.seats.lock() = seats;
    }

    /// The duty to answer, once: `None` for whoever comes second.
    pub(super) fn take(&self) -> Option<Vec<Seat>> {
        let seats = std::mem::take(&mut *self.seats.lock());
        (!seats.is_empty()).then_some(seats)
    }

    /// `None` once somebody took them.
    pub(super) fn look<T>(&self, at: impl FnOnce(&mut [Seat]) -> T) -> Option<T> {
        let mut seats = self.seats.lock();
        (!seats.is_empty()).then(|| at(&mut seats))
    }
}
