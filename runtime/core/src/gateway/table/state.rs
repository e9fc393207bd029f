//! The table in force and the versions behind it, swapped as one.

use crate::base::{
    contract::Contract,
    fault::{Fault, Kind},
    inference::Inference,
    named::Named,
    units::Version,
};
use crate::decide::{
    ensemble::{Need, needs},
    facts::Facts,
    policy::{ModelPolicy, PolicyTable, VersionState},
    route::{self, Standing},
};
use crate::gateway::{demand::Unrouted, queue::service::Service};
use compact_str::CompactString;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// A model of the table.
#[derive(Debug)]
pub(in crate::gateway) struct Model {
    pub(in crate::gateway) policy: ModelPolicy,
    /// In the table's order.
    pub(in crate::gateway) versions: Vec<(VersionState, Arc<Service>)>,
}

/// Read by every request without a lock; never changed, only replaced.
#[derive(Debug, Default)]
pub(in crate::gateway) struct State {
    /// `None` before the first table.
    pub(super) table: Option<PolicyTable>,
    pub(in crate::gateway) models: FxHashMap<CompactString, Model>,
}

impl Model {
    fn of(&self, version: Version) -> Option<&(VersionState, Arc<Service>)> {
        self.versions.iter().find(|(_, service)| service.version == version)
    }

    pub(in crate::gateway) fn service(&self, version: Version) -> Option<&Arc<Service>> {
        self.of(version).map(|(_, service)| service)
    }

    /// The version that a request names.
    pub(super) fn named(&self, name: &str, named: &Named) -> Result<&Arc<Service>, Fault> {
        let version = match named {
            Named::Number(version) => Some(*version).filter(|version| !version.is_control()),
            Named::Alias(alias) => self.policy.alias(alias),
        };
        let unknown = || not_found(format_args!("'{name}' version {named} is not found"));
        version.and_then(|version| self.service(version)).ok_or_else(unknown)
    }

    /// What routing may count on: the table must want it ready, and somebody must carry it.
    fn standing(&self, version: Version) -> Standing {
        self.standing_of(version, self.of(version))
    }

    fn standing_of(&self, version: Version, found: Option<&(VersionState, Arc<Service>)>) -> Standing {
        let found = match found {
            Some((VersionState::Ready, service)) => service.standing(),
            Some((VersionState::Loading | VersionState::Unavailable, _)) | None => Standing::Down,
        };
        match found {
            // Also where its host was lost a moment ago, for it may have been let go.
            Standing::Down | Standing::Returning if self.is_on_demand(version) => Standing::OnDemand,
            Standing::Up | Standing::Returning | Standing::OnDemand | Standing::Down => found,
        }
    }

    /// Whether it answers once it is loaded for that.
    pub(super) fn is_asleep(&self, version: Version) -> bool {
        self.standing(version) == Standing::OnDemand
    }

    fn is_on_demand(&self, version: Version) -> bool {
        self.policy.entry(version).is_some_and(|entry| entry.on_demand)
    }

    /// Whether a request for it would be answered, now or once it is loaded for that.
    pub(super) fn answers(&self, version: Version) -> bool {
        matches!(self.standing(version), Standing::Up | Standing::OnDemand)
    }

    pub(super) fn is_up(&self, version: Version) -> bool {
        self.standing(version) == Standing::Up
    }

    fn share(&self, version: Version) -> u32 {
        let shares = self.policy.shares();
        shares.iter().find(|share| share.version == version).map_or(0, |share| share.share)
    }

    /// The version with the largest share that has a contract, for who asks about the model as such.
    pub(super) fn leading(&self) -> Option<&Arc<Service>> {
        let known = self.versions.iter().filter(|(_, service)| service.running().is_some());
        let rank =
            |service: &Service| (self.is_up(service.version), self.share(service.version), service.version);
        known.map(|(_, service)| service).max_by_key(|service| rank(service))
    }

    /// Of those that are loaded on demand the one with the largest share, if no other answers.
    pub(super) fn asleep(&self) -> Option<&Arc<Service>> {
        let each = self.versions.iter().map(|(_, service)| service);
        let asleep = each.filter(|service| self.is_asleep(service.version));
        asleep.max_by_key(|service| (self.share(service.version), service.version))
    }

    /// Why nobody answers, version by version.
    pub(super) fn excuse(&self) -> String {
        let each = self.versions.iter().filter(|(_, service)| !service.version.is_control());
        let each = each.map(|(state, service)| {
            let version = service.version;
            let share = self.policy.shares().iter().any(|share| share.version == version && share.share > 0);
            let reason = self.policy.entry(version).map_or("", |entry| entry.reason.as_str());
            let colon = if reason.is_empty() { "" } else { ": " };
            match state {
                VersionState::Ready if !share => {
                    format!("version {version} gets no traffic unless it is named")
                }
                VersionState::Ready => format!("version {version} has no host"),
                VersionState::Loading | VersionState::Unavailable => {
                    format!("version {version} is {}{colon}{reason}", state.name())
                }
            }
        });
        each.collect::<Vec<_>>().join("; ")
    }
}

