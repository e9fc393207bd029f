//! What is to be done once a version's lock is released: calls to send, callers to answer.

use super::{pending::Pending, service::Service};
use crate::base::{
    call::{Call, Carrier},
    clock,
    fault::Fault,
    primitive::thread_local,
    units::Tick,
};
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// Decided under the lock, done without it: a carrier may settle from within `send`.
#[derive(Debug, Default)]
#[must_use = "calls in it would be lost"]
pub(super) struct Work {
    pub(in crate::gateway) sends: SmallVec<[(Arc<dyn Carrier>, Call); 1]>,
    pub(in crate::gateway) ends: Vec<(Box<Pending>, Fault)>,
}

thread_local! {
    static BUSY: Cell<bool> = const { Cell::new(false) };
    static LATER: RefCell<Vec<Arc<Service>>> = const { RefCell::new(Vec::new()) };
}

/// Whether this thread is inside [`run`]. What changes then is looked at by that run, not by a nested one: a
/// carrier that settles at once would otherwise recurse through the whole queue.
pub(super) fn is_busy() -> bool {
    BUSY.with(Cell::get)
}

/// The run that this thread is in will look at `service` before it ends.
pub(super) fn look_later(service: Arc<Service>) {
    LATER.with(|later| later.borrow_mut().push(service));
}

struct Busy;

impl Drop for Busy {
    fn drop(&mut self) {
        BUSY.with(|busy| busy.set(false));
    }
}

pub(in crate::gateway) fn run(work: Work, now: Tick) {
    BUSY.with(|busy| busy.set(true));
    let busy = Busy; // a carrier that panics must not silence the thread
    perform(work, now);
    while let Some(service) = LATER.with(|later| later.borrow_mut().pop()) {
        let now = clock::now();
        perform(service.ready(now), now);
    }
    drop(busy);
}

fn perform(work: Work, now: Tick) {
    for (carrier, call) in work.sends {
        carrier.send(call);
    }
    for (pending, fault) in work.ends {
        pending.fail(fault, now);
    }
}
