//! One connection from a gateway, from HELLO until nobody looks at our memory any more.

use super::{Common, calls::Shared};
use crate::{
    link::outbox::{Outbox, Unsent},
    wire::frame_encode::TooLong,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Shared by the link's task and by the lanes that answer.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) common: Arc<Common>,
    pub(super) number: u64,
    pub(super) outbox: Outbox,
    pub(super) calls: Shared,
    open: AtomicBool,
    leaving: Notify,
}

impl Session {
    pub(super) fn new(common: &Arc<Common>, outbox: Outbox, number: u64) -> Arc<Session> {
        Arc::new(Session {
            common: Arc::clone(common),
            number,
            outbox,
            calls: Shared::default(),
            open: AtomicBool::new(true),
            leaving: Notify::new(),
        })
    }

    /// Appends a frame; on a link that ended there is nobody to tell.
    pub(super) fn try_put(
        &self,
        frame: impl FnOnce(&mut Vec<u8>) -> Result<(), TooLong>,
    ) -> Result<(), TooLong> {
        match self.outbox.put(frame) {
            Ok(_) | Err(Unsent::Closed) => Ok(()),
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
        let running: Vec<_> = {
            let calls = self.calls.lock();
            calls.running.iter().map(|(number, taken)| (*number, Arc::clone(&taken.carrier))).collect()
        };
        for (number, carrier) in running {
            carrier.cancel(self.local(number));
        }
    }

    pub(super) fn forget_lent(&self) {
        let lent = std::mem::take(&mut self.calls.lock().lent);
        drop(lent);
    }
}