impl State {
    /// Why a model, or the version of it that is named, would not answer; `None` if it would.
    pub(in crate::gateway) fn lacks(&self, name: &str, version: Option<Version>) -> Option<String> {
        let Some(model) = self.models.get(name) else { return Some("there is none of this name".to_owned()) };
        if let Some(version) = version {
            return self.version_lacks(model, version);
        }
        let mut why = None;
        for share in model.policy.shares().iter().filter(|share| share.share > 0) {
            match self.version_lacks(model, share.version) {
                Some(lack) => why = why.or(Some(lack)),
                None => return None,
            }
        }
        why.or_else(|| Some(model.excuse()))
    }

    /// An ensemble lacks what a model of it does. It is no step of itself, by way of whomever: such a one is not carried.
    fn version_lacks(&self, model: &Model, version: Version) -> Option<String> {
        let Some((_, service)) = model.of(version) else {
            return Some(format!("there is no version {version}"));
        };
        if !model.answers(version) {
            return Some(model.excuse());
        }
        let inner = service.look(|floor| needs(floor.carriers.steps()));
        inner
            .iter()
            .find_map(|(name, version)| Some(format!("model '{name}': {}", self.lacks(name, *version)?)))
    }

    /// Of each version that may be meant, if it is an ensemble, what it asks.
    pub(in crate::gateway) fn needs_of(&self, (name, version): &Need) -> Vec<Vec<Need>> {
        let Some(model) = self.models.get(name) else { return Vec::new() };
        let meant =
            model.versions.iter().filter(|(_, service)| version.is_none_or(|one| one == service.version));
        meant.map(|(_, service)| service.look(|floor| needs(floor.carriers.steps()))).collect()
    }

    /// By which the version that is meant is asked, if it has been carried.
    pub(in crate::gateway) fn contract_of(
        &self,
        name: &str,
        version: Option<Version>,
    ) -> Option<Arc<Contract>> {
        let model = self.models.get(name)?;
        let service = version.map_or_else(|| model.leading(), |version| model.service(version))?;
        service.running().map(|running| Arc::clone(&running.contract))
    }

    pub(in crate::gateway) fn model(&self, name: &str) -> Result<&Model, Fault> {
        self.models.get(name).ok_or_else(|| not_found(format_args!("'{name}' is not found")))
    }

    /// Whether it is only a matter of hosts that never came: of the pinned version, of the one that a rule names, or of
    /// one with a share.
    pub(in crate::gateway) fn awaits(&self, name: &str, named: Option<&Named>, facts: &Facts<'_>) -> bool {
        let Some(model) = self.models.get(name) else { return false };
        let named = named.map(|named| model.named(name, named));
        let ruled = model.policy.ruled(facts);
        let may_have = |version| match &named {
            Some(named) => named.as_ref().is_ok_and(|named| named.version == version),
            None => {
                let mut shares = model.policy.shares().iter();
                shares.any(|one| one.version == version && one.share > 0) || ruled == Some(version)
            }
        };
        model.versions.iter().any(|(state, service)| {
            may_have(service.version) && *state == VersionState::Ready && service.running().is_none()
        })
    }

    /// Who answers this request. The table that says so may be replaced meanwhile; the request keeps its version.
    pub(in crate::gateway) fn route(
        &self,
        inference: &Inference,
        draw: impl FnOnce() -> u64,
    ) -> Result<&Arc<Service>, Unrouted> {
        let name = &inference.model;
        let model = self.model(name)?;
        let named = inference.version.as_ref();
        let pinned = named.map(|named| model.named(name, named)).transpose()?.map(|service| service.version);
        let facts = Facts::of(inference);
        let pick = route::pick(&model.policy, pinned, &facts, draw, |version| model.standing(version));
        let found = pick.and_then(|pick| model.of(pick.version));
        if let Some((_, service)) = found {
            return match model.standing_of(service.version, found) {
                Standing::OnDemand => Err(Unrouted::OnDemand(Arc::clone(service))),
                Standing::Up | Standing::Returning | Standing::Down => Ok(service),
            };
        }
        Err(Unrouted::Fault(match named {
            None if model.versions.is_empty() => {
                not_found(format_args!("'{name}' has no available versions"))
            }
            None => {
                let note = format!("model '{name}' cannot serve now: {}", model.excuse());
                Fault::new(Kind::Unavailable, note)
            }
            Some(named) => {
                let why = model.excuse();
                let note = format!(
                    "Request for unknown model: '{name}' version {named} is not at ready state: {why}"
                );
                Fault::new(Kind::Unavailable, note)
            }
        }))
    }

    /// Whether the table has a version as not loaded, and not on its way either, until it is asked for.
    pub(in crate::gateway) fn sleeps(&self, model: &str, version: Version) -> bool {
        let entry = self.models.get(model).and_then(|model| model.policy.entry(version));
        entry.is_some_and(|entry| entry.on_demand && entry.state == VersionState::Unavailable)
    }
}

fn not_found(what: std::fmt::Arguments<'_>) -> Fault {
    Fault::new(Kind::NotFound, format!("Request for unknown model: {what}"))
}
