//! When nobody is served: no caller's request is inside the gateway, of whatever model.
//!
//! A host cannot be made to stand back by the kernel alone: who has taken the lowest priority may not come back from it
//! without a privilege, and a shadow is to serve one day. So copies are sent only into a gateway that is idle.

use crate::sync::gate::{Gate, Pass};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, SeqCst},
};
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(super) struct Quiet {
    /// Shadows that wait for it.
    waiting: AtomicUsize,
    left: Notify,
}

/// Held for a caller's request; its end is told to shadows that wait, if there were any when it came.
#[derive(Debug)]
pub(in crate::gateway) struct Inside {
    pass: Option<Pass>,
    quiet: Option<Arc<Quiet>>,
}

impl super::Shadows {
    pub(in crate::gateway) fn inside(&self, pass: Pass) -> Inside {
        let quiet = self.any.load(Acquire).then(|| Arc::clone(&self.quiet));
        Inside { pass: Some(pass), quiet }
    }
}

impl Inside {
    /// Whether there was a shadow when it came: else nobody asks for a copy of it.
    pub(super) fn sees_shadows(&self) -> bool {
        self.quiet.is_some()
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.pass = None;
        if let Some(quiet) = &self.quiet
            && quiet.waiting.load(SeqCst) > 0
        {
            quiet.left.notify_waiters();
        }
    }
}

struct Waits<'a>(&'a AtomicUsize);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Quiet {
    pub(super) async fn until(&self, gate: &Gate) {
        self.waiting.fetch_add(1, SeqCst);
        let _waits = Waits(&self.waiting);
        loop {
            let mut left = pin!(self.left.notified());
            // Before the look: who leaves in between tells it.
            left.as_mut().enable();
            if gate.inside() == 0 {
                return;
            }
            left.await;
        }
    }
}
