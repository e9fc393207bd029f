//! The carriers of one version: their windows, and who gets the next call.

use super::levels::Levels;
use crate::base::{
    call::{Carrier, Window},
    contract::Contract,
    roster::CarrierId,
    units::Rows,
};
use crate::decide::admit::Load;
use std::sync::Arc;

#[derive(Debug)]
struct Slot {
    id: CarrierId,
    carrier: Arc<dyn Carrier>,
    window: Rows,
    in_flight: Levels,
    calls: u32,
    /// When it was last given a call, as a count: equals take turns.
    turn: u64,
    /// It said that it is gone or has the version no more; a new window opens it again.
    closed: bool,
}

impl Slot {
    /// Rows of this level that it takes now, if `rows` are among them: those of lower ones are overtaken in the host, and
    /// take no room away. An idle carrier takes any request: its window may have shrunk below what was let in, and the
    /// host is the one to judge that.
    fn free(&self, need: Need, level: u8) -> Option<Rows> {
        let free = self.window.minus(self.in_flight.up_to(level));
        let idle = self.calls == 0 && self.window > Rows::ZERO;
        let fits = match need {
            Need::Among(rows) => rows <= free || idle,
            Need::Alone(_) => idle,
        };
        (!self.closed && fits).then_some(free)
    }
}

/// What a call asks of a carrier.
#[derive(Clone, Copy, Debug)]
pub(super) enum Need {
    Among(Rows),
    /// A host died with it: it gets the whole window of an idle carrier. Should it be what killed the first, the
    /// second dies with nobody else's call in flight.
    Alone(Rows),
}

/// Rows of a carrier's window that a call holds until it is settled.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) id: CarrierId,
    pub(super) carrier: Arc<dyn Carrier>,
    pub(super) rows: Rows,
    level: u8,
}

impl Seat {
    pub(super) fn given_back(&self) -> GivenBack {
        GivenBack { carrier: self.id, rows: self.rows, level: self.level }
    }
}

/// What a settled call gives back.
#[derive(Clone, Copy, Debug)]
pub(super) struct GivenBack {
    pub(super) carrier: CarrierId,
    rows: Rows,
    level: u8,
}

#[derive(Debug, Default)]
pub(super) struct Carriers {
    slots: Vec<Slot>,
    turn: u64,
}

impl Carriers {
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Carriers that take calls, now or when they have room.
    pub(super) fn open(&self) -> usize {
        self.slots.iter().filter(|slot| !slot.closed).count()
    }

    pub(super) fn processes(&self) -> impl Iterator<Item = i32> {
        self.slots.iter().filter_map(|slot| slot.carrier.process())
    }

    /// Calls and rows sent and not settled.
    pub(super) fn in_flight(&self) -> (u32, u64) {
        self.slots.iter().fold((0, 0), |(calls, rows), slot| {
            (calls + slot.calls, rows + u64::from(slot.in_flight.all().get()))
        })
    }

