//! What ensembles ask, from when they are wanted: some of a ring that are all new would wait for each other.

use crate::base::{primitive::Mutex, units::Version};
use crate::decide::ensemble::{Graph, Need};
use crate::gateway::Gateway;
use compact_str::CompactString;
use std::sync::Arc;

/// Of one gateway.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Composing(Mutex<Vec<Asked>>);

#[derive(Debug)]
struct Asked {
    model: CompactString,
    version: Version,
    needs: Vec<Need>,
}

impl Composing {
    /// Of each version that may be meant, what it asks.
    pub(super) fn needs_of(&self, (name, version): &Need) -> Vec<Vec<Need>> {
        let all = self.0.lock();
        let meant = all.iter().filter(|one| one.model == *name && version.is_none_or(|it| it == one.version));
        meant.map(|one| one.needs.clone()).collect()
    }
}

/// One is known for as long as this is there.
pub(super) struct Known<'a> {
    gateway: &'a Gateway,
    graph: &'a Graph,
}

impl<'a> Known<'a> {
    pub(super) fn new(gateway: &'a Arc<Gateway>, graph: &'a Arc<Graph>) -> Known<'a> {
        let (model, version) = (graph.contract.model.clone(), graph.contract.version);
        gateway.composing.0.lock().push(Asked { model, version, needs: graph.needs() });
        // Those that wait may do so for this one.
        gateway.arrivals.notify_waiters();
        Known { gateway, graph }
    }
}

impl Drop for Known<'_> {
    fn drop(&mut self) {
        let contract = &self.graph.contract;
        let mut all = self.gateway.composing.0.lock();
        let at = all.iter().position(|one| one.model == contract.model && one.version == contract.version);
        at.map(|at| all.swap_remove(at));
    }
}
