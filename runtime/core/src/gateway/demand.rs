//! Who waits for versions that are loaded on demand. Which are loaded is not the gateway's to decide: it says which are
//! asked for, and goes on when a table has them.

use crate::base::{
    fault::{Fault, Kind, Phase},
    units::Version,
};
use crate::gateway::{Gateway, queue::service::Service};
use compact_str::CompactString;
use parking_lot::{Condvar, Mutex};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Of a version that is loaded on demand.
const LATE: &str = "it was not loaded in time (limit load_wait_ms); try again later";

type Key = (CompactString, Version);

/// Why nobody answers a request at this moment.
#[derive(Debug)]
pub(in crate::gateway) enum Unrouted {
    /// This version is to, once it is loaded.
    OnDemand(Arc<Service>),
    Fault(Fault),
}

impl Unrouted {
    /// For who waits no longer.
    pub(in crate::gateway) fn into_fault(self) -> Fault {
        match self {
            Unrouted::OnDemand(service) => service.unavailable(LATE),
            Unrouted::Fault(fault) => fault,
        }
    }
}

impl From<Fault> for Unrouted {
    fn from(fault: Fault) -> Unrouted {
        Unrouted::Fault(fault)
    }
}

#[derive(Debug, Default)]
struct Desk {
    /// Those that wait for each, and whether Python still has to hear of it. No more than the table has.
    waiting: BTreeMap<Key, Asked>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Asked {
    requests: usize,
    is_told: bool,
}

/// As Python reads it.
#[derive(Debug, Serialize)]
struct Told<'a> {
    model: &'a str,
    version: Version,
}

#[derive(Debug, Default)]
pub(super) struct Demand {
    desk: Mutex<Desk>,
    news: Condvar,
}

impl Demand {
    /// At most `most` wait for one version.
    fn call(&self, service: &Service, most: usize) -> Result<Called<'_>, Fault> {
        let key = (service.model.clone(), service.version);
        let mut desk = self.desk.lock();
        let asked = desk.waiting.entry(key.clone()).or_default();
        if asked.requests >= most {
            let note = format!(
                "{most} requests wait for model '{}' version {} to be loaded (limit load_requests); try again later",
                service.model, service.version
            );
            return Err(Fault::new(Kind::Overloaded, note).at(Phase::NotAdmitted));
        }
        asked.requests += 1;
        let is_told = asked.is_told;
        drop(desk);
        if !is_told {
            self.news.notify_one();
        }
        Ok(Called { demand: self, key })
    }

    /// Those that a new table has as not loaded, and that are waited for, are said once more.
    pub(super) fn tell_again(&self, sleeps: impl Fn(&str, Version) -> bool) {
        for ((model, version), asked) in &mut self.desk.lock().waiting {
            asked.is_told &= !sleeps(model, *version);
        }
        self.news.notify_one();
    }

    pub(super) fn waiting(&self, model: &str, version: Version) -> usize {
        let desk = self.desk.lock();
        if desk.waiting.is_empty() {
            return 0;
        }
        desk.waiting.get(&(model.into(), version)).map_or(0, |asked| asked.requests)
    }

    /// Waits for the next version that is asked for, as JSON; `None` once closed.
    fn next(&self) -> Option<String> {
        let mut desk = self.desk.lock();
        loop {
            if desk.closed {
                return None;
            }
            if let Some(((model, version), asked)) = desk.waiting.iter_mut().find(|(_, asked)| !asked.is_told)
            {
                asked.is_told = true;
                return serde_json::to_string(&Told { model, version: *version }).ok();
            }
            self.news.wait(&mut desk);
        }
    }

    /// Says no more; who waits is told so once he looks again.
    pub(super) fn close(&self) {
        self.desk.lock().closed = true;
        self.news.notify_all();
    }
}

/// A request that waits for a version.
#[derive(Debug)]
pub(super) struct Called<'a> {
    demand: &'a Demand,
    key: Key,
}

impl Drop for Called<'_> {
    fn drop(&mut self) {
        let mut desk = self.demand.desk.lock();
        if let Some(asked) = desk.waiting.get_mut(&self.key) {
            asked.requests -= 1;
            if asked.requests == 0 {
                desk.waiting.remove(&self.key);
            }
        }
    }
}

impl Gateway {
    /// Waits for the next version that a request asks for and that is not loaded; `None` once drained. JSON: model,
    /// version.
    pub fn next_demand(&self) -> Option<String> {
        self.demand.next()
    }

    /// Has `called` be a call for this version.
    pub(super) fn call_for<'a>(
        &'a self,
        service: &Arc<Service>,
        called: &mut Option<Called<'a>>,
    ) -> Result<(), Fault> {
        if self.demand.desk.lock().closed {
            return Err(super::ending::draining());
        }
        let is_of = |one: &Called<'_>| one.key.1 == service.version && one.key.0 == service.model;
        if !called.as_ref().is_some_and(is_of) {
            *called = Some(self.demand.call(service, self.limits().load_requests)?);
        }
        Ok(())
    }
}
