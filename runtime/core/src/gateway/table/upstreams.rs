//! Versions that other servers carry.

use crate::base::{
    roster::Roster,
    units::{Rows, Version},
};
use crate::gateway::Gateway;
use crate::link::{
    foreign::{self, Access, Address, Declared, Place, Target},
    kept::Kept,
};
use compact_str::CompactString;
use std::num::NonZeroU32;
use std::sync::Arc;

/// One of them, as it is asked for.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    url: String,
    #[serde(default)]
    access: Access,
    /// Its tensors, where that server does not tell them.
    #[serde(default)]
    declared: Declared,
    /// What it is there; no version: as that server chooses.
    upstream_model: String,
    #[serde(default)]
    upstream_version: String,
    /// What it is here.
    model: CompactString,
    version: Version,
    /// Rows that may be there at once.
    rows_in_flight: NonZeroU32,
}

impl Gateway {
    /// Has a version carried by another server, given as JSON: `{"url": .., "access": .., "upstream_model": .., "upstream_version": ..,
    /// "model": .., "version": .., "rows_in_flight": ..}`, until what this returns is closed. Fails before `start`.
    pub fn dial(self: &Arc<Gateway>, text: &str) -> Result<Kept, String> {
        let asked: Asked =
            serde_json::from_str(text).map_err(|e| format!("the upstream's settings do not parse: {e}"))?;
        let address: Address = asked.url.parse()?;
        let on = self.timers.get().ok_or("the gateway is not started")?;
        let target = Target {
            address,
            access: asked.access,
            declared: asked.declared,
            place: Place { model: asked.upstream_model, version: asked.upstream_version },
            model: asked.model,
            version: asked.version,
            in_flight: Rows::new(asked.rows_in_flight.get()),
            most_bytes: self.limits().connection_bytes,
        };
        let roster: Arc<dyn Roster> = Arc::clone(self) as Arc<dyn Roster>;
        Ok(foreign::keep(on, roster, target, self.log_of_links()))
    }
}
