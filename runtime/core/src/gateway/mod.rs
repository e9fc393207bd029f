//! The gateway: admits, routes, lets wait, sends to hosts, answers, counts.

mod demand;
mod dice;
mod digest;
mod ending;
mod ensemble;
mod errors;
mod files;
pub mod grpc;
pub mod http;
mod labels;
mod leaving;
mod memory;
mod note;
mod pins;
mod profile;
mod queue;
pub(crate) mod requests;
mod settings;
mod shadow;
mod sockets;
mod table;
mod threads;
mod wishes;

pub use memory::admission::Reserved;
pub use memory::client::Client;
pub use settings::{GatewaySettings, Limits};
pub use table::views::IndexRow;

use crate::base::{
    clock,
    fault::Fault,
    panics,
    units::{Tick, Version},
};
use crate::mem::arena::Arena;
use crate::meter::Meter;
use crate::sync::gate::Gate;
use crate::wire::prediction::Signer;
use arc_swap::ArcSwap;
use compact_str::CompactString;
use demand::Demand;
use dice::Dice;
use ending::Ending;
use errors::Errors;
use labels::Labels;
use memory::admission::{Ledger, Of};
use memory::regions::Regions;
use parking_lot::Mutex;
use profile::Profiles;
use queue::flights::Flights;
use queue::recent::Recent;
use queue::service::Surroundings;
use queue::suspects::Suspects;
use queue::tenants::Tenants;
use shadow::Shadows;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Acquire};
use std::sync::{Arc, OnceLock, Weak};
use table::registry::Registry;
use table::state::State;
use threads::Threads;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use wishes::Wishes;

/// One process has one. Locks are taken in this order: registry, a version's floor, flights.
#[derive(Debug)]
pub struct Gateway {
    settings: GatewaySettings,
    me: Weak<Gateway>,
    state: ArcSwap<State>,
    /// Names (lower case) of headers and metadata that are looked at, by the table or to tell tenants apart.
    headers: ArcSwap<Vec<CompactString>>,
    /// Whether there are any.
    looks_at_headers: AtomicBool,
    tenants: Tenants,
    registry: Mutex<Registry>,
    flights: Arc<Flights>,
    ledger: Arc<Ledger>,
    /// Answers that wait to be read.
    unread: Arc<Ledger>,
    gate: Gate,
    ending: Ending,
    errors: Errors,
    recent: Arc<Recent>,
    suspects: Arc<Suspects>,
    meter: Arc<Meter>,
    arena: Option<Arena>,
    regions: Regions,
    wishes: Wishes,
    labels: Labels,
    demand: Demand,
    shadows: Shadows,
    composing: ensemble::Composing,
    /// Of the ids of predictions.
    signer: Option<Signer>,
    profiles: Profiles,
    timers: Arc<OnceLock<Handle>>,
    /// When it began to take connections.
    since: OnceLock<Tick>,
    /// Nanoseconds since 1970, when it was made: tells its life from that of another process.
    began: u64,
    /// A carrier came, or a table.
    arrivals: Notify,
    threads: Mutex<Option<Threads>>,
    /// What a drain gave up on.
    left: OnceLock<String>,
    last_call: AtomicU64,
    dice: Dice,
    /// Of ids, which callers read: who has seen some could foresee the next, and those alone.
    nonces: Dice,
}

impl Gateway {
    /// Fails only if the system refuses the arena's memory.
    pub fn new(mut settings: GatewaySettings) -> io::Result<Arc<Gateway>> {
        panics::install();
        let errors = Errors::new();
        settings.fit(files::allow_many(), files::open(), &errors);
        let arena = match settings.arena_bytes {
            0 => None,
            bytes => Some(Arena::new(bytes)?),
        };
        Ok(Arc::new_cyclic(|me| Gateway {
            me: Weak::clone(me),
            state: ArcSwap::default(),
            headers: ArcSwap::default(),
            looks_at_headers: AtomicBool::new(false),
            tenants: Tenants::default(),
            registry: Mutex::default(),
            flights: Arc::default(),
            ledger: Ledger::new(Of::Requests, settings.limits.in_flight_bytes),
            unread: Ledger::new(Of::Answers, settings.limits.unread_bytes),
            gate: Gate::default(),
            ending: Ending::default(),
            errors,
            recent: Arc::default(),
            suspects: Arc::default(),
            meter: Arc::default(),
            arena,
            regions: Regions::new(settings.limits.client_regions),
            wishes: Wishes::default(),
            labels: Labels::default(),
            demand: Demand::default(),
            shadows: Shadows::new(settings.worst.clone()),
            composing: ensemble::Composing::default(),
            signer: settings.prediction_key.as_ref().map(Signer::new),
            profiles: Profiles::default(),
            timers: Arc::default(),
            since: OnceLock::new(),
            began: clock::unix_ns(),
            arrivals: Notify::new(),
            threads: Mutex::default(),
            left: OnceLock::new(),
            last_call: AtomicU64::new(0),
            dice: Dice::default(),
            nonces: Dice::default(),
            settings,
        }))
    }

    pub fn limits(&self) -> &Limits {
        &self.settings.limits
    }

    pub fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// The memory that hosts may map; `None` if the settings do without.
    pub fn arena(&self) -> Option<&Arena> {
        self.arena.as_ref()
    }

    /// Of a request's headers or metadata, what is looked at: usually nothing.
    pub(super) fn facts(&self, headers: &::http::HeaderMap) -> Vec<(CompactString, CompactString)> {
        if !self.looks_at_headers.load(Acquire) {
            return Vec::new();
        }
        let value = |name: &str| headers.get(name)?.to_str().ok();
        let wanted = self.headers.load();
        wanted.iter().filter_map(|name| Some((name.clone(), value(name)?.into()))).collect()
    }

    /// Gives a fault that the server is to blame for an id that the error log has too. Faults of
    /// [`Gateway::infer`] have theirs; this is for those that a front finds itself.
    pub fn report(&self, fault: Fault, model: &str, version: Option<Version>) -> Fault {
        self.errors.report(fault, model, version)
    }

    /// Waits for the next fault of the error log, as JSON; `None` once drained.
    pub fn next_error(&self) -> Option<String> {
        self.errors.next()
    }

    /// How requests went lately, some of them: JSON, the newest first.
    pub fn recent(&self) -> String {
        self.recent.told()
    }

    fn surroundings(&self) -> Surroundings {
        Surroundings {
            outlet: Weak::clone(&self.me) as Weak<dyn crate::base::call::Outlet>,
            flights: Arc::clone(&self.flights),
            suspects: Arc::clone(&self.suspects),
            timers: Arc::clone(&self.timers),
            park: self.limits().park(),
        }
    }

    /// What the error log got since the last look.
    #[cfg(test)]
    pub(crate) fn logged(&self) -> Vec<String> {
        self.errors.logged()
    }

    /// Its dice fall as these do.
    #[cfg(test)]
    pub(crate) fn seed(&self, dice: u64) {
        self.dice.seed(dice);
        self.nonces.seed(dice);
    }

    fn draw(&self) -> u64 {
        self.dice.draw()
    }
}

#[cfg(test)]
mod tests;
