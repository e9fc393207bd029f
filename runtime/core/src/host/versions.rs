//! The versions a host carries at this moment, and who is told when that changes.

use super::{door::Door, intake::Intake};
use crate::base::{
    clock,
    contract::{Batching, Contract},
    fault::{Fault, Kind},
    roster::{CarrierId, Roster},
    units::{Tick, Version},
};
use crate::link::{Carried, Intakes, Log};
use crate::mem::arena::Arena;
use parking_lot::Mutex;
use std::{
    io,
    path::Path,
    sync::{Arc, Weak},
    time::Duration,
};

/// Carries versions. A gateway of the same process is a roster; those of others come through links.
#[derive(Debug)]
pub struct Host {
    /// Where large outputs go, so that a link sends their place only.
    arena: Option<Arena>,
    /// Locked before `state`, and while links are told: what they hear last is how it is.
    door: Mutex<Option<Door>>,
    state: Mutex<State>,
}

/// One lock for all of it: a roster hears of changes in the order they happened. A call that comes through a link
/// takes it for as long as its version is looked up.
#[derive(Debug, Default)]
struct State {
    entries: Vec<Entry>,
    rosters: Vec<Arc<dyn Roster>>,
    draining: bool,
}

#[derive(Debug)]
struct Entry {
    intake: Arc<Intake>,
    listed: Vec<(Arc<dyn Roster>, CarrierId)>,
}

impl Host {
    pub fn new(arena: Option<Arena>) -> Host {
        Host { arena, door: Mutex::default(), state: Mutex::default() }
    }

    /// Calls may come before this returns. A fault for a version that is open, or that a gateway of this
    /// process refuses because its tensors differ from those of the version's other carriers.
    pub fn open(&self, contract: Contract) -> Result<Arc<Intake>, Fault> {
        let (model, version) = (&contract.model, contract.version);
        let ear = self.door.lock().as_ref().and_then(|door| door.listener.ear());
        let mut state = self.state.lock();
        if state.draining {
            return Err(Fault::new(Kind::Unavailable, "this host is draining and takes no more versions"));
        }
        if state.find(model, version).is_some() {
            return Err(Fault::invalid(format!(
                "model '{model}' version {version} is open in this host already"
            )));
        }
        let intake = Arc::new(Intake::new(Arc::new(contract), self.arena.clone(), ear));
        let mut entry = Entry { intake: Arc::clone(&intake), listed: Vec::new() };
        for roster in &state.rosters {
            if let Err(fault) = entry.list(roster) {
                entry.unlist();
                return Err(fault);
            }
        }
        state.entries.push(entry);
        drop(state);
        self.announce();
        Ok(intake)
    }

    /// No more calls for it; those that wait are still served. False: it was not open.
    pub fn close(&self, model: &str, version: Version) -> bool {
        let mut state = self.state.lock();
        let Some(at) = state.find(model, version) else { return false };
        let entry = state.entries.swap_remove(at);
        entry.unlist();
        drop(state);
        self.announce();
        entry.intake.close();
        true
    }

    /// Closes the version of this intake, and answers what waits: nobody will pull it any more.
    pub fn abandon(&self, intake: &Arc<Intake>) {
        let mut state = self.state.lock();
        if let Some(at) = state.entries.iter().position(|entry| Arc::ptr_eq(&entry.intake, intake)) {
            state.entries.swap_remove(at).unlist();
        }
        drop(state);
        self.announce();
        intake.abandon();
    }

    /// Changes the limits of the batches to come, and tells who sends how much may be on its way.
    pub fn update(&self, intake: &Arc<Intake>, batching: &Batching) {
        let door = self.door.lock();
        let state = self.state.lock();
        let window = intake.update(batching);
        for entry in state.entries.iter().filter(|entry| Arc::ptr_eq(&entry.intake, intake)) {
            entry.listed.iter().for_each(|(roster, id)| roster.carrier_window(*id, window));
        }
        if let Some(door) = &*door {
            let contract = intake.contract();
            door.listener.credit(&contract.model, contract.version, window);
        }
    }

