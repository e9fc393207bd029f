//! The versions a host carries at this moment, and who is told when that changes.

use super::{
    behind::Behind,
    conduct::Conduct,
    fit::unfit,
    hangs::{Hangs, Report},
    intake::Intake,
    leaving::Leaver,
    thread::Thread,
};
use crate::base::{
    clock,
    contract::{Batching, Contract},
    fault::{Fault, Kind},
    panics,
    roster::{CarrierId, Roster},
    units::{Tick, Version},
};
use crate::link::{
    Carried, Log,
    host::{Listen, Listener},
};
use crate::mem::arena::Arena;
use parking_lot::Mutex;
use std::{io, path::Path, sync::Arc, time::Duration};
use tokio::runtime::Handle;

/// Carries versions. A gateway of the same process is a roster; those of others come through links.
#[derive(Debug)]
pub struct Host {
    /// Where large outputs go, so that a link sends their place only.
    arena: Option<Arena>,
    /// Where gateways of other processes come in. Locked before `state`, and while links are told: what they hear
    /// last is how it is. Never while a gateway is waited for: the link's thread, which hears it, takes this lock too.
    door: Mutex<Option<Arc<Listener>>>,
    state: Mutex<State>,
    pub(super) hangs: Hangs,
    /// `None`: a host whose model hangs stays, and serves its other versions.
    pub(super) leaver: Option<Leaver>,
    /// Started with the first version or link that needs it. Declared last: links end before it does.
    thread: Mutex<Option<Thread>>,
}

/// One lock for all of it: a roster hears of changes in the order they happened. A call that comes through a link
/// takes it for as long as its version is looked up.
#[derive(Debug, Default)]
struct State {
    /// In the order of their models and versions.
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
    /// `leaver`: what happens to a host whose model hangs; without it the version is closed and the host stays.
    pub fn new(arena: Option<Arena>, leaver: Option<Leaver>) -> Host {
        panics::install();
        Host {
            arena,
            door: Mutex::default(),
            state: Mutex::default(),
            hangs: Hangs::default(),
            leaver,
            thread: Mutex::default(),
        }
    }

    /// Calls may come before this returns. A fault for a version that is open, or that a gateway of this
    /// process refuses because its tensors differ from those of the version's other carriers.
    pub fn open(self: &Arc<Host>, contract: Contract, conduct: Conduct) -> Result<Arc<Intake>, Fault> {
        let (model, version) = (&contract.model, contract.version);
        if let Some(fault) = unfit(&contract) {
            return Err(fault);
        }
        let ear = self.door.lock().as_ref().and_then(|door| door.ear());
        let ear = ear.map(|ear| Box::new(ear) as Box<dyn Listen>);
        let attended = conduct.hang_timeout.is_some() || contract.sequences.is_some();
        let thread = attended.then(|| self.on_thread()).transpose();
        let thread = thread.map_err(|e| Fault::internal(format!("a thread cannot be started: {e}")))?;
        let mut state = self.state.lock();
        if state.draining {
            return Err(Fault::new(Kind::Unavailable, "this host is draining and takes no more versions"));
        }
        let Err(place) = state.find(model, version) else {
            return Err(Fault::invalid(format!(
                "model '{model}' version {version} is open in this host already"
            )));
        };
        let hang_timeout = conduct.hang_timeout;
        let intake = Arc::new(Intake::new(Arc::new(contract), conduct, self.arena.clone(), ear));
        let mut entry = Entry { intake: Arc::clone(&intake), listed: Vec::new() };
        for roster in &state.rosters {
            if let Err(fault) = entry.list(roster) {
                entry.unlist();
                return Err(fault);
            }
        }
        state.entries.insert(place, entry);
        drop(state);
        if let Some(on) = thread {
            self.attend(&on, &intake, hang_timeout);
        }
        self.announce();
        Ok(intake)
    }

