//! Where calls of one version come in. Lanes pull their batches from it ([`super::lane`]); one that does not come
//! back is given up ([`super::watch`]).

use super::{
    conduct::Conduct,
    fit::misfit,
    room::{Leaving, Room, Took},
    running::Running,
    staging::Staging,
};
use crate::base::{
    call::{Call, Carrier, Window},
    clock,
    contract::{Batching, Contract},
    primitive::{Condvar, Mutex, thread::ThreadId},
    units::{CallId, Rows, Tick},
};
use crate::decide::cost::{cost, too_dear};
use crate::link::host::Listen;
use crate::mem::arena::Arena;
use arc_swap::ArcSwap;
use std::sync::Arc;
use tokio::sync::Notify;

#[derive(Debug)]
pub struct Intake {
    /// As it was opened.
    contract: Arc<Contract>,
    /// And as it was changed since: whoever sends here is told this one.
    current: ArcSwap<Contract>,
    pub(super) staging: Staging,
    arena: Option<Arena>,
    pub(super) state: Mutex<State>,
    /// For one lane with nothing to do.
    pub(super) ear: Option<Box<dyn Listen>>,
    /// For the other lanes with nothing to do.
    pub(super) idle: Condvar,
    /// The one lane that holds a batch open.
    pub(super) holder: Condvar,
    /// Lanes whose batch waits for the model.
    pub(super) entrance: Condvar,
    /// There may be such lanes.
    pub(super) crowded: bool,
    /// Lanes have work on their batches before these enter.
    pub(super) prepares: bool,
    /// The watch, while the model has nothing.
    pub(super) alarm: Arc<Notify>,
    /// Whoever forgets quiet sequences, while there are none.
    pub(super) quiet: Arc<Notify>,
    /// Whoever waits for the end of all work.
    pub(super) empty: Condvar,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) room: Room,
    pub(super) idle: u32,
    /// The lane that waits for links, or takes in what one sent.
    pub(super) listening: Option<ThreadId>,
    /// A lane was woken and has not looked yet: a second wake-up would be wasted.
    pub(super) waking: bool,
    pub(super) holding: bool,
    /// The watch has a timer that runs, or there is nothing to watch for.
    pub(super) watched: bool,
    /// Quiet sequences are looked at when it is time.
    pub(super) expires: bool,
}

impl Intake {
    /// Large outputs are copied into `arena`, if there is one with room. `ear` is of the links that calls come
    /// through; without it others take them in.
    pub fn new(
        contract: Arc<Contract>,
        conduct: Conduct,
        arena: Option<Arena>,
        ear: Option<Box<dyn Listen>>,
    ) -> Intake {
        let room = Room::new(&contract, &conduct);
        let state = State {
            room,
            idle: 0,
            listening: None,
            waking: false,
            holding: false,
            watched: conduct.hang_timeout.is_none(),
            expires: false,
        };
        Intake {
            // Each lane fills one buffer an input while Python lets go of the last batch's.
            staging: Staging::new(buffers(&contract), conduct.lender),
            crowded: conduct.prepares || conduct.concurrency.is_some_and(|most| most.get() < contract.lanes),
            prepares: conduct.prepares,
            current: ArcSwap::new(Arc::clone(&contract)),
            contract,
            arena,
            state: Mutex::new(state),
            ear,
            idle: Condvar::new(),
            holder: Condvar::new(),
            entrance: Condvar::new(),
            alarm: Arc::default(),
            quiet: Arc::default(),
            empty: Condvar::new(),
        }
    }

    pub fn contract(&self) -> &Arc<Contract> {
        &self.contract
    }

    /// With the batching of this moment.
    pub fn current(&self) -> Arc<Contract> {
        self.current.load_full()
    }

    pub(super) fn arena(&self) -> Option<&Arena> {
        self.arena.as_ref()
    }

    pub fn window(&self) -> Window {
        self.state.lock().room.window()
    }

    /// And rows that one gateway may have here.
    pub fn windows(&self) -> (Window, Rows) {
        let state = self.state.lock();
        (state.room.window(), state.room.most_of_one())
    }

    /// Rows that wait here, and rows that run.
    pub fn occupancy(&self) -> (Rows, Rows) {
        self.state.lock().room.occupancy()
    }

