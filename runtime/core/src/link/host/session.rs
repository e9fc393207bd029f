//! One connection from a gateway, from HELLO until nobody looks at our memory any more.

use super::{Common, calls::Shared};
use crate::{
    base::{
        clock,
        primitive::{
            Condvar, Mutex, Notify,
            atomic::{AtomicBool, Ordering},
        },
        units::Tick,
    },
    link::{
        on_device::Regions,
        outbox::{Outbox, Unsent},
    },
    wire::{
        frame::{Head, Kind},
        frame_encode::{TooLong, encode},
        frame_meta::{self, proto},
    },
};
use std::sync::Arc;

/// Shared by the link's task and by the lanes that answer.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) common: Arc<Common>,
    pub(super) number: u64,
    pub(super) outbox: Outbox,
    pub(super) calls: Shared,
    /// Of its clients, on devices.
    pub(super) regions: Regions,
    open: AtomicBool,
    leaving: Notify,
    parting: Mutex<Parting>,
    parted: Condvar,
}

/// How far the two sides are in ending a link without losing a call that is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parting {
    Not,
    /// The gateway was asked to send no more.
    Asked,
    /// It said so: everything that it sent before has come.
    Over,
}

impl Session {
    pub(super) fn new(common: &Arc<Common>, outbox: Outbox, number: u64) -> Arc<Session> {
        Arc::new(Session {
            common: Arc::clone(common),
            number,
            outbox,
            calls: Shared::default(),
            regions: Regions::default(),
            open: AtomicBool::new(true),
            leaving: Notify::new(),
            parting: Mutex::new(Parting::Not),
            parted: Condvar::new(),
        })
    }

    /// Appends a frame; on a link that ended there is nobody to tell. False: nobody will ever see it.
    pub(super) fn try_put(
        &self,
        frame: impl FnOnce(&mut Vec<u8>) -> Result<(), TooLong>,
    ) -> Result<bool, TooLong> {
        match self.outbox.put(frame) {
            Ok(_) => Ok(true),
            Err(Unsent::Closed) => Ok(false),
            Err(Unsent::TooLong(long)) => Err(long),
        }
    }

    /// For frames whose size we determine.
    pub(super) fn put(&self, frame: impl FnOnce(&mut Vec<u8>) -> Result<(), TooLong>) {
        if let Err(long) = self.try_put(frame) {
            (self.common.log)(format!("a frame was not sent: {long}"));
        }
    }

    /// Appends a frame and has it sent.
    pub(super) fn say(&self, frame: impl FnOnce(&mut Vec<u8>) -> Result<(), TooLong>) {
        self.put(frame);
        self.outbox.nudge();
    }

    /// A region is closed here, or never was open.
    pub(super) fn unmapped(&self, number: u64) {
        let (head, region) =
            (Head::new(Kind::Unmapped, 0), proto::Region { number, ..proto::Region::default() });
        self.say(|out| encode(out, &head, |out| frame_meta::append(out, &region), &[]));
    }

    /// Asks the gateway to send no more.
    pub(super) fn ask_for_no_more(&self) {
        {
            let mut parting = self.parting.lock();
            if *parting != Parting::Not {
                return;
            }
            *parting = Parting::Asked;
        }
        self.say(|out| encode(out, &Head::new(Kind::Drain, 0), |_| {}, &[]));
    }

    /// The gateway sends no more calls.
    pub(super) fn heard_the_last(&self) {
        *self.parting.lock() = Parting::Over;
        self.parted.notify_all();
    }

    /// Blocks until a gateway that was asked has sent its last call; false when `until` came first.
    pub(super) fn wait_for_the_last(&self, until: Tick) -> bool {
        let mut parting = self.parting.lock();
        while *parting == Parting::Asked {
            let left = until.since(clock::now());
            if left.is_zero() {
                return false;
            }
            self.parted.wait_for(&mut parting, left);
        }
        true
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    pub(super) fn in_flight(&self) -> usize {
        self.calls.lock().running.len()
    }

    /// We end the link ourselves.
    pub(super) fn leave(&self) {
        self.leaving.notify_one();
    }

    pub(super) async fn left(&self) {
        self.leaving.notified().await;
    }

    /// Nobody waits for these calls any more.
    pub(super) fn abandon(&self) {
        if !self.open.swap(false, Ordering::AcqRel) {
            return;
        }
        self.outbox.close();
        self.heard_the_last();
        self.regions.forget_all();
        let mut running: Vec<_> = {
            let calls = self.calls.lock();
            calls.running.iter().map(|(number, taken)| (*number, Arc::clone(&taken.carrier))).collect()
        };
        running.sort_unstable_by_key(|(number, _)| *number);
        for (number, carrier) in running {
            carrier.cancel(self.local(number));
        }
    }

    /// The gateway looks at nothing any more.
    pub(super) fn forget_lent(&self) {
        let lent = std::mem::take(&mut self.calls.lock().lent);
        drop(lent);
    }
}
