//! What a gateway tells about itself: readiness, contracts, statistics, the index.

use crate::base::{
    clock,
    contract::Contract,
    fault::{Fault, Kind},
    named::Named,
    step::Step,
    units::Version,
};
use crate::decide::{policy::VersionState, route::Standing};
use crate::gateway::{Gateway, demand::Unrouted};
use crate::meter::{Hosted, Statistics};
use compact_str::CompactString;
use serde_json::{Value, json};
use std::sync::Arc;

/// A version's contract, and the versions of its model that answer.
pub(in crate::gateway) type Described = (Arc<Contract>, Vec<Version>);

/// One row of the repository index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexRow {
    pub model: CompactString,
    pub version: Option<Version>,
    /// READY, UNAVAILABLE, LOADING, UNLOADING or UNKNOWN.
    pub state: CompactString,
    pub reason: String,
}

/// A version that the table wants ready is so only while somebody carries it.
fn shown(
    state: VersionState,
    reason: &str,
    standing: Standing,
    lacks: impl FnOnce() -> Option<String>,
) -> (&'static str, String) {
    match (state, standing) {
        (VersionState::Ready, Standing::Up) => match lacks() {
            Some(lack) => ("UNAVAILABLE", lack),
            None => (state.name(), reason.to_owned()),
        },
        (VersionState::Ready, Standing::Down | Standing::OnDemand) => {
            ("UNAVAILABLE", "no host carries it".to_owned())
        }
        (VersionState::Ready, Standing::Returning) => {
            ("UNAVAILABLE", "its host was lost and is being replaced".to_owned())
        }
        (VersionState::Loading | VersionState::Unavailable, _) => (state.name(), reason.to_owned()),
    }
}

impl Gateway {
    /// True once there is a table and every model that should serve has a ready version.
    pub fn is_ready(&self) -> bool {
        let state = self.state.load();
        let wanted = state.models.iter().filter(|(_, model)| !model.versions.is_empty());
        !self.gate.is_shut()
            && !self.is_ending()
            && state.table.is_some()
            && wanted.map(|(name, _)| state.lacks(name, None)).all(|lack| lack.is_none())
    }

    /// False for an unknown model or version too.
    pub fn is_model_ready(&self, model: &str, named: Option<&Named>) -> bool {
        let state = self.state.load();
        let version =
            |named| state.models.get(model)?.named(model, named).ok().map(|service| service.version);
        match named {
            Some(named) => version(named).is_some_and(|version| state.lacks(model, Some(version)).is_none()),
            None => state.lacks(model, None).is_none(),
        }
    }

    /// The contract of this version, or of the one that takes most of the model's traffic, and all that answer.
    pub(in crate::gateway) fn describe(
        &self,
        model: &str,
        named: Option<&Named>,
    ) -> Result<Described, Fault> {
        self.look_up(model, named).map_err(Unrouted::into_fault)
    }

    pub(in crate::gateway) fn look_up(
        &self,
        model: &str,
        named: Option<&Named>,
    ) -> Result<Described, Unrouted> {
        let state = self.state.load();
        let known = state.model(model)?;
        let meant = match named {
            Some(named) => Some(known.named(model, named)?),
            None => known.leading().or_else(|| known.asleep()),
        };
        let Some(running) = meant.and_then(|service| service.running()) else {
            if let Some(service) = meant.filter(|service| known.is_asleep(service.version)) {
                return Err(Unrouted::OnDemand(Arc::clone(service)));
            }
            let version = named.map_or_else(String::new, |named| format!(" version {named}"));
            let why = known.excuse();
            let note = format!("Request for unknown model: '{model}'{version} is not at ready state: {why}");
            return Err(Fault::new(Kind::Unavailable, note).into());
        };
        let mut ready: Vec<_> = known.versions.iter().map(|(_, service)| service.version).collect();
        ready.retain(|version| known.answers(*version) && !version.is_control());
        ready.sort_unstable();
        Ok((Arc::clone(&running.contract), ready))
    }

    /// Models that a version asks for what it answers: those of an ensemble.
    pub(in crate::gateway) fn steps(&self, of: &Contract) -> Vec<Step> {
        let state = self.state.load();
        let service = state.models.get(&of.model).and_then(|model| model.service(of.version));
        service.map_or_else(Vec::new, |service| service.look(|floor| floor.carriers.steps().to_vec()))
    }

    /// Of all versions of the table, or of those of one model, or of one version.
    pub fn statistics(&self, model: Option<&str>, named: Option<&Named>) -> Result<Vec<Statistics>, Fault> {
        let state = self.state.load();
        let mut version = None;
        if let Some(name) = model {
            let known = state
                .models
                .get(name)
                .ok_or_else(|| Fault::invalid(format!("requested model '{name}' is not available")))?;
            let unknown =
                |_| Fault::invalid(format!("requested model version is not available for model '{name}'"));
            let service = named.map(|named| known.named(name, named).map_err(unknown)).transpose()?;
            version = service.map(|service| service.version);
        }
        let mut rows = self.meter.statistics(model, version);
        let is_known = |row: &Statistics| {
            state.models.get(&row.model).is_some_and(|model| model.service(row.version).is_some())
        };
        rows.retain(is_known);
        Ok(rows)
    }

