//! The calls of a stateful version: each goes to the host that has its sequence, when it is its turn.

use super::{
    dispatch::{self, Work},
    floor::{Ended, Floor, Sequences},
    pending::Pending,
    seat::Need,
    service::Service,
    submit::Ticket,
};
use crate::base::{
    contract::Contract,
    fault::{Fault, Kind, Phase},
    inference::Parameters,
    roster::CarrierId,
    sequence::Correlation,
    units::{Rows, Tick},
};
use crate::decide::{
    affinity::{Asked, Refused},
    rendezvous::Place,
};
use std::sync::Arc;
use std::time::Duration;

/// A call of a sequence that has been answered.
#[derive(Debug)]
pub(super) struct OverInSequence {
    pub(super) one: Arc<Correlation>,
    /// A model has had it.
    pub(super) ran: bool,
}

/// Of a host's window, what is for sequences that are at work there.
fn kept(contract: &Contract) -> Rows {
    Rows::new(contract.sequences.as_ref().map_or(0, |sequences| sequences.max_sequences))
}

fn idle(contract: &Contract) -> Duration {
    let idle = contract.sequences.as_ref().map_or(0.0, |sequences| sequences.idle_ms);
    Duration::try_from_secs_f64(idle / 1e3).unwrap_or(Duration::MAX)
}

impl Service {
    /// Behind the others of its sequence, and then to its host. Hands the call back if that cannot be.
    pub(super) fn submit_in_sequence(
        self: &Arc<Self>,
        pending: Box<Pending>,
        one: Correlation,
        now: Tick,
    ) -> Result<(), (Box<Pending>, Fault)> {
        let running = Arc::clone(&pending.running);
        let contract = &running.contract;
        let most = usize::try_from(contract.batching.queue_rows).unwrap_or(usize::MAX);
        let nested = dispatch::is_busy();
        let mut floor = self.floor.lock();
        floor.used = now;
        if floor.carriers.open() == 0 && !floor.parked {
            return Err((pending, self.unavailable("it has no host")));
        }
        let places = floor.carriers.places(now);
        let affinity = floor.affinity.get_or_insert_default();
        affinity.expire(idle(contract), now);
        let asked = Asked { one: one.clone(), rank: pending.place.rank, item: pending };
        affinity.enter(asked, &places, most).map_err(|(pending, why)| {
            let fault = match why {
                Refused::NotStarted => one.not_started(&self.model),
                Refused::Full(waiting) => {
                    let (model, version) = (&self.model, self.version);
                    let note = format!(
                        "the queue of model '{model}' version {version} is full: {waiting} rows wait, at most {most} \
                         may; try again later"
                    );
                    Fault::new(Kind::Overloaded, note).at(Phase::NotAdmitted)
                }
            };
            (pending, fault)
        })?;
        running.meter.admitted();
        let mut work = Work::default();
        if !nested {
            self.ready_in_sequence(&mut floor, now, &mut work);
        }
        drop(floor);
        if nested {
            dispatch::look_later(Arc::clone(self));
        } else {
            dispatch::run(work, now);
        }
        Ok(())
    }

    /// When a sequence may be forgotten, or else looked at again; `None`: none is at work.
    pub(in crate::gateway) fn next_end_of_sequence(&self, now: Tick) -> Option<Tick> {
        let idle = idle(&self.running()?.contract);
        let mut floor = self.floor.lock();
        let places = floor.carriers.places(now);
        let affinity = floor.affinity.as_mut()?;
        affinity.expire(idle, now);
        affinity.next_expiry(idle, &places)
    }

