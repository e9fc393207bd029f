//! When an ensemble is carried: once all its models can answer, and if they fit.

use super::{
    carrier::{Pipeline, Slot},
    composing::Known,
};
use crate::base::{
    call::Window,
    contract::Contract,
    roster::{CarrierId, Roster},
    units::Rows,
};
use crate::decide::ensemble::{Graph, Need, Written, misfit, way_back};
use crate::gateway::Gateway;
use crate::link::kept::{Kept, Standing, unwanted};
use std::pin::pin;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// Rows that may be inside one at once, where its requests are not larger: so many batches of each of its steps that
/// none waits for another. What is beyond waits in its own queue, where those go first that are to.
const ROWS: u32 = 1024;

/// Whether it can be carried as things are.
enum Look {
    Waits(String),
    Refused(String),
    Fits,
}

impl Gateway {
    /// Has a version answered by others, given as JSON (`decide::ensemble::Written`), until what this returns is closed.
    /// Fails before `start`, and where it could never be.
    pub fn compose(self: &Arc<Gateway>, text: &str) -> Result<Kept, String> {
        let written: Written =
            serde_json::from_str(text).map_err(|e| format!("the ensemble's settings do not parse: {e}"))?;
        let graph = Arc::new(Graph::new(written)?);
        let on = self.timers.get().ok_or("the gateway is not started")?;
        let (gateway, runtime) = (Arc::clone(self), on.clone());
        Ok(Kept::new(on, |stands, wanted| keep(gateway, runtime, graph, stands, wanted)))
    }

    fn can_compose(&self, graph: &Graph) -> Look {
        let state = self.state.load();
        let missing =
            |(model, version): &Need| Some(format!("model '{model}': {}", state.lacks(model, *version)?));
        let needs = graph.needs();
        let asked = |need: &Need| [state.needs_of(need), self.composing.needs_of(need)].concat();
        if let Some(way) = way_back((&graph.contract.model, graph.contract.version), &needs, asked) {
            return Look::Refused(format!(
                "the ensemble contains itself: it asks {}",
                way.join(", which asks ")
            ));
        }
        let missing: Vec<_> = needs.iter().filter_map(missing).collect();
        if !missing.is_empty() {
            return Look::Waits(missing.join("; "));
        }
        let contracts: Vec<Option<Arc<Contract>>> =
            graph.steps.iter().map(|step| state.contract_of(&step.model, step.version)).collect();
        misfit(graph, contracts.iter().map(Option::as_deref)).map_or(Look::Fits, Look::Refused)
    }
}

async fn keep(
    gateway: Arc<Gateway>,
    on: Handle,
    graph: Arc<Graph>,
    stands: watch::Sender<Standing>,
    wanted: watch::Receiver<bool>,
) {
    let _known = Known::new(&gateway, &graph);
    let pipeline = Arc::new(Pipeline::new(Arc::downgrade(&gateway), on, Arc::clone(&graph)));
    let standing = tokio::select! {
        standing = until_carried(&gateway, &graph, &pipeline, &stands) => standing,
        () = unwanted(wanted.clone()) => return drop(stands.send_replace(Standing::Over)),
    };
    let carried = standing.map(|id| Carried { gateway: &gateway, id });
    stands.send_replace(match &carried {
        Ok(_) => Standing::Up(Arc::new(graph.contract.clone())),
        Err(why) => Standing::Refused(why.clone()),
    });
    unwanted(wanted).await;
    drop(carried);
    pipeline.until_landed().await;
    stands.send_replace(Standing::Over);
}

/// Until it is dropped.
struct Carried<'a> {
    gateway: &'a Gateway,
    id: CarrierId,
}

impl Drop for Carried<'_> {
    fn drop(&mut self) {
        self.gateway.carrier_down(self.id);
    }
}

async fn until_carried(
    gateway: &Gateway,
    graph: &Graph,
    pipeline: &Arc<Pipeline>,
    stands: &watch::Sender<Standing>,
) -> Result<CarrierId, String> {
    loop {
        let mut arrival = pin!(gateway.arrivals.notified());
        // Before the look: what comes in between is told.
        arrival.as_mut().enable();
        match gateway.can_compose(graph) {
            Look::Refused(why) => return Err(why),
            Look::Fits => {
                let (contract, carrier) =
                    (Arc::new(graph.contract.clone()), Arc::new(Slot(Arc::clone(pipeline))));
                let rows = Rows::new(ROWS.max(contract.batching.max_rows));
                return gateway
                    .carrier_up(contract, carrier, Window { rows })
                    .map_err(|fault| fault.note.into_owned());
            }
            Look::Waits(why) => {
                // What is told is news.
                stands.send_if_modified(|now| {
                    let is_new = !matches!(now, Standing::Down(before) if *before == why);
                    *now = Standing::Down(why);
                    is_new
                });
            }
        }
        arrival.await;
    }
}
