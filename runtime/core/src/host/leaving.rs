//! How a host's process ends when its model hangs or has lost its device: nobody can end a thread, or mend what a
//! process has of a device, so another process takes its place.

use super::{hangs::Report, versions::Host};
use crate::link::Log;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// For what other lanes run: their batches do not hang yet.
const OTHERS: Duration = Duration::from_secs(5);
/// For whoever tells people where the model hangs. It needs the interpreter, which the model may hold.
const WORDS: Duration = Duration::from_secs(2);

/// Ends the process; told whether the hang was explained. Called once, on a thread of its own.
pub type End = Arc<dyn Fn(bool) + Send + Sync>;

pub struct Leaver {
    log: Log,
    end: End,
    leaves: AtomicBool,
}

impl Leaver {
    pub fn new(log: Log, end: End) -> Leaver {
        Leaver { log, end, leaves: AtomicBool::new(false) }
    }

    /// Returns at once.
    pub(super) fn leave(&self, host: &Arc<Host>, hang: &Report) {
        (self.log)(format!("{hang}: this process ends, and another takes its place"));
        if self.leaves.swap(true, Ordering::Relaxed) {
            return;
        }
        let (host, end) = (Arc::clone(host), Arc::clone(&self.end));
        let last = move || {
            host.drain(OTHERS);
            end(host.hangs.wait_dealt_with(WORDS));
        };
        if thread::Builder::new().name("headrace-end".into()).spawn(last).is_err() {
            (self.end)(false);
        }
    }
}

impl fmt::Debug for Leaver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Leaver").field("leaves", &self.leaves).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "leaving_tests.rs"]
mod tests;
