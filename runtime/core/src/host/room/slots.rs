//! The room of a stateful version: its calls wait for their turn in their sequence before they wait for a batch.

use super::{Leaving, Room, Running};
use crate::base::{
    call::Call,
    contract::Contract,
    fault::{Fault, Kind, Phase},
    sequence::{Correlation, Strategy},
    units::{CallId, Rows, Tick},
};
use crate::decide::{
    rank::Rank,
    slots::Slots,
    turns::{Entered, Moved, Over},
};
use crate::host::kept::{InSequence, Kept, Seated};
use compact_str::CompactString;
use std::{sync::Arc, time::Duration};

#[derive(Debug)]
pub(super) struct Seating {
    model: CompactString,
    /// A call, and what it costs.
    slots: Slots<(Call, u64), Kept>,
    by_slot: bool,
    most: u32,
    /// To be answered once the lock is released.
    leaving: Leaving,
}

impl Seating {
    pub(super) fn of(contract: &Contract) -> Option<Box<Seating>> {
        let sequences = contract.sequences.as_ref()?;
        let idle = Duration::try_from_secs_f64(sequences.idle_ms / 1e3).unwrap_or(Duration::MAX);
        Some(Box::new(Seating {
            model: contract.model.clone(),
            slots: Slots::new(sequences.max_sequences, idle),
            by_slot: sequences.strategy == Strategy::Direct,
            most: sequences.max_sequences,
            leaving: Leaving::new(),
        }))
    }

    fn seat(&mut self, calls: &mut [Call]) -> Seated {
        if self.by_slot {
            calls.sort_unstable_by_key(|call| call.slot);
        }
        let one = |call: &Call| {
            let (slot, correlation) = call.slot.zip(Correlation::of(&call.parameters))?;
            let kept = self.slots.run(slot, correlation.start);
            Some(InSequence { correlation, kept, slot })
        };
        let sequences = calls.iter().filter_map(one).collect();
        let rows = if self.by_slot { self.slots.rows() } else { 0 };
        Seated { sequences, by_slot: self.by_slot, rows: Rows::new(rows) }
    }
}

impl Room {
    /// Rows that a gateway may send beyond those that a lane needs: one of each sequence that is at work. Else first
    /// requests that wait for a slot would keep those away that give one back.
    pub(super) fn slots(&self) -> u32 {
        self.seating.as_ref().map_or(0, |seating| seating.most)
    }

    pub(in crate::host) fn has_slots(&self) -> bool {
        self.seating.is_some()
    }

    /// Gives the call back if it is its turn now. `None`: it waits. Its rows count already.
    #[inline(never)]
    pub(super) fn enter_slot(&mut self, call: Call, cost: u64) -> Result<Option<Call>, Box<(Call, Fault)>> {
        let Some(seating) = &mut self.seating else { return Ok(Some(call)) };
        let Some(one) = Correlation::of(&call.parameters) else {
            let note = format!("model '{}' has sequences, and this request names none", seating.model);
            self.rows = self.rows.minus(call.rows);
            return Err(Box::new((call, Fault::invalid(note))));
        };
        let rank = Rank::new(call.level, call.arrived, call.deadline, call.id.0);
        let now = call.arrived;
        match seating.slots.enter(one.clone(), rank, (call, cost), now) {
            Entered::Ready(slot, (call, _)) => Ok(Some(Call { slot: Some(slot), ..call })),
            Entered::Waits => Ok(None),
            Entered::NotStarted((call, _)) => {
                self.rows = self.rows.minus(call.rows);
                Err(Box::new((call, one.not_started(&seating.model))))
            }
        }
    }

    /// The calls of a batch that is sealed, which may be put into another order, as they lie in it.
    pub(super) fn seat(&mut self, calls: &mut [Call]) -> Seated {
        self.seating.as_mut().map_or_else(Seated::default, |seating| seating.seat(calls))
    }

    /// A call that no model will see leaves.
    pub(super) fn leave_slot(&mut self, call: &Call, now: Tick) {
        if let Some((seating, slot)) = self.seating.as_mut().zip(call.slot) {
            let start = Correlation::of(&call.parameters).is_some_and(|one| one.start);
            let moved = seating.slots.over(slot, Over::Left { start }, now);
            self.take_up(moved);
        }
    }

    /// The calls of a batch have run.
    pub(in crate::host) fn leave_slots(&mut self, running: &Running, now: Tick) {
        for one in running.sequences() {
            let Some(seating) = &mut self.seating else { return };
            let moved = seating.slots.over(one.slot, Over::Ran { end: one.correlation.end }, now);
            self.take_up(moved);
        }
    }

    /// One that waits for its turn leaves.
    pub(super) fn leave_queue_of_slot(&mut self, id: CallId) -> Option<Call> {
        let ((call, _), not_started) = self.seating.as_mut()?.slots.remove(|(call, _)| call.id == id)?;
        self.rows = self.rows.minus(call.rows);
        self.take_up(Moved { not_started, ..Moved::default() });
        Some(call)
    }

    /// Forgets sequences that asked nothing for too long. When to look again; `None` while there is nobody to forget.
    pub(in crate::host) fn expire(&mut self, now: Tick) -> Option<Tick> {
        let moved = self.seating.as_mut()?.slots.expire(now);
        self.take_up(moved);
        self.next_expiry()
    }

    pub(in crate::host) fn next_expiry(&self) -> Option<Tick> {
        self.seating.as_ref()?.slots.next_expiry()
    }

    /// No slot is given out any more: whoever waits for one may find one elsewhere.
    pub(super) fn close_slots(&mut self) {
        let Some(seating) = &mut self.seating else { return };
        for (call, _) in seating.slots.clear_lobby() {
            self.rows = self.rows.minus(call.rows);
            let note = "the model's host is draining; try again";
            seating.leaving.push((call, Fault::new(Kind::Unavailable, note).at(Phase::NotStarted)));
        }
    }

    /// All that wait for their turn.
    pub(super) fn clear_slots(&mut self) -> Vec<Call> {
        let waiting = self.seating.as_mut().map_or_else(Vec::new, |seating| seating.slots.clear());
        waiting.into_iter().map(|(call, _)| call).collect()
    }

    pub(super) fn waits_for_slot(&self) -> bool {
        self.seating.as_ref().is_some_and(|seating| seating.slots.is_waited_for())
    }

    /// What is to be answered, and dropped, once the lock is released.
    pub(in crate::host) fn take_leaving(&mut self) -> (Leaving, Vec<Arc<Kept>>) {
        let taken =
            |seating: &mut Box<Seating>| (std::mem::take(&mut seating.leaving), seating.slots.take_dropped());
        self.seating.as_mut().map(taken).unwrap_or_default()
    }

    fn take_up(&mut self, moved: Moved<(Call, u64)>) {
        let in_turn = self.batching.tenant_header.is_some();
        for (slot, (call, cost)) in moved.ready {
            self.line.push(Call { slot: Some(slot), ..call }, false, in_turn, cost);
        }
        let Some(seating) = &mut self.seating else { return };
        for (one, (call, _)) in moved.not_started {
            self.rows = self.rows.minus(call.rows);
            seating.leaving.push((call, one.not_started(&seating.model)));
        }
    }
}
