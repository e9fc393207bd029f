//! Which versions and carriers this gateway knows, and how they come and go.

use super::state::{Model, State};
use crate::base::{
    call::{Carrier, Window},
    clock,
    contract::Contract,
    fault::Fault,
    roster::{CarrierId, Roster},
    units::Version,
};
use crate::decide::policy::{BadPolicy, ModelPolicy, PolicyTable};
use crate::gateway::{
    Gateway,
    queue::service::{Running, Service},
};
use compact_str::CompactString;
use rustc_hash::FxHashMap;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, atomic::Ordering::Release};

/// Locked when something comes or goes, never by a request.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Registry {
    services: HashMap<(CompactString, Version), Arc<Service>>,
    carriers: HashMap<CarrierId, Arc<Service>>,
    last_id: u64,
}

impl Registry {
    pub(in crate::gateway) fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.values()
    }
}

impl Gateway {
    /// Replaces the table as a whole. The one in force stays if this one is refused.
    pub fn apply_policy(&self, text: &str) -> Result<(), BadPolicy> {
        let table = PolicyTable::parse(text)?;
        let mut registry = self.registry.lock();
        if let Some(held) = &self.state.load().table {
            table.may_replace(held)?;
        }
        let mut models = FxHashMap::default();
        for (name, policy) in &table.models {
            let model = self.model(&mut registry, name, policy);
            models.insert(name.clone(), model);
        }
        // Whoever is neither wanted nor carried is forgotten; its numbers stay with the meter.
        let listed = |(name, version): &(CompactString, Version)| {
            table.models.get(name).is_some_and(|policy| policy.entry(*version).is_some())
        };
        // By the carriers that are known, for one that comes in this moment is not on its floor yet.
        let Registry { services, carriers, .. } = &mut *registry;
        services.retain(|key, service| listed(key) || carriers.values().any(|of| Arc::ptr_eq(of, service)));
        self.shadows.follow(&models);
        self.profiles.follow(&models);
        self.meter.judge(&table);
        self.state.store(Arc::new(State { table: Some(table), models }));
        self.choose_headers(&registry);
        let state = self.state.load();
        self.demand.tell_again(|model, version| state.sleeps(model, version));
        self.arrivals.notify_waiters();
        Ok(())
    }

    fn choose_headers(&self, registry: &Registry) {
        let state = self.state.load();
        let mut names: BTreeSet<_> = state.table.iter().flat_map(PolicyTable::routing_headers).collect();
        let running = registry.services.values().filter_map(|service| service.running());
        names.extend(running.filter_map(|running| running.contract.batching.tenant_header.clone()));
        let any = !names.is_empty();
        self.headers.store(Arc::new(names.into_iter().collect()));
        self.looks_at_headers.store(any, Release);
    }

    fn model(&self, registry: &mut Registry, name: &CompactString, policy: &ModelPolicy) -> Model {
        let versions = policy.versions.iter();
        let versions = versions.map(|entry| (entry.state, self.service(registry, name, entry.version)));
        Model { versions: versions.collect(), policy: policy.clone() }
    }

    fn running(&self, contract: Arc<Contract>) -> Running {
        let (meter, recent) = (self.meter.version(&contract), Arc::clone(&self.recent));
        Running { contract, meter, recent }
    }

    fn service(&self, registry: &mut Registry, model: &CompactString, version: Version) -> Arc<Service> {
        let key = (model.clone(), version);
        let service = registry.services.entry(key);
        Arc::clone(service.or_insert_with(|| Service::new(model.clone(), version, self.surroundings())))
    }
}

impl Roster for Gateway {
    fn carrier_up(
        &self,
        contract: Arc<Contract>,
        carrier: Arc<dyn Carrier>,
        window: Window,
    ) -> Result<CarrierId, Fault> {
        let (id, service) = {
            let mut registry = self.registry.lock();
            let service = self.service(&mut registry, &contract.model, contract.version);
            registry.last_id += 1;
            let id = CarrierId(registry.last_id);
            registry.carriers.insert(id, Arc::clone(&service));
            (id, service)
        };
        let running = Arc::new(self.running(contract));
        let taken = service.step(clock::now(), |floor| {
            if let Some(held) =
                service.running().filter(|held| !same_tensors(&held.contract, &running.contract))
            {
                if !floor.carriers.is_empty() {
                    return Err(held);
                }
                // Whoever waits was checked against tensors that are no more.
                floor.turn_away =
                    Some("it was replaced by one with other tensors; look at its metadata and try again");
            }
            service.run_as(Arc::clone(&running));
            floor.carriers.add(id, carrier, window);
            Ok(id)
        });
        self.choose_headers(&self.registry.lock());
        self.arrivals.notify_waiters();
        taken.map_err(|held| {
            self.registry.lock().carriers.remove(&id);
            let note = format!(
                "a host offers model '{}' version {} with other tensors than the hosts that serve it: it has {}, they \
                 have {}; give changed tensors a new version",
                service.model,
                service.version,
                tensors(&running.contract),
                tensors(&held.contract),
            );
            self.errors.log(Fault::invalid(note), &service.model, Some(service.version))
        })
    }

    fn carrier_window(&self, id: CarrierId, window: Window) {
        let service = self.registry.lock().carriers.get(&id).cloned();
        if let Some(service) = service {
            service.step(clock::now(), |floor| floor.carriers.resize(id, window));
        }
    }

    fn carrier_changed(&self, id: CarrierId, contract: Arc<Contract>, window: Window) {
        let service = self.registry.lock().carriers.get(&id).cloned();
        let Some(service) = service else { return };
        let running = Arc::new(self.running(contract));
        service.step(clock::now(), |floor| {
            service.run_as(running);
            floor.carriers.resize(id, window);
        });
        self.choose_headers(&self.registry.lock());
    }

    fn carrier_down(&self, id: CarrierId) {
        let service = self.registry.lock().carriers.remove(&id);
        if let Some(service) = service {
            service.step(clock::now(), |floor| floor.carriers.remove(id));
            self.sequence_moved(); // those that it kept are over
        }
    }
}

/// Batching may change while a version serves, tensors may not.
fn same_tensors(one: &Contract, other: &Contract) -> bool {
    one.inputs == other.inputs && one.outputs == other.outputs && one.unbatched == other.unbatched
}

fn tensors(contract: &Contract) -> String {
    let each = contract.inputs.iter().chain(&contract.outputs);
    each.map(|spec| format!("{} {}{:?}", spec.name, spec.datatype.name(), spec.shape))
        .collect::<Vec<_>>()
        .join(", ")
}
