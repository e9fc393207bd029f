//! One version of a model as this gateway serves it: who waits, who carries, and what moves when.

use super::{
    carriers::Carriers,
    dispatch::{self, Work},
    flights::{Flight, Flights},
    floor::Floor,
    pending::Pending,
    prospects,
    recent::Recent,
    seat::{Need, Seat},
    suspects::Suspects,
};
use crate::base::{
    call::Outlet,
    clock,
    contract::Contract,
    fault::{Fault, Kind, Phase},
    primitive::{
        Mutex,
        atomic::{AtomicU8, Ordering},
    },
    units::{Rows, Tick, Version},
};
use crate::decide::{
    queue::{Queue, Room},
    route::Standing,
};
use crate::meter::VersionMeter;
use arc_swap::ArcSwapOption;
use compact_str::CompactString;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use tokio::runtime::Handle;

/// What its carriers agreed on, and where it is counted.
#[derive(Debug)]
pub(in crate::gateway) struct Running {
    pub(in crate::gateway) contract: Arc<Contract>,
    pub(in crate::gateway) meter: Arc<VersionMeter>,
    pub(in crate::gateway) recent: Arc<Recent>,
}

/// What every version needs of its gateway.
#[derive(Clone, Debug)]
pub(in crate::gateway) struct Surroundings {
    /// Weak, because the gateway holds the versions.
    pub(in crate::gateway) outlet: Weak<dyn Outlet>,
    pub(in crate::gateway) flights: Arc<Flights>,
    pub(in crate::gateway) suspects: Arc<Suspects>,
    /// Set by the first request; before it nobody can be waiting.
    pub(in crate::gateway) timers: Arc<OnceLock<Handle>>,
    pub(in crate::gateway) park: Duration,
}

#[derive(Debug)]
pub(in crate::gateway) struct Service {
    pub(in crate::gateway) model: CompactString,
    pub(in crate::gateway) version: Version,
    pub(in crate::gateway) around: Surroundings,
    running: ArcSwapOption<Running>,
    /// A [`Standing`], for routing without the lock.
    standing: AtomicU8,
    pub(super) floor: Mutex<Floor>,
}

impl Service {
    pub(in crate::gateway) fn new(
        model: CompactString,
        version: Version,
        around: Surroundings,
    ) -> Arc<Service> {
        let floor = Floor::default();
        Arc::new(Service {
            model,
            version,
            around,
            running: ArcSwapOption::empty(),
            standing: AtomicU8::new(0),
            floor: Mutex::new(floor),
        })
    }

    /// `None` before the first carrier.
    pub(in crate::gateway) fn running(&self) -> Option<Arc<Running>> {
        self.running.load_full()
    }

    pub(in crate::gateway) fn standing(&self) -> Standing {
        match self.standing.load(Ordering::Acquire) {
            2 => Standing::Up,
            1 => Standing::Returning,
            _ => Standing::Down,
        }
    }

    /// Looks without changing anything.
    pub(in crate::gateway) fn look<T>(&self, at: impl FnOnce(&Floor) -> T) -> T {
        at(&self.floor.lock())
    }

    /// The one way to change a version's state: what can move after the change moves.
    pub(in crate::gateway) fn step<T>(
        self: &Arc<Self>,
        now: Tick,
        change: impl FnOnce(&mut Floor) -> T,
    ) -> T {
        let nested = dispatch::is_busy();
        let mut lost = None;
        let (result, work) = {
            let mut floor = self.floor.lock();
            let before = floor.carriers.open();
            let result = change(&mut floor);
            let open = floor.carriers.open();
            if open > 0 {
                floor.parked = false;
                if before == 0 {
                    self.running().iter().for_each(|running| running.meter.returned(now));
                }
            } else if before > 0 && !self.around.park.is_zero() && self.around.timers.get().is_some() {
                floor.parked = true;
                floor.losses += 1;
                lost = Some(floor.losses);
            }
            let standing = if open > 0 { 2 } else { u8::from(floor.parked) };
            self.standing.store(standing, Ordering::Release);
            let work = if nested { Work::default() } else { self.ready_on(&mut floor, now) };
            (result, work)
        };
        if let Some(loss) = lost {
            self.end_parking_after(loss);
        }
        if nested {
            dispatch::look_later(Arc::clone(self));
        } else {
            dispatch::run(work, now);
        }
        result
    }

    /// A timer for each loss of the last carrier, none while all is well.
    fn end_parking_after(self: &Arc<Self>, loss: u64) {
        let (service, park) = (Arc::clone(self), self.around.park);
        if let Some(timers) = self.around.timers.get() {
            timers.spawn(async move {
                tokio::time::sleep(park).await;
                service.step(clock::now(), |floor| floor.parked &= floor.losses != loss);
            });
        }
    }

    pub(super) fn ready(self: &Arc<Self>, now: Tick) -> Work {
        self.ready_on(&mut self.floor.lock(), now)
    }