    /// Waits for a version whose model hangs; asked again, the last one is dealt with. `None` once drained.
    pub fn next_hang(&self) -> Option<Report> {
        self.hangs.next()
    }

    fn on_thread(&self) -> io::Result<Handle> {
        let mut thread = self.thread.lock();
        match &*thread {
            Some(thread) => Ok(thread.handle().clone()),
            None => Ok(thread.insert(Thread::start()?).handle().clone()),
        }
    }

    /// No more calls for it; those that wait are still served. False: it was not open.
    pub fn close(&self, model: &str, version: Version) -> bool {
        let mut state = self.state.lock();
        let Ok(at) = state.find(model, version) else { return false };
        let entry = state.entries.remove(at);
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
            state.entries.remove(at).unlist();
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
        // A new window takes a carrier back into service: not one that was closed.
        let Some(entry) = state.entries.iter().find(|entry| Arc::ptr_eq(&entry.intake, intake)) else {
            return;
        };
        for (roster, id) in &entry.listed {
            roster.carrier_changed(*id, intake.current(), window);
        }
        if let Some(door) = &*door {
            door.credit(&intake.current(), window);
        }
    }

    /// Lets gateways of other processes find this host at `path`, in a folder that is this user's alone.
    pub fn listen(self: &Arc<Host>, path: &Path, log: Log) -> io::Result<()> {
        let mut door = self.door.lock();
        if door.is_some() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "this host listens already"));
        }
        let intakes = Arc::new(Behind::of(self));
        let listener = Listener::listen(&self.on_thread()?, path, intakes, self.arena.clone(), log)?;
        *door = Some(Arc::new(listener));
        Ok(())
    }

    fn announce(&self) {
        if let Some(door) = &*self.door.lock() {
            door.announce();
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

    pub(super) fn carries(&self, model: &str, version: Version) -> Option<Carried> {
        let state = self.state.lock();
        state.find(model, version).ok().and_then(|at| state.entries.get(at)).map(Entry::carried)
    }

    pub(super) fn carried(&self) -> Vec<Carried> {
        self.state.lock().entries.iter().map(Entry::carried).collect()
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
            door.drain();
        }
        entries.iter().for_each(|entry| entry.intake.close());
        entries.into_iter().map(|entry| entry.intake).collect()
    }

    /// The second half: blocks, at most until `until`.
    pub(crate) fn finish(&self, taken: &[Arc<Intake>], until: Tick) -> bool {
        let door = self.door.lock().clone();
        // A call that was sent before its gateway heard of the end is still to come.
        let last = door.as_ref().is_none_or(|door| door.wait_for_the_last(until));
        let clean = taken.iter().all(|intake| intake.wait_empty(until));
        taken.iter().for_each(|intake| intake.abandon());
        // An answer that is larger than a socket's buffer is still on its way.
        let sent = door.is_none_or(|door| door.wait_sent(until));
        self.hangs.close();
        last && clean && sent
    }
}

impl State {
    /// Where it is, or where it belongs. Each call from a link asks: a host has one version or a few, for which this
    /// costs less than a hash, and may have a thousand.
    fn find(&self, model: &str, version: Version) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| {
            let contract = entry.intake.contract();
            (contract.model.as_str(), contract.version).cmp(&(model, version))
        })
    }
}

impl Entry {
    fn list(&mut self, roster: &Arc<dyn Roster>) -> Result<(), Fault> {
        let intake = &self.intake;
        let id = roster.carrier_up(intake.current(), intake.clone(), intake.window())?;
        self.listed.push((Arc::clone(roster), id));
        Ok(())
    }

    fn unlist(&self) {
        self.listed.iter().for_each(|(roster, id)| roster.carrier_down(*id));
    }

    fn carried(&self) -> Carried {
        let intake = &self.intake;
        let (window, most) = intake.windows();
        Carried { contract: intake.current(), carrier: intake.clone(), window, most }
    }
}

#[cfg(test)]
#[path = "versions_tests.rs"]
mod tests;
