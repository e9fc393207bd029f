//! The carriers of one version: their windows, and who gets the next call.

use super::{
    levels::Levels,
    seat::{GivenBack, Need, Seat},
};
use crate::base::{
    call::{Carrier, Window},
    contract::Contract,
    roster::CarrierId,
    step::Step,
    units::{Rows, Tick},
};
use crate::decide::{
    admit::Load,
    choice::{self, Paced},
    rendezvous::Place,
    times::Times,
    trust::{Sign, Trust},
};
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
struct Slot {
    id: CarrierId,
    carrier: Arc<dyn Carrier>,
    window: Rows,
    in_flight: Levels,
    calls: u32,
    /// Of those, first requests of sequences.
    begins: u32,
    /// One of them is apart from others of its kind: of those that go on, and of first requests of sequences, which may
    /// wait in the host for an end that must not wait for them.
    apart: Apart,
    /// When it was last given a call, as a count: equals take turns.
    turn: u64,
    /// It said that it is gone or has the version no more; a new window opens it again.
    closed: bool,
    /// It may be on a slower machine than others.
    paced: Paced,
    /// When it began with what it runs now, or a little before.
    since: Tick,
    trust: Trust,
}

#[derive(Clone, Copy, Debug, Default)]
struct Apart {
    goes_on: bool,
    begins: bool,
}

impl Apart {
    fn of(&mut self, begins: bool) -> &mut bool {
        if begins { &mut self.begins } else { &mut self.goes_on }
    }
}

impl Slot {
    /// Whether it takes the call now. Rows of lower levels are overtaken in the host, and take no room away. An idle
    /// carrier takes any request: its window may have shrunk below what was let in, and the host is the one to judge that.
    fn fits(&self, need: Need, level: u8) -> bool {
        let idle = self.calls == 0 && self.window > Rows::ZERO;
        let fits = match need {
            Need::Among(rows) => rows <= self.window.minus(self.in_flight.up_to(level)) || idle,
            Need::Apart(rows) => !self.apart.goes_on && self.fits(Need::Among(rows), level),
            Need::Alone(_) => idle,
        };
        !self.closed && fits
    }

    fn finish(&self, need: Need, level: u8, max_rows: Rows, now: Tick, usual: &Times) -> Duration {
        let (Need::Among(rows) | Need::Apart(rows) | Need::Alone(rows)) = need;
        let times = self.paced.times(now);
        let time = |rows: Rows| usual.usual(rows.get().into()).mul_f64(times);
        choice::finish(self.in_flight.up_to(level), rows, max_rows, now.since(self.since), time)
    }

    fn seat(&mut self, need: Need, level: u8, begins: bool) -> Seat {
        let rows = match need {
            Need::Among(rows) | Need::Apart(rows) => rows,
            Need::Alone(rows) => rows.max(self.window),
        };
        let apart = matches!(need, Need::Apart(_));
        *self.apart.of(begins) |= apart;
        self.in_flight.add(level, rows);
        self.calls += 1;
        self.begins += u32::from(begins);
        Seat { id: self.id, carrier: Arc::clone(&self.carrier), rows, level, begins, apart }
    }

    /// What all gateways of this node know it by.
    fn key(&self) -> u64 {
        self.carrier.process().and_then(|pid| u64::try_from(pid).ok()).unwrap_or(self.id.0)
    }
}

/// A carrier that gets nothing for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub(in crate::gateway) process: Option<i32>,
    pub(in crate::gateway) pause: Duration,
}

#[derive(Debug, Default)]
pub(in crate::gateway) struct Carriers {
    slots: Vec<Slot>,
    turn: u64,
    /// How long batches take, of all of them; where there are several.
    usual: Times,
}

impl Carriers {
    pub(in crate::gateway) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Carriers that take calls, now or when they have room.
    pub(in crate::gateway) fn open(&self) -> usize {
        self.slots.iter().filter(|slot| !slot.closed).count()
    }

    pub(in crate::gateway) fn processes(&self) -> impl Iterator<Item = i32> {
        self.slots.iter().filter_map(|slot| slot.carrier.process())
    }

    /// Models that its carriers ask in their turn.
    pub(in crate::gateway) fn steps(&self) -> &[Step] {
        self.slots.first().map_or(&[], |slot| slot.carrier.steps())
    }

    /// Calls and rows sent and not settled.
    pub(in crate::gateway) fn in_flight(&self) -> (u32, u64) {
        self.slots.iter().fold((0, 0), |(calls, rows), slot| {
            (calls + slot.calls, rows + u64::from(slot.in_flight.all().get()))
        })
    }

    /// What they have to do before one of this level that is sent now.
    pub(in crate::gateway) fn load(&self, level: u8, contract: &Contract) -> Load {
        let (_, in_flight) = self.in_flight();
        let open = u32::try_from(self.open()).unwrap_or(u32::MAX);
        let devices = open.saturating_mul(contract.lanes);
        let max_rows = Rows::new(contract.batching.max_rows);
        Load { ahead: 0, in_flight, not_after: self.not_after(level), devices, max_rows, overtaking: 0.0 }
    }

    /// Rows in flight of this level and of higher ones.
    fn not_after(&self, level: u8) -> u64 {
        self.slots.iter().map(|slot| u64::from(slot.in_flight.up_to(level).get())).sum()
    }

