//! One connection from a gateway, from HELLO until nobody looks at our memory any more.

use super::{
    Common,
    calls::{Account, Shared},
};
use crate::{
    base::{call::Outlet, units::Version},
    link::{
        handshake::Joined,
        inbox::Inbox,
        outbox::{Outbox, Unsent},
    },
    mem::peer::PeerArena,
    wire::{frame::Malformed, frame_encode::TooLong},
};
use compact_str::CompactString;
use std::collections::HashMap;
use std::pin::pin;
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
    /// We end the link ourselves.
    leaving: Notify,
}

/// What only the link's task touches.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) session: Arc<Session>,
    inbox: Inbox,
    pub(super) memory: Option<PeerArena>,
    pub(super) accounts: HashMap<(CompactString, Version), Arc<Account>>,
}

/// Why the gateway is listened to no more.
enum Over {
    /// It closed the socket or died: it looks at nothing any more.
    Gone(String),
    /// It broke the protocol, or we leave: it may still look.
    Ours(String),
}

impl Session {
    pub(super) fn start(common: &Arc<Common>, joined: Joined, number: u64) -> Running {
        let Joined { inbox, outbox, memory, .. } = joined;
        let session = Arc::new(Session {
            common: Arc::clone(common),
            number,
            outbox,
            calls: Shared::default(),
            open: AtomicBool::new(true),
            leaving: Notify::new(),
        });
        Running { session, inbox, memory, accounts: HashMap::new() }
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

    pub(super) fn leave(&self) {
        self.leaving.notify_one();
    }

    /// Nobody waits for these calls any more.
    fn abandon(&self) {
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

    fn forget_lent(&self) {
        let lent = std::mem::take(&mut self.calls.lock().lent);
        drop(lent);
    }
}

impl Running {
    pub(super) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Returns why it ended, once the gateway cannot look at our memory any more.
    pub(super) async fn run(mut self) -> String {
        let session = Arc::clone(&self.session);
        let mut write = pin!(session.outbox.write());
        let over = tokio::select! {
            over = self.read() => over,
            end = &mut write => Over::Ours(end.err().map_or_else(String::new, |error| error.to_string())),
            () = session.leaving.notified() => Over::Ours("the host closes".to_owned()),
        };
        session.abandon();
        let why = match over {
            Over::Gone(why) => why,
            Over::Ours(why) => {
                (session.common.log)(format!(
                    "ended the link to a gateway (process {}): {why}",
                    self.inbox.pid()
                ));
                session.outbox.hang_up();
                // It holds the socket for as long as it looks at our memory.
                self.inbox.drain().await;
                why
            }
        };
        session.forget_lent();
        why
    }

    async fn read(&mut self) -> Over {
        if let Err(malformed) = self.frames() {
            return Over::Ours(malformed.to_string());
        }
        loop {
            self.session.outbox.until_low().await;
            match self.inbox.more().await {
                Ok(true) => {}
                Ok(false) => return Over::Gone("it closed the connection, or its process ended".to_owned()),
                Err(error) => return Over::Gone(error.to_string()),
            }
            if let Err(malformed) = self.frames() {
                return Over::Ours(malformed.to_string());
            }
        }
    }

    fn frames(&mut self) -> Result<(), Malformed> {
        let mut any = false;
        while let Some(frame) = self.inbox.next_frame()? {
            self.take(frame)?;
            any = true;
        }
        if any {
            self.session.flush(); // refusals; answers of lanes have usually left by themselves
        }
        Ok(())
    }
}

impl Drop for Running {
    /// Also when the runtime drops the task. Memory that is lent then stays lent: the process is ending.
    fn drop(&mut self) {
        self.session.abandon();
    }
}