    /// Lets gateways of other processes find this host at `path`, in a folder that is this user's alone.
    pub fn listen(self: &Arc<Host>, path: &Path, log: Log) -> io::Result<()> {
        let mut door = self.door.lock();
        if door.is_some() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "this host listens already"));
        }
        // Weak: the door is part of the host, which would otherwise keep itself alive.
        let intakes = Arc::new(Behind(Arc::downgrade(self)));
        *door = Some(Door::open(path, intakes, self.arena.clone(), log)?);
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn listen_on(
        self: &Arc<Host>,
        on: &tokio::runtime::Handle,
        path: &Path,
        log: Log,
    ) -> io::Result<()> {
        let intakes = Arc::new(Behind(Arc::downgrade(self)));
        *self.door.lock() = Some(Door::open_on(on, path, intakes, self.arena.clone(), log)?);
        Ok(())
    }

    fn announce(&self) {
        if let Some(door) = &*self.door.lock() {
            door.listener.announce();
        }
    }

    /// The versions that are open now, and those to come, are listed there.
    pub fn attach(&self, roster: Arc<dyn Roster>) -> Result<(), Fault> {
        let mut state = self.state.lock();
        for entry in &mut state.entries {
            entry.list(&roster)?;
        }
        state.rosters.push(roster);
        Ok(())
    }

    pub fn intakes(&self) -> Vec<Arc<Intake>> {
        self.state.lock().entries.iter().map(|entry| Arc::clone(&entry.intake)).collect()
    }

    /// Takes no more calls, lets lanes finish what was taken, and ends them. True if nothing was left at the
    /// end of the time; what was left is answered: try again elsewhere.
    pub fn drain(&self, grace: Duration) -> bool {
        let until = clock::now().plus(grace);
        let taken = self.take_no_more();
        self.finish(&taken, until)
    }

    /// The first half of a drain. Returns the versions that it closed.
    pub(crate) fn take_no_more(&self) -> Vec<Arc<Intake>> {
        let mut state = self.state.lock();
        state.draining = true;
        let entries = std::mem::take(&mut state.entries);
        entries.iter().for_each(Entry::unlist);
        drop(state);
        if let Some(door) = &*self.door.lock() {
            door.listener.drain();
        }
        entries.iter().for_each(|entry| entry.intake.close());
        entries.into_iter().map(|entry| entry.intake).collect()
    }

    /// The second half: blocks, at most until `until`.
    pub(crate) fn finish(&self, taken: &[Arc<Intake>], until: Tick) -> bool {
        // A call that was sent before its gateway heard of the end is still to come.
        let last = self.door.lock().as_ref().is_none_or(|door| door.listener.wait_for_the_last(until));
        let clean = taken.iter().all(|intake| intake.wait_empty(until));
        taken.iter().for_each(|intake| intake.abandon());
        // An answer that is larger than a socket's buffer is still on its way.
        let sent = self.door.lock().as_ref().is_none_or(|door| door.listener.wait_sent(until));
        last && clean && sent
    }
}

impl State {
    fn find(&self, model: &str, version: Version) -> Option<usize> {
        self.entries.iter().position(|entry| {
            let contract = entry.intake.contract();
            contract.model == model && contract.version == version
        })
    }
}

impl Entry {
    fn list(&mut self, roster: &Arc<dyn Roster>) -> Result<(), Fault> {
        let intake = &self.intake;
        let id = roster.carrier_up(Arc::clone(intake.contract()), intake.clone(), intake.window())?;
        self.listed.push((Arc::clone(roster), id));
        Ok(())
    }

    fn unlist(&self) {
        self.listed.iter().for_each(|(roster, id)| roster.carrier_down(*id));
    }

    fn carried(&self) -> Carried {
        let intake = &self.intake;
        let contract = Arc::clone(intake.contract());
        Carried { contract, carrier: intake.clone(), window: intake.window() }
    }
}

/// A host, as its links see it.
#[derive(Debug)]
struct Behind(Weak<Host>);

impl Intakes for Behind {
    fn find(&self, model: &str, version: Version) -> Option<Carried> {
        let host = self.0.upgrade()?;
        let state = host.state.lock();
        state.find(model, version).and_then(|at| state.entries.get(at)).map(Entry::carried)
    }

    fn carried(&self) -> Vec<Carried> {
        let host = self.0.upgrade();
        host.map(|host| host.state.lock().entries.iter().map(Entry::carried).collect()).unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "versions_tests.rs"]
mod tests;
