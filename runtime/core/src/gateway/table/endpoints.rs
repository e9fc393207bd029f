//! Hosts in other processes: which there are is told from outside, the link does the rest.

use crate::base::{
    clock,
    fault::{Fault, Kind},
    roster::Roster,
};
use crate::gateway::Gateway;
use crate::link::{
    Log,
    gateway::{Endpoint, Links},
};
use std::sync::Arc;
use tokio::runtime::Handle;

impl Gateway {
    /// Replaces the set of hosts, given as JSON: `[{"id": .., "socket": ..}]`. Hosts that are listed no more get
    /// no more calls and finish those they have. Fails before `start` and after `drain`.
    pub fn set_endpoints(&self, text: &str) -> Result<(), String> {
        let endpoints: Vec<Endpoint> =
            serde_json::from_str(text).map_err(|e| format!("the list of endpoints does not parse: {e}"))?;
        let links = self.threads.lock().as_ref().map(|threads| Arc::clone(threads.links()));
        links.ok_or("the gateway is not started")?.set_endpoints(endpoints);
        Ok(())
    }

    /// From here on callers may come. Timers and links run as tasks of `on`.
    pub(crate) fn begin(self: &Arc<Gateway>, on: Handle) -> Arc<Links> {
        let links = self.links(on.clone());
        self.timers.get_or_init(|| on);
        self.since.get_or_init(clock::now);
        links
    }

    fn links(self: &Arc<Gateway>, on: Handle) -> Arc<Links> {
        let roster: Arc<dyn Roster> = Arc::clone(self) as Arc<dyn Roster>;
        Arc::new(Links::new(on, roster, self.arena.clone(), self.log_of_links()))
    }

    /// Where the operator reads what became of a link.
    pub(super) fn log_of_links(self: &Arc<Gateway>) -> Log {
        let gateway = Arc::downgrade(self);
        Arc::new(move |line| {
            if let Some(gateway) = gateway.upgrade() {
                gateway.errors.log(Fault::new(Kind::HostLost, line), "", None);
            }
        })
    }
}
