//! An ensemble as the queue sees it: one more carrier. Each call has a task that asks its steps.

use super::run::Run;
use crate::base::{
    call::{Call, Carrier, Outcome, Timing},
    clock,
    fault::{Fault, Kind, Phase},
    panics,
    step::Step,
    units::CallId,
};
use crate::decide::ensemble::Graph;
use crate::gateway::Gateway;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::pin::pin;
use std::sync::{Arc, Weak};
use tokio::runtime::Handle;
use tokio::sync::Notify;

#[derive(Debug)]
pub(super) struct Pipeline {
    gateway: Weak<Gateway>,
    on: Handle,
    graph: Arc<Graph>,
    /// What its callers have to say to each call that is under way.
    calls: Mutex<FxHashMap<CallId, Arc<Notify>>>,
    landed: Notify,
}

/// Takes a call out however its task ends.
struct Landing(Arc<Pipeline>, CallId);

impl Drop for Landing {
    fn drop(&mut self) {
        let mut calls = self.0.calls.lock();
        calls.remove(&self.1);
        if calls.is_empty() {
            self.0.landed.notify_waiters();
        }
    }
}

impl Pipeline {
    pub(super) fn new(gateway: Weak<Gateway>, on: Handle, graph: Arc<Graph>) -> Pipeline {
        Pipeline { gateway, on, graph, calls: Mutex::default(), landed: Notify::new() }
    }

    pub(super) async fn until_landed(&self) {
        loop {
            let mut landed = pin!(self.landed.notified());
            landed.as_mut().enable();
            if self.calls.lock().is_empty() {
                return;
            }
            landed.await;
        }
    }
}

/// Its slot in the roster is the only one that sends it calls.
#[derive(Debug)]
pub(super) struct Slot(pub(super) Arc<Pipeline>);

impl Carrier for Slot {
    fn send(&self, call: Call) {
        let pipeline = &self.0;
        let Some(gateway) = pipeline.gateway.upgrade() else {
            return call
                .reply
                .refuse(Fault::new(Kind::Unavailable, "the gateway is gone").at(Phase::NotStarted));
        };
        let cancelled = Arc::new(Notify::new());
        let landing = Landing(Arc::clone(pipeline), call.id);
        pipeline.calls.lock().insert(call.id, Arc::clone(&cancelled));
        let graph = Arc::clone(&pipeline.graph);
        // Where its caller waits, if this is that thread: nobody is woken for it then.
        let on = Handle::try_current().unwrap_or_else(|_| pipeline.on.clone());
        on.spawn(async move {
            answer(&gateway, &graph, call, &cancelled, landing).await;
        });
    }

    fn cancel(&self, call: CallId) {
        let cancelled = self.0.calls.lock().get(&call).cloned();
        cancelled.inspect(|cancelled| cancelled.notify_one());
    }

    fn steps(&self) -> &[Step] {
        &self.0.graph.written
    }
}

/// Answers the call, whatever happens.
async fn answer(gateway: &Arc<Gateway>, graph: &Graph, mut call: Call, cancelled: &Notify, landing: Landing) {
    let (began, rows) = (clock::now(), call.rows.get());
    let result = match Run::new(gateway, graph, &mut call) {
        Err(fault) => Err(fault),
        Ok(run) => {
            let whole = pin!(run.whole());
            tokio::select! {
                result = panics::survive_all(whole) => result.flatten(),
                () = cancelled.notified() => Err(Fault::new(Kind::Cancelled, "the caller is gone")),
            }
        }
    };
    // The whole way: what its steps waited and ran for is counted with them.
    let infer_ns = u64::try_from(clock::now().since(began).as_nanos()).unwrap_or(u64::MAX);
    let timing = Timing { infer_ns, batch_rows: rows, ..Timing::default() };
    let outlet = call.reply.outlet().cloned();
    drop(landing);
    call.reply.settle(Outcome { result, timing });
    outlet.inspect(|outlet| outlet.flush());
}
