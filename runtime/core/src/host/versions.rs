//! The versions a host carries at this moment, and who is told when that changes.

use super::intake::Intake;
use crate::base::{
    clock,
    contract::{Batching, Contract},
    fault::{Fault, Kind},
    roster::{CarrierId, Roster},
    units::Version,
};
use crate::link::{Carried, Intakes};
use crate::mem::arena::Arena;
use parking_lot::Mutex;
use std::{fmt, sync::Arc, time::Duration};

/// Whoever asks [`Intakes::carried`] again after each change: the host's links.
pub trait Audience: Send + Sync + fmt::Debug {
    /// Must not call back into the host before it returns.
    fn changed(&self);
}

/// Carries versions. A gateway of the same process is a roster; those of others come through links.
#[derive(Debug)]
pub struct Host {
    /// Where large outputs go, so that a link sends their place only.
    arena: Option<Arena>,
    state: Mutex<State>,
}

/// One lock for all of it: a roster hears of changes in the order they happened. It is taken when versions
/// come and go, never for a call.
#[derive(Debug, Default)]
struct State {
    entries: Vec<Entry>,
    rosters: Vec<Arc<dyn Roster>>,
    audience: Vec<Arc<dyn Audience>>,
    draining: bool,
}

#[derive(Debug)]
struct Entry {
    intake: Arc<Intake>,
    listed: Vec<(Arc<dyn Roster>, CarrierId)>,
}

impl Host {
    pub fn new(arena: Option<Arena>) -> Host {
        Host { arena, state: Mutex::default() }
    }

    /// Calls may come before this returns. A fault for a version that is open, or that a gateway of this
    /// process refuses because its tensors differ from those of the version's other carriers.
    pub fn open(&self, contract: Contract) -> Result<Arc<Intake>, Fault> {
        let (model, version) = (&contract.model, contract.version);
        let mut state = self.state.lock();
        if state.draining {
            return Err(Fault::new(Kind::Unavailable, "this host is draining and takes no more versions"));
        }
        if state.find(model, version).is_some() {
            return Err(Fault::invalid(format!(
                "model '{model}' version {version} is open in this host already"
            )));
        }
        let intake = Arc::new(Intake::new(Arc::new(contract), self.arena.clone()));
        let mut entry = Entry { intake: Arc::clone(&intake), listed: Vec::new() };
        for roster in &state.rosters {
            if let Err(fault) = entry.list(roster) {
                entry.unlist();
                return Err(fault);
            }
        }
        state.entries.push(entry);
        state.tell();
        Ok(intake)
    }

    /// No more calls for it; those that wait are still served. False: it was not open.
    pub fn close(&self, model: &str, version: Version) -> bool {
        let mut state = self.state.lock();
        let Some(at) = state.find(model, version) else { return false };
        let entry = state.entries.swap_remove(at);
        entry.unlist();
        state.tell();
        drop(state);
        entry.intake.close();
        true
    }

    /// Closes the version of this intake, and answers what waits: nobody will pull it any more.
    pub fn abandon(&self, intake: &Arc<Intake>) {
        let mut state = self.state.lock();
        if let Some(at) = state.entries.iter().position(|entry| Arc::ptr_eq(&entry.intake, intake)) {
            state.entries.swap_remove(at).unlist();
            state.tell();
        }
        drop(state);
        intake.abandon();
    }

    /// Changes the limits of the batches to come, and tells who sends how much may be on its way.
    pub fn update(&self, intake: &Arc<Intake>, batching: &Batching) {
        let state = self.state.lock();
        let window = intake.update(batching);
        for entry in state.entries.iter().filter(|entry| Arc::ptr_eq(&entry.intake, intake)) {
            entry.listed.iter().for_each(|(roster, id)| roster.carrier_window(*id, window));
        }
        state.tell();
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

    pub fn tell(&self, audience: Arc<dyn Audience>) {
        self.state.lock().audience.push(audience);
    }

    pub fn intakes(&self) -> Vec<Arc<Intake>> {
        self.state.lock().entries.iter().map(|entry| Arc::clone(&entry.intake)).collect()
    }

    /// Takes no more calls, lets lanes finish what was taken, and ends them. True if nothing was left at the
    /// end of the time; what was left is answered: try again elsewhere.
    pub fn drain(&self, grace: Duration) -> bool {
        let until = clock::now().plus(grace);
        let mut state = self.state.lock();
        state.draining = true;
        let entries = std::mem::take(&mut state.entries);
        entries.iter().for_each(Entry::unlist);
        state.tell();
        drop(state);
        entries.iter().for_each(|entry| entry.intake.close());
        let clean = entries.iter().all(|entry| entry.intake.wait_empty(until));
        entries.iter().for_each(|entry| entry.intake.abandon());
        clean
    }
}

impl State {
    fn find(&self, model: &str, version: Version) -> Option<usize> {
        self.entries.iter().position(|entry| {
            let contract = entry.intake.contract();
            contract.model == model && contract.version == version
        })
    }

    fn tell(&self) {
        self.audience.iter().for_each(|audience| audience.changed());
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

impl Intakes for Host {
    fn find(&self, model: &str, version: Version) -> Option<Carried> {
        let state = self.state.lock();
        state.find(model, version).and_then(|at| state.entries.get(at)).map(Entry::carried)
    }

    fn carried(&self) -> Vec<Carried> {
        self.state.lock().entries.iter().map(Entry::carried).collect()
    }
}