    /// Changes the limits of the batches to come; who sends here must be told the new window.
    pub fn update(&self, batching: &Batching) -> Window {
        let mut state = self.state.lock();
        state.room.update(batching);
        self.current.store(Arc::new(Contract { batching: batching.clone(), ..(*self.contract).clone() }));
        self.holder.notify_all();
        self.wake_next(&mut state);
        state.room.window()
    }

    /// Refuses what comes from now on; what waits is still served, then lanes are told the end.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.room.close();
        self.holder.notify_all();
        self.idle.notify_all();
        if let Some(ear) = &self.ear {
            ear.ring();
        }
        self.settle_slots(state);
    }

    /// Closes, and answers what waits: nobody will pull it any more.
    pub fn abandon(&self) {
        let mut leaving = Leaving::new();
        self.close();
        let ended = {
            let mut state = self.state.lock();
            state.room.clear(&mut leaving);
            let ended = state.room.clear_sequences();
            self.idle.notify_all(); // a lane that waited for one of them, and looked before they were gone
            if state.room.is_empty() {
                self.empty.notify_all();
            }
            ended
        };
        answer(leaving);
        self.answer_ended(ended, Rows::ZERO);
    }

    /// Blocks until nothing waits or runs; false when `until` came first.
    pub fn wait_empty(&self, until: Tick) -> bool {
        let mut state = self.state.lock();
        while !state.room.is_empty() {
            let left = until.since(clock::now());
            if left.is_zero() {
                return false;
            }
            self.empty.wait_for(&mut state, left);
        }
        true
    }

    pub(super) fn release(&self, running: &Arc<Running>, took: Option<Took>) {
        let mut state = self.state.lock();
        if state.room.release(running, took) && state.room.has_slots() {
            state.room.leave_slots(running, clock::now());
            self.settle_slots(state);
        }
    }

    pub(super) fn settled(&self) {
        let mut state = self.state.lock();
        state.room.settled();
        if state.room.is_empty() {
            self.empty.notify_all();
        }
    }
}

/// A batch whose callers are being answered. Its room is free at the end, whatever happens to them.
#[derive(Debug)]
pub(super) struct Settling<'a> {
    pub(super) intake: &'a Intake,
    pub(super) running: &'a Arc<Running>,
}

impl Drop for Settling<'_> {
    fn drop(&mut self) {
        self.intake.release(self.running, None); // nothing if that was done
        self.intake.settled();
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.alarm.notify_one(); // the watch need not wait for its timer
        self.quiet.notify_one();
    }
}

fn buffers(contract: &Contract) -> usize {
    let lanes = usize::try_from(contract.lanes.max(1)).unwrap_or(1);
    lanes.saturating_add(1).saturating_mul(contract.inputs.len())
}

pub(super) fn answer(leaving: Leaving) {
    for (call, fault) in leaving {
        call.reply.refuse(fault);
    }
}

impl Carrier for Intake {
    fn send(&self, call: Call) {
        if let Some(fault) = misfit(&self.contract, &call) {
            return call.reply.refuse(fault);
        }
        let cost = match cost(&self.current.load(), call.rows, &call.inputs) {
            Ok(cost) => cost,
            Err(fault) => return call.reply.refuse(fault),
        };
        let refused = {
            let mut state = self.state.lock();
            let max_cost = state.room.max_cost();
            if cost > max_cost {
                drop(state);
                return call.reply.refuse(too_dear(&self.contract, cost, max_cost));
            }
            match state.room.admit(call, cost) {
                Ok(look) => {
                    if !state.holding {
                        self.wake_next(&mut state);
                    } else if look {
                        self.holder.notify_one();
                    }
                    return;
                }
                Err(refused) => *refused,
            }
        };
        let (call, fault) = refused;
        call.reply.refuse(fault);
    }

    fn cancel(&self, id: CallId) {
        let cancelled = {
            let mut state = self.state.lock();
            let cancelled = state.room.cancel(id, clock::now());
            self.wake_stepper(&mut state);
            if state.room.is_empty() {
                self.empty.notify_all();
            }
            self.settle_slots(state);
            cancelled
        };
        if let Some((call, fault)) = cancelled {
            call.reply.refuse(fault);
        }
    }

    fn credit(&self, id: CallId, parts: u32) {
        let mut state = self.state.lock();
        state.room.credit(id, parts);
        self.wake_stepper(&mut state);
    }
}

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;