    /// What they have to do before one of this level that is sent now.
    pub(super) fn load(&self, level: u8, contract: &Contract) -> Load {
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

    pub(super) fn add(&mut self, id: CarrierId, carrier: Arc<dyn Carrier>, window: Window) {
        let slot = Slot {
            id,
            carrier,
            window: window.rows,
            in_flight: Levels::default(),
            calls: 0,
            turn: 0,
            closed: false,
        };
        self.slots.push(slot);
    }

    pub(super) fn remove(&mut self, id: CarrierId) -> bool {
        let before = self.slots.len();
        self.slots.retain(|slot| slot.id != id);
        self.slots.len() < before
    }

    pub(super) fn resize(&mut self, id: CarrierId, window: Window) {
        if let Some(slot) = self.slot(id) {
            slot.window = window.rows;
            slot.closed = false;
        }
    }

    pub(super) fn close(&mut self, id: CarrierId) {
        if let Some(slot) = self.slot(id) {
            slot.closed = true;
        }
    }

    /// The one with the most free rows, and among equals the one that waited longest; the rows are its own
    /// from here on.
    pub(super) fn take(&mut self, need: Need, level: u8) -> Option<Seat> {
        let fitting = self.slots.iter_mut().filter_map(|slot| Some((slot.free(need, level)?, slot)));
        let (_, slot) = fitting.max_by_key(|(free, slot)| (*free, std::cmp::Reverse(slot.turn)))?;
        self.turn += 1;
        slot.turn = self.turn;
        let rows = match need {
            Need::Among(rows) => rows,
            Need::Alone(rows) => rows.max(slot.window),
        };
        slot.in_flight.add(level, rows);
        slot.calls += 1;
        Some(Seat { id: slot.id, carrier: Arc::clone(&slot.carrier), rows, level })
    }

    /// Nothing happens if the carrier is gone: its rows went with it.
    pub(super) fn give_back(&mut self, back: GivenBack) {
        if let Some(slot) = self.slot(back.carrier) {
            slot.in_flight.take_out(back.level, back.rows);
            slot.calls = slot.calls.saturating_sub(1);
        }
    }

    fn slot(&mut self, id: CarrierId) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{call::Call, units::CallId};

    #[derive(Debug)]
    struct Nobody;

    impl Carrier for Nobody {
        fn send(&self, _: Call) {}
        fn cancel(&self, _: CallId) {}
    }

    fn carriers(windows: &[u32]) -> Carriers {
        let mut carriers = Carriers::default();
        for (id, rows) in (1..).zip(windows) {
            carriers.add(CarrierId(id), Arc::new(Nobody), Window { rows: Rows::new(*rows) });
        }
        carriers
    }

    fn take(carriers: &mut Carriers, rows: u32) -> Option<u64> {
        carriers.take(Need::Among(Rows::new(rows)), 1).map(|seat| seat.id.0)
    }

    fn back(carrier: u64, rows: u32) -> GivenBack {
        GivenBack { carrier: CarrierId(carrier), rows: Rows::new(rows), level: 1 }
    }

    #[test]
    fn what_is_less_important_takes_no_room_away() {
        let mut one = carriers(&[4]);
        let take = |carriers: &mut Carriers, level| carriers.take(Need::Among(Rows::new(2)), level);
        let seats: Vec<_> = [2, 2, 1, 1].iter().filter_map(|level| take(&mut one, *level)).collect();
        assert_eq!((seats.len(), one.in_flight()), (4, (4, 8)));
        assert!(take(&mut one, 1).is_none() && take(&mut one, 2).is_none());
        one.give_back(seats[0].given_back());
        assert!(take(&mut one, 1).is_none() && take(&mut one, 2).is_none(), "the others fill it");
        one.give_back(seats[2].given_back());
        assert!(take(&mut one, 2).is_none() && take(&mut one, 1).is_some());
        assert_eq!((one.not_after(1), one.not_after(2)), (4, 6));
    }

    #[test]
    fn who_must_be_alone_waits_for_an_idle_carrier_and_fills_it() {
        let mut one = carriers(&[8]);
        let alone = Need::Alone(Rows::new(2));
        assert_eq!(take(&mut one, 1), Some(1));
        assert!(one.take(alone, 1).is_none());
        one.give_back(back(1, 1));
        let seat = one.take(alone, 1).unwrap();
        assert_eq!((seat.rows, take(&mut one, 1)), (Rows::new(8), None));
        one.give_back(seat.given_back());
        assert_eq!(one.in_flight(), (0, 0));
    }

    #[test]
    fn the_emptiest_gets_the_next_call_and_none_gets_too_many() {
        let mut two = carriers(&[4, 8]);
        let order: Vec<_> = (0..12).map(|_| take(&mut two, 1)).collect();
        assert_eq!(order[..4], [Some(2); 4], "until both have four left");
        assert_eq!(order.iter().filter(|id| **id == Some(1)).count(), 4);
        assert_eq!((take(&mut two, 1), two.in_flight()), (None, (12, 12)));
        two.give_back(back(1, 1));
        assert_eq!(take(&mut two, 1), Some(1));
    }

    #[test]
    fn equals_take_turns() {
        let mut three = carriers(&[8, 8, 8]);
        let mut order: Vec<_> = (0..3).filter_map(|_| take(&mut three, 1)).collect();
        order.sort_unstable();
        assert_eq!(order, [1, 2, 3]);
    }

    #[test]
    fn an_idle_carrier_takes_what_its_window_does_not_hold() {
        let mut one = carriers(&[4]);
        assert_eq!(take(&mut one, 6), Some(1));
        assert_eq!(take(&mut one, 1), None);
        one.give_back(back(1, 6));
        one.resize(CarrierId(1), Window { rows: Rows::ZERO });
        assert_eq!(take(&mut one, 1), None, "a window of nothing takes nothing");
    }

    #[test]
    fn a_closed_carrier_gets_nothing_until_it_reports() {
        let mut one = carriers(&[4]);
        one.close(CarrierId(1));
        assert_eq!((take(&mut one, 1), one.open()), (None, 0));
        one.resize(CarrierId(1), Window { rows: Rows::new(2) });
        assert_eq!((take(&mut one, 2), one.open()), (Some(1), 1));
        assert!(one.remove(CarrierId(1)) && !one.remove(CarrierId(1)) && one.is_empty());
        one.give_back(back(1, 2));
    }
}
