//! Whether a host still lives that says nothing: a process that stands still has an open socket.
//!
//! Asked only while the host has calls and is silent. The host's link answers, which needs no model to return and no
//! interpreter; whether a *model* hangs is for the host itself to see. One timer a link, set when a call takes off
//! while none runs; an idle link has none.

use super::session::Session;
use crate::base::primitive::atomic::Ordering::Relaxed;
use crate::wire::{
    frame::{Head, Kind},
    frame_encode::encode,
};
use std::time::Duration;

/// Between two looks. A host is given up when it was silent in three of them, and asked twice.
const PACE: Duration = Duration::from_secs(10);
const LOOKS: u32 = 3;

/// How long a host may be silent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) pace: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { pace: PACE }
    }
}

impl Patience {
    pub(super) fn whole(self) -> Duration {
        self.pace * LOOKS
    }
}

impl Session {
    /// Resolves when the host has calls and has said nothing for the whole patience, though it was asked.
    pub(super) async fn until_silent(&self) {
        let mut silent = 0;
        loop {
            if self.flights.lock().rest() {
                silent = 0;
                self.took_off.notified().await;
            }
            tokio::time::sleep(self.common.patience.pace).await;
            if self.heard.swap(false, Relaxed) || self.flights.lock().is_empty() {
                silent = 0;
                continue;
            }
            silent += 1;
            if silent == LOOKS {
                return;
            }
            // On a closed link there is nothing to ask for.
            let _ = self.outbox.put(|out| encode(out, &Head::new(Kind::Ping, 0), |_| {}, &[]));
            self.outbox.nudge();
        }
    }
}
