//! Counters and histograms per version, statistics as the protocol has them, and the Prometheus text.
//!
//! The gateway owns every number, so that totals outlive a host. Counting takes atomics that are held by handle: no
//! lock and no look-up on a request's way, unless its version is judged. A request costs ten additions, below 90 ns on a
//! busy machine whether one thread counts or two; a batch costs 220 ns. Of a version that is judged evidence is counted
//! besides, behind a lock that is held for moments: 260 instructions for a request that runs alone, of 62,400 over HTTP
//! and 73,800 over gRPC (`load_tests/instructions.py --judged`). Of one that is not, each looks at a flag.

mod collector;
mod ending;
mod evidence;
mod executions;
mod gpu;
mod grouping;
mod histogram;
mod latency;
pub mod listener;
mod of_models;
mod pool;
mod process;
mod seats;
mod seconds;
mod slowness;
mod statistics;
mod text;
mod together;
mod users;
mod version;

pub use evidence::{Evidence, Units};
pub use gpu::{GpuMemory, memory as gpu_memory};
pub use of_models::OfModels;
pub use pool::Pair;
pub use process::Hosted;
pub use statistics::{Span, Statistics};
pub use text::{Family, label};
pub use version::{Ended, VersionMeter};

use crate::base::{
    contract::Contract,
    fault::Kind,
    panics,
    units::{Tick, Version},
};
use crate::decide::policy::PolicyTable;
use compact_str::CompactString;
use parking_lot::RwLock;
use std::collections::{BTreeMap, btree_map::Entry};
use std::sync::Arc;
use version::Failures;

/// All numbers of one gateway.
#[derive(Debug, Default)]
pub struct Meter {
    /// Grows by one entry for each version that ever had a contract here, or was in a table as judged: what bounds the
    /// label values.
    versions: RwLock<BTreeMap<(CompactString, Version), Arc<VersionMeter>>>,
    refused: Failures,
    pub(crate) of_models: OfModels,
}

impl Meter {
    /// The same numbers for the same model and version, however often it is loaded.
    pub fn version(&self, contract: &Contract) -> Arc<VersionMeter> {
        let key = (contract.model.clone(), contract.version);
        if let Some(known) = self.versions.read().get(&key) {
            return Arc::clone(known); // each batch asks: only a version that is new shuts the others out
        }
        Arc::clone(self.versions.write().entry(key).or_default())
    }

    /// Begins, goes on with and ends counting evidence, so that it is what the table has as judged.
    pub fn judge(&self, table: &PolicyTable) {
        let mut versions = self.versions.write();
        let mut judged = BTreeMap::new();
        for (name, model) in &table.models {
            for one in model.judged().iter().filter(|one| model.entry(one.version).is_some()) {
                judged.insert((name.clone(), one.version), (one, model.sticky_fact()));
            }
        }
        for key in judged.keys() {
            versions.entry(key.clone()).or_default(); // its hosts may be yet to come
        }
        for (key, meter) in &*versions {
            meter.judge(judged.get(key).copied());
        }
    }

    /// Of the versions that are judged, by name and version.
    pub fn evidence(&self, now: Tick) -> Vec<Evidence> {
        let versions = self.versions.read();
        let each = versions.iter().map(|((name, number), meter)| meter.evidence(name, *number, now));
        each.flatten().collect()
    }

    /// A request ended before it was known which version it is for: it did not parse, or asks for nothing we have.
    pub fn refused(&self, kind: Kind) {
        self.refused.add(kind);
    }

    #[cfg(test)]
    pub(crate) fn refusals(&self) -> u64 {
        self.refused.totals().iter().sum()
    }

    /// Of all versions, or of one model, or of one version; by name and version. Empty if there is none.
    pub fn statistics(&self, model: Option<&str>, version: Option<Version>) -> Vec<Statistics> {
        let versions = self.versions.read();
        let wanted = versions.iter().filter(|((name, number), _)| {
            model.is_none_or(|model| model == name) && version.is_none_or(|version| version == number.told())
        });
        let mut rows = BTreeMap::<_, Statistics>::new();
        for ((name, number), meter) in wanted {
            let row = Statistics::of(name.clone(), number.told(), &meter.totals());
            match rows.entry((name, number.told())) {
                Entry::Vacant(place) => drop(place.insert(row)),
                Entry::Occupied(mut sum) => sum.get_mut().add(row), // a control is its version
            }
        }
        rows.into_values().collect()
    }

    /// The Prometheus text exposition, format 0.0.4. `hosts`: those that there are now; `families`: what others count.
    pub fn render(&self, hosts: &[Hosted], families: &[Family]) -> String {
        let versions: Vec<_> = {
            let held = self.versions.read();
            held.iter().map(|((name, number), meter)| (name.clone(), *number, meter.totals())).collect()
        };
        let mut page = text::Page::default();
        page.versions(&versions);
        page.refused(&self.refused.totals());
        families.iter().for_each(|family| page.counted_elsewhere(family));
        let help = "Bugs of headrace in this process; each has ended one request, or one connection";
        page.single("headrace_panics_total", "counter", help, panics::count());
        process::write_hosts(&mut page, hosts);
        process::write(&mut page);
        gpu::write(&mut page);
        page.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{call::Execution, contract::Batching};

    pub(super) fn contract(model: &str, version: u64) -> Contract {
        let batching = Batching { max_rows: 8, queue_rows: 16, ..Batching::default() };
        Contract {
            model: model.into(),
            version: Version(version),
            platform: "python".into(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            batching,
            repeatable: false,
            lanes: 1,
            streams: false,
            unbatched: false,
            sequences: None,
            feedback: None,
        }
    }

    #[test]
    fn totals_survive_a_reload() {
        let meter = Meter::default();
        meter.version(&contract("a", 1)).admitted();
        assert!(Arc::ptr_eq(&meter.version(&contract("a", 1)), &meter.version(&contract("a", 1))));
        assert_eq!(meter.version(&contract("a", 1)).totals().pending(), 1);
    }

    #[test]
    fn a_control_counts_as_its_version_to_callers() {
        let run = Execution { rows: 1, ..Execution::default() };
        let meter = Meter::default();
        for version in [3, 1_000_000_000_000_000_003, 4] {
            meter.version(&contract("a", version)).executed(run);
        }
        let rows = meter.statistics(None, None);
        let seen: Vec<_> = rows.iter().map(|row| (row.version.0, row.execution_count)).collect();
        assert_eq!(seen, [(3, 2), (4, 1)]);
        assert_eq!(meter.statistics(Some("a"), Some(Version(3))).len(), 1);
        let page = meter.render(&[], &[]);
        assert!(page.contains("version=\"3+control\"") && page.contains("version=\"3\""), "{page}");
    }

    #[test]
    fn statistics_are_of_all_or_of_what_is_named() {
        let meter = Meter::default();
        for (model, version) in [("b", 1), ("a", 2), ("a", 10)] {
            meter.version(&contract(model, version));
        }
        let seen = |model, version: Option<u64>| -> Vec<_> {
            let rows = meter.statistics(model, version.map(Version));
            rows.into_iter().map(|row| (row.model.to_string(), row.version.0)).collect()
        };
        let row = |model: &str, version| (model.to_owned(), version);
        assert_eq!(seen(None, None), [row("a", 2), row("a", 10), row("b", 1)]);
        assert_eq!(seen(Some("a"), None), [row("a", 2), row("a", 10)]);
        assert_eq!(seen(Some("a"), Some(2)), [row("a", 2)]);
        assert_eq!(seen(Some("a"), Some(3)), []);
        assert_eq!(seen(Some("A"), None), []);
    }
}