    /// The page that Prometheus reads.
    pub fn metrics(&self) -> String {
        let state = self.state.load();
        let mut hosts = Vec::new();
        for (name, model) in &state.models {
            for (_, service) in &model.versions {
                let one = |pid| Hosted { model: name.clone(), version: service.version, pid };
                service.look(|floor| hosts.extend(floor.carriers.processes().map(one)));
            }
        }
        hosts.sort_unstable_by(|a, b| (&a.model, a.version, a.pid).cmp(&(&b.model, b.version, b.pid)));
        let mut families = self.shadows.families();
        families.extend(self.profiles.families());
        let is_there = |model: &str, version| {
            let model = state.models.get(model);
            model.is_some_and(|model| model.versions.iter().any(|(_, service)| service.version == version))
        };
        families.extend(self.meter.of_models.families(is_there));
        self.meter.render(&hosts, &families)
    }

    pub fn index(&self, ready_only: bool) -> Vec<IndexRow> {
        let state = self.state.load();
        let mut rows = Vec::new();
        for (name, model) in &state.models {
            if model.versions.is_empty() {
                let state = CompactString::const_new("");
                rows.push(IndexRow { model: name.clone(), version: None, state, reason: String::new() });
            }
            for (wanted, service) in
                model.versions.iter().filter(|(_, service)| !service.version.is_control())
            {
                let reason = model.policy.entry(service.version).map_or("", |entry| entry.reason.as_str());
                let lacks = || state.lacks(name, Some(service.version));
                let (word, reason) = if model.is_asleep(service.version) {
                    (VersionState::Ready.name(), reason.to_owned())
                } else {
                    shown(*wanted, reason, service.standing(), lacks)
                };
                rows.push(IndexRow {
                    model: name.clone(),
                    version: Some(service.version),
                    state: word.into(),
                    reason,
                });
            }
        }
        rows.retain(|row| !ready_only || row.state == "READY");
        rows.sort_unstable_by(|a, b| (&a.model, a.version).cmp(&(&b.model, b.version)));
        rows
    }

    /// For `status`: what is there and how busy it is, as JSON. After a drain that was not clean, as it was when that
    /// gave up.
    pub fn stats(&self) -> String {
        self.left.get().cloned().unwrap_or_else(|| self.count())
    }

    /// What is known of the versions that are judged, as JSON: totals, which only grow while `began` and a version's
    /// `since` are the same.
    pub fn evidence(&self) -> String {
        json!({"began": self.began, "versions": self.meter.evidence(clock::now())}).to_string()
    }

    pub(in crate::gateway) fn count(&self) -> String {
        let (state, now) = (self.state.load(), clock::now());
        let mut models = serde_json::Map::new();
        for (name, model) in &state.models {
            let mut versions = serde_json::Map::new();
            for (wanted, service) in &model.versions {
                let reason = model.policy.entry(service.version).map_or("", |entry| entry.reason.as_str());
                let lacks = || state.lacks(name, Some(service.version));
                let (word, reason) = shown(*wanted, reason, service.standing(), lacks);
                let share = model.policy.shares().iter().find(|share| share.version == service.version);
                let called = self.demand.waiting(name, service.version);
                let busy = service.look(|floor| {
                    let (calls, rows) = floor.carriers.in_flight();
                    json!({"hosts": floor.carriers.open(), "waiting": floor.waiting() + called,
                           "waiting_rows": floor.waiting_rows(), "in_flight": calls, "in_flight_rows": rows,
                           "idle_ms": u64::try_from(now.since(floor.used).as_millis()).unwrap_or(u64::MAX)})
                });
                let mut shown = json!({"state": word, "reason": reason, "share": share.map_or(0, |share| share.share),
                    "contract": service.running().map(|running| contract(&running.contract))});
                if let (Value::Object(shown), Value::Object(busy)) = (&mut shown, busy) {
                    shown.extend(busy);
                }
                versions.insert(service.version.0.to_string(), shown);
            }
            models.insert(name.to_string(), json!({ "versions": versions }));
        }
        json!({
            "ready": self.is_ready(),
            "draining": self.gate.is_shut() || self.is_ending(),
            "epoch": state.table.as_ref().map(|table| table.epoch),
            "models": models,
            "in_flight_bytes": self.ledger.taken(),
            "unread_bytes": self.unread.taken(),
            "requests": self.gate.inside(),
            "in_flight": self.flights.len(),
            "errors_dropped": self.errors.dropped(),
            "shadows": self.shadows.told(),
        })
        .to_string()
    }
}

fn contract(contract: &Contract) -> Value {
    let tensors = |specs: &[crate::base::contract::TensorSpec]| -> Vec<Value> {
        let one = |spec: &crate::base::contract::TensorSpec| json!({"name": spec.name, "datatype": spec.datatype.name(), "shape": spec.shape});
        specs.iter().map(one).collect()
    };
    json!({
        "platform": contract.platform,
        "inputs": tensors(&contract.inputs),
        "outputs": tensors(&contract.outputs),
        "max_rows": contract.batching.max_rows,
        "allowed_rows": contract.batching.allowed_rows,
        "split_oversize": contract.batching.split_oversize,
        "tenant_header": contract.batching.tenant_header,
        "max_delay_ms": contract.batching.max_delay_ms,
        "queue_rows": contract.batching.queue_rows,
        "deadline_ms": contract.batching.deadline_ms,
        "priorities": contract.batching.priorities,
        "default_priority": contract.batching.default_level(),
        "repeatable": contract.repeatable,
        "lanes": contract.lanes,
    })
}