    pub(in crate::gateway) fn add(&mut self, id: CarrierId, carrier: Arc<dyn Carrier>, window: Window) {
        let slot = Slot {
            id,
            carrier,
            window: window.rows,
            in_flight: Levels::default(),
            calls: 0,
            begins: 0,
            apart: Apart::default(),
            turn: 0,
            closed: false,
            paced: Paced::default(),
            since: Tick::default(),
            trust: Trust::default(),
        };
        self.slots.push(slot);
    }

    pub(in crate::gateway) fn remove(&mut self, id: CarrierId) -> bool {
        let before = self.slots.len();
        self.slots.retain(|slot| slot.id != id);
        self.slots.len() < before
    }

    pub(in crate::gateway) fn resize(&mut self, id: CarrierId, window: Window) {
        if let Some(slot) = self.slot(id) {
            slot.window = window.rows;
            slot.closed = false;
        }
    }

    pub(in crate::gateway) fn close(&mut self, id: CarrierId) {
        if let Some(slot) = self.slot(id) {
            slot.closed = true;
        }
    }

    /// The one that is likely to answer first; among equals the emptiest, and then the one that waited longest. The rows are
    /// its own from here on.
    pub(super) fn take(&mut self, need: Need, level: u8, max_rows: Rows, now: Tick) -> Option<Seat> {
        let at = match self.slots.len() {
            1 => self.slots.iter().position(|slot| slot.fits(need, level))?,
            _ => self.choose(need, level, max_rows, now)?,
        };
        let slot = self.slots.get_mut(at)?;
        self.turn += 1;
        slot.turn = self.turn;
        if slot.calls == 0 {
            slot.since = now;
        }
        Some(slot.seat(need, level, false))
    }

    fn choose(&self, need: Need, level: u8, max_rows: Rows, now: Tick) -> Option<usize> {
        // Whoever fails serves if nobody else is there.
        let any_trusted = self.slots.iter().any(|slot| !slot.closed && !slot.trust.is_out());
        let fits =
            |slot: &Slot| slot.fits(need, level) && (!any_trusted || slot.trust.allows(slot.calls, now));
        let finish = |slot: &Slot| slot.finish(need, level, max_rows, now, &self.usual);
        let fitting = self.slots.iter().enumerate().filter(|(_, slot)| fits(slot));
        let found: SmallVec<[_; 4]> = fitting.map(|(at, slot)| (at, slot, finish(slot))).collect();
        let soonest = choice::near(found.iter().map(|(.., finish)| *finish).min()?);
        let near = found.iter().filter(|(.., finish)| *finish <= soonest);
        let (at, ..) = near.min_by_key(|(_, slot, _)| (slot.in_flight.up_to(level), slot.turn))?;
        Some(*at)
    }

    /// The same of the one that has a sequence. `kept`: of its window, what is for sequences that are at work there, and
    /// not for the first request of one, which might wait there for an end that could not come.
    pub(super) fn take_at(
        &mut self,
        id: CarrierId,
        need: Need,
        level: u8,
        begins: Option<Rows>,
    ) -> Option<Seat> {
        let slot = self.slot(id)?;
        let is_full = |kept: Rows| slot.begins >= slot.window.minus(kept).get();
        let waits = begins.is_some() && matches!(need, Need::Apart(_)) && slot.apart.begins;
        if !slot.fits(need, level) || waits || begins.is_some_and(is_full) {
            return None;
        }
        Some(slot.seat(need, level, begins.is_some()))
    }

    /// Those that take calls.
    pub(in crate::gateway) fn places(&self, now: Tick) -> SmallVec<[Place<CarrierId>; 4]> {
        let open = self.slots.iter().filter(|slot| !slot.closed);
        let place = |slot: &Slot| {
            let trusted = slot.trust.allows(slot.calls, now);
            Place { host: slot.id, key: slot.key(), trusted }
        };
        open.map(place).collect()
    }

    /// Nothing happens if the carrier is gone: its rows went with it. Says if it is left out from now on.
    pub(super) fn give_back(&mut self, back: GivenBack, sign: Sign, now: Tick) -> Option<LeftOut> {
        let (several, usual) = (self.slots.len() > 1, &mut self.usual);
        let slot = self.slots.iter_mut().find(|slot| slot.id == back.carrier)?;
        slot.in_flight.take_out(back.level, back.rows);
        slot.calls = slot.calls.saturating_sub(1);
        slot.begins = slot.begins.saturating_sub(back.begins.into());
        *slot.apart.of(back.begins) &= !back.apart;
        if !several {
            return None;
        }
        if let Sign::Worked { rows: rows @ 1.., took } | Sign::Refused { rows: rows @ 1.., took } = sign {
            usual.learn(rows.into(), took, now);
            slot.paced.learn(took, usual.usual(rows.into()), now);
            slot.since = now;
        }
        let may_go = matches!(sign, Sign::Failed { .. }) && self.can_do_without(back.carrier, now);
        let slot = self.slot(back.carrier)?;
        let pause = slot.trust.take(sign, may_go, now)?;
        Some(LeftOut { process: slot.carrier.process(), pause })
    }

    /// Another does well, and at most half of all would be left out.
    fn can_do_without(&self, id: CarrierId, now: Tick) -> bool {
        let does_well = |slot: &Slot| slot.id != id && !slot.closed && slot.trust.does_well(now);
        let open = || self.slots.iter().filter(|slot| !slot.closed);
        let out = open().filter(|slot| slot.trust.is_out()).count();
        open().any(does_well) && 2 * (out + 1) <= open().count()
    }

    fn slot(&mut self, id: CarrierId) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.id == id)
    }
}

#[cfg(test)]
#[path = "carriers_tests.rs"]
mod tests;