    /// Takes from the queue what can go, and whoever has no reason to wait any more.
    fn ready_on(self: &Arc<Self>, floor: &mut Floor, now: Tick) -> Work {
        let mut work = Work { ends: std::mem::take(&mut floor.ends), ..Work::default() };
        let turned_away = floor.turn_away.take();
        if turned_away.is_some() || (floor.carriers.open() == 0 && !floor.parked) {
            let note = turned_away.unwrap_or("its last host is gone and no other came in time");
            for pending in floor.clear() {
                let fault = self.unavailable(note);
                work.ends.push((self.left(pending), fault));
            }
            return work;
        }
        // First those that must be apart: of them a host has one at a time. Who need not be so any more is one of all.
        while let Some(Need::Among(_) | Need::Alone(_)) =
            self.next(&mut floor.aside, &mut floor.carriers, now, &mut work)
        {
            floor.aside.pop().into_iter().for_each(|one| floor.queue.push_again(one.place, one.size(), one));
        }
        while let Some(Need::Apart(_)) = self.next(&mut floor.queue, &mut floor.carriers, now, &mut work) {
            floor.queue.pop().into_iter().for_each(|one| floor.aside.push_again(one.place, one.size(), one));
        }
        if floor.affinity.is_some() {
            self.ready_in_sequence(floor, now, &mut work);
        }
        work
    }

    /// Takes out those that can go, until one cannot: what it needs.
    fn next(
        &self,
        line: &mut Queue<Box<Pending>>,
        carriers: &mut Carriers,
        now: Tick,
        work: &mut Work,
    ) -> Option<Need> {
        while let Some((level, pending)) = line.first() {
            let load = || carriers.load(level, &pending.running.contract);
            if let Some(fault) = pending
                .is_over(now)
                .or_else(|| prospects::hopeless(pending, load, now))
                .or_else(|| pending.judge(&self.around.suspects, now))
            {
                work.ends.extend(line.pop().map(|pending| (self.left(pending), fault)));
                continue;
            }
            let (need, max_rows) = (pending.need(), Rows::new(pending.running.contract.batching.max_rows));
            let Some(seat) = carriers.take(need, level, max_rows, now) else { return Some(need) };
            if let Some(pending) = line.pop() {
                self.launch(pending, seat, now, work);
            }
        }
        None
    }

    /// Under the lock, so that a call is always in the queue or in flight for who looks for it.
    pub(super) fn launch(&self, pending: Box<Pending>, seat: Seat, now: Tick, work: &mut Work) {
        let Some(outlet) = self.around.outlet.upgrade() else { return };
        let mut pending = self.left(pending);
        pending.sent = now;
        pending.tries = pending.tries.saturating_add(1);
        let call = pending.to_call(outlet);
        work.sends.push((Arc::clone(&seat.carrier), call));
        self.around.flights.insert(Flight { pending, seat });
    }

    /// Counts who leaves the waiting room; a second wait, for another try, is not counted.
    pub(in crate::gateway) fn left(&self, pending: Box<Pending>) -> Box<Pending> {
        if pending.tries == 0 {
            pending.running.meter.left_queue();
        }
        pending
    }

    /// To a carrier with room, or into the queue. Hands the call back if neither will have it.
    pub(in crate::gateway) fn submit(
        self: &Arc<Self>,
        pending: Box<Pending>,
        now: Tick,
    ) -> Result<(), (Box<Pending>, Fault)> {
        if let Some(one) = pending.correlation.as_deref().cloned() {
            return self.submit_in_sequence(pending, one, now);
        }
        let meter = Arc::clone(&pending.running.meter);
        let batching = &pending.running.contract.batching;
        let room_for = Room { rows: batching.queue_rows, shared: batching.tenant_header.is_some() };
        let nested = dispatch::is_busy();
        let mut floor = self.floor.lock();
        floor.budget.earn();
        floor.used = now;
        if floor.carriers.open() == 0 && !floor.parked {
            return Err((pending, self.unavailable("it has no host")));
        }
        if let Some(fault) = prospects::too_late(&pending, || floor.before(&pending, now), now) {
            return Err((pending, fault));
        }
        let (place, rows, levels) = (pending.place, pending.rows, batching.levels());
        // Nobody waits who goes before it.
        let room = !nested && floor.line_of(&pending).is_empty();
        let max_rows = Rows::new(batching.max_rows);
        let take = || floor.carriers.take(pending.need(), place.rank.level, max_rows, now);
        if let Some(seat) = room.then(take).flatten() {
            floor.came(levels, place.rank.level, rows, now);
            meter.admitted();
            let mut work = Work::default();
            self.launch(pending, seat, now, &mut work);
            drop(floor);
            dispatch::run(work, now);
            return Ok(());
        }
        let size = pending.size();
        floor.line_of(&pending).push(place, size, pending, room_for).map_err(|(pending, waiting)| {
            let model = &self.model;
            let of = if room_for.shared { " of this tenant, and as many are left to others" } else { "" };
            let note = format!(
                "the queue of model '{model}' version {} is full: {waiting} rows wait{of}, at most {} may; try again later",
                self.version, room_for.rows
            );
            let after = prospects::wait(&pending, floor.before(&pending, now), now);
            (pending, Fault::new(Kind::Overloaded, note).at(Phase::NotAdmitted).retry_after(after))
        })?;
        floor.came(levels, place.rank.level, rows, now);
        meter.admitted();
        drop(floor);
        if nested {
            dispatch::look_later(Arc::clone(self));
        }
        Ok(())
    }

    /// False when retries after crashes are spent.
    pub(super) fn spend_retry(&self) -> bool {
        self.floor.lock().budget.spend()
    }

    pub(in crate::gateway) fn run_as(&self, running: Arc<Running>) {
        self.running.store(Some(running));
    }

    pub(in crate::gateway) fn unavailable(&self, why: &str) -> Fault {
        let note = format!("model '{}' version {} cannot serve now: {why}", self.model, self.version);
        Fault::new(Kind::Unavailable, note)
    }
}
