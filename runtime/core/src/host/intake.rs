//! Where calls of one version come in and lanes pull their batches from.
//!
//! Lanes block without polling; a call wakes exactly one of them, and a lane that leaves calls behind
//! wakes the next. One idle lane waits for the links themselves, if the host has any: it needs no waking for what
//! it takes in.

use super::{
    batch::Batch,
    fit::misfit,
    room::{Leaving, Room, Turn},
    running::Running,
    staging::Staging,
};
use crate::base::{
    call::{Call, Carrier, Window},
    clock,
    contract::{Batching, Contract},
    units::{CallId, Rows, Tick},
};
use crate::link::host::Ear;
use crate::mem::arena::Arena;
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::sync::Arc;
use std::thread::{self, ThreadId};

#[derive(Debug)]
pub struct Intake {
    contract: Arc<Contract>,
    staging: Staging,
    arena: Option<Arena>,
    state: Mutex<State>,
    /// For one lane with nothing to do.
    ear: Option<Ear>,
    /// For the other lanes with nothing to do.
    idle: Condvar,
    /// The one lane that holds a batch open.
    holder: Condvar,
    /// Whoever waits for the end of all work.
    empty: Condvar,
}

#[derive(Debug)]
struct State {
    room: Room,
    idle: u32,
    /// The lane that waits for links, or takes in what one sent.
    listening: Option<ThreadId>,
    /// A lane was woken and has not looked yet: a second wake-up would be wasted.
    waking: bool,
    holding: bool,
}

impl Intake {
    /// Large outputs are copied into `arena`, if there is one with room. `ear` is of the links that calls come
    /// through; without it others take them in.
    pub fn new(contract: Arc<Contract>, arena: Option<Arena>, ear: Option<Ear>) -> Intake {
        let room = Room::new(&contract);
        Intake {
            // Each lane fills one buffer an input while Python lets go of the last batch's.
            staging: Staging::new(buffers(&contract)),
            contract,
            arena,
            state: Mutex::new(State { room, idle: 0, listening: None, waking: false, holding: false }),
            ear,
            idle: Condvar::new(),
            holder: Condvar::new(),
            empty: Condvar::new(),
        }
    }

    pub fn contract(&self) -> &Arc<Contract> {
        &self.contract
    }

    pub(super) fn arena(&self) -> Option<&Arena> {
        self.arena.as_ref()
    }

    pub fn window(&self) -> Window {
        self.state.lock().room.window()
    }

    /// Rows that wait here, and rows that run.
    pub fn occupancy(&self) -> (Rows, Rows) {
        self.state.lock().room.occupancy()
    }

    /// Blocks until there is a batch to run, with its inputs gathered; `None` once closed and empty.
    pub fn next_batch(self: &Arc<Intake>) -> Option<Batch> {
        loop {
            let mut leaving = Leaving::new();
            let turn = self.turn(&mut leaving);
            answer(leaving);
            match turn {
                Turn::Run { calls, running } => {
                    return Some(Batch::gather(Arc::clone(self), calls, running, &self.staging));
                }
                Turn::Closed => return None,
                Turn::Wait { .. } | Turn::Idle => {}
            }
        }
    }

    /// Waits under the lock, and comes back with work, the end, or calls that left.
    fn turn(&self, leaving: &mut Leaving) -> Turn {
        let mut state = self.state.lock();
        loop {
            let now = clock::now();
            let turn = state.room.turn(now, leaving);
            if !leaving.is_empty() && state.room.is_empty() {
                self.empty.notify_all();
            }
            match turn {
                Turn::Run { .. } | Turn::Closed => {
                    self.wake_next(&mut state);
                    return turn;
                }
                Turn::Wait { .. } | Turn::Idle if !leaving.is_empty() => return turn,
                Turn::Wait { until } if !state.holding => {
                    state.holding = true;
                    self.holder.wait_for(&mut state, until.since(now));
                    state.holding = false;
                }
                Turn::Wait { .. } | Turn::Idle => self.rest(&mut state),
            }
        }
    }

    /// Until there may be something to do.
    fn rest(&self, state: &mut MutexGuard<'_, State>) {
        match &self.ear {
            Some(ear) if state.listening.is_none() => {
                state.listening = Some(thread::current().id());
                MutexGuard::unlocked(state, || ear.listen());
                state.listening = None;
            }
            Some(_) | None => {
                state.idle += 1;
                self.idle.wait(state);
                state.idle -= 1;
            }
        }
        state.waking = false;
    }

    /// One idle lane looks at what waits, unless one is on its way or holds the batch open.
    fn wake_next(&self, state: &mut MutexGuard<'_, State>) {
        let wanted = state.room.has_waiting() || !state.room.is_open();
        if !wanted || state.waking || state.holding {
            return;
        }
        match (state.listening, &self.ear) {
            // It looks when it has taken in what came.
            (Some(lane), _) if lane == thread::current().id() => {}
            _ if state.idle > 0 => {
                state.waking = true;
                self.idle.notify_one();
            }
            (Some(_), Some(ear)) => {
                state.waking = true;
                ear.ring();
            }
            (Some(_) | None, _) => {}
        }
    }

    /// Changes the limits of the batches to come; who sends here must be told the new window.
    pub fn update(&self, batching: &Batching) -> Window {
        let mut state = self.state.lock();
        state.room.update(batching);
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
    }

    /// Closes, and answers what waits: nobody will pull it any more.
    pub fn abandon(&self) {
        let mut leaving = Leaving::new();
        self.close();
        {
            let mut state = self.state.lock();
            state.room.clear(&mut leaving);
            if state.room.is_empty() {
                self.empty.notify_all();
            }
        }
        answer(leaving);
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

    pub(super) fn release(&self, running: &Arc<Running>) {
        self.state.lock().room.release(running);
    }

    pub(super) fn settled(&self) {
        let mut state = self.state.lock();
        state.room.settled();
        if state.room.is_empty() {
            self.empty.notify_all();
        }
    }
}

fn buffers(contract: &Contract) -> usize {
    let lanes = usize::try_from(contract.lanes.max(1)).unwrap_or(1);
    lanes.saturating_add(1).saturating_mul(contract.inputs.len())
}

fn answer(leaving: Leaving) {
    for (call, fault) in leaving {
        call.reply.refuse(fault);
    }
}

impl Carrier for Intake {
    fn send(&self, call: Call) {
        if let Some(fault) = misfit(&self.contract, &call) {
            return call.reply.refuse(fault);
        }
        let refused = {
            let mut state = self.state.lock();
            match state.room.admit(call) {
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
            let cancelled = state.room.cancel(id);
            if state.room.is_empty() {
                self.empty.notify_all();
            }
            cancelled
        };
        if let Some((call, fault)) = cancelled {
            call.reply.refuse(fault);
        }
    }
}

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;