    /// Takes out who can go to its host, and whoever has no reason to wait any more.
    pub(super) fn ready_in_sequence(&self, floor: &mut Floor, now: Tick, work: &mut Work) {
        let Some(running) = self.running() else { return };
        let (places, kept) = (floor.carriers.places(now), kept(&running.contract));
        let Floor { affinity: Some(affinity), carriers, .. } = floor else { return };
        let lost = affinity.move_to(&places, now);
        work.ends.extend(self.not_started(lost));
        for Place { host, .. } in &places {
            // Those that must be apart keep nobody else waiting: others go past them.
            let mut passed = 0;
            while let Some(asked) = affinity.next(*host, passed) {
                let pending = &mut asked.item;
                let level = pending.place.rank.level;
                let fault = pending.is_over(now).or_else(|| pending.judge(&self.around.suspects, now));
                if let Some(fault) = fault {
                    let (id, rank) = (asked.one.id.clone(), asked.rank);
                    let (taken, lost) = affinity.remove(&id, rank, &places, now);
                    work.ends.extend(taken.map(|item| (self.left(item), fault)));
                    work.ends.extend(self.not_started(lost));
                    continue;
                }
                let begins_here = asked.one.start.then_some(kept);
                let need = pending.need();
                let Some(seat) = carriers.take_at(*host, need, level, begins_here) else {
                    let Need::Apart(_) = need else { break };
                    passed += 1;
                    continue;
                };
                let Some(asked) = affinity.pop(*host, passed) else { break };
                self.launch(asked.item, seat, now, work);
            }
        }
    }

    /// A call of a sequence has been answered.
    pub(super) fn over_in_sequence(
        &self,
        floor: &mut Floor,
        OverInSequence { one, ran }: &OverInSequence,
        now: Tick,
    ) {
        self.move_sequences(floor, now, |affinity, places| {
            let mut lost = match one.start && !ran {
                true => affinity.begun_nothing(&one.id),
                false => Vec::new(),
            };
            lost.extend(affinity.over(&one.id, one.end && *ran, places, now));
            lost
        });
    }

    /// One comes back that no model has seen. Gives it back if it is of no sequence.
    pub(super) fn again_in_sequence(
        &self,
        floor: &mut Floor,
        pending: Box<Pending>,
        now: Tick,
    ) -> Option<Box<Pending>> {
        let Some(one) = pending.correlation.as_deref().cloned() else { return Some(pending) };
        let asked = Asked { one, rank: pending.place.rank, item: pending };
        self.move_sequences(floor, now, |affinity, places| affinity.again(asked, places, now));
        None
    }

    /// A request was refused: if it was to begin its sequence anew, what was before is over all the same.
    pub(super) fn not_begun(&self, contract: &Contract, parameters: &Parameters) {
        let one = contract.sequences.as_ref().and_then(|_| Correlation::of(parameters));
        if let Some(one) = one.filter(|one| one.start) {
            self.floor.lock().affinity.iter_mut().for_each(|affinity| affinity.lose(&one.id));
        }
    }

    /// A caller gave up who may wait here.
    pub(super) fn leave_sequence(
        &self,
        floor: &mut Floor,
        ticket: &Ticket,
        now: Tick,
    ) -> Option<Box<Pending>> {
        let id = &ticket.correlation.as_ref()?.id;
        let mut found = None;
        self.move_sequences(floor, now, |affinity, places| {
            let (pending, lost) = affinity.remove(id, ticket.place.rank, places, now);
            found = pending;
            lost
        });
        found
    }

    fn move_sequences(
        &self,
        floor: &mut Floor,
        now: Tick,
        change: impl FnOnce(&mut Sequences, &[Place<CarrierId>]) -> Vec<Asked<Box<Pending>>>,
    ) {
        let places = floor.carriers.places(now);
        let Some(affinity) = &mut floor.affinity else { return };
        let lost = change(affinity, &places);
        floor.ends.extend(self.not_started(lost));
    }

    fn not_started(
        &self,
        lost: impl IntoIterator<Item = Asked<Box<Pending>>>,
    ) -> impl Iterator<Item = Ended> {
        lost.into_iter().map(|asked| (self.left(asked.item), asked.one.not_started(&self.model)))
    }
}
