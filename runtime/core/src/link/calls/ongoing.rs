//! A call on its way, in the hands of the model that made it.

use crate::base::fault::Fault;
use crate::wire::oip_proto::told::Told;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, mpsc};
use tokio::task::AbortHandle;

/// An answer, or a part of it, or why there is none: then nothing follows.
pub type Came = Result<Told, Fault>;

/// Dropped before the end, it takes the call back.
#[derive(Debug)]
pub struct Ongoing {
    on: Handle,
    parts: Arc<Mutex<Parts>>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Parts {
    rest: mpsc::Receiver<Came>,
    /// Of which somebody was told that it is there.
    first: Option<Option<Came>>,
}

impl Ongoing {
    pub(super) fn new(on: Handle, rest: mpsc::Receiver<Came>, task: AbortHandle) -> Ongoing {
        Ongoing { on, parts: Arc::new(Mutex::new(Parts { rest, first: None })), task }
    }

    /// Blocks until the next part is there; `None` after the last.
    pub fn next(&self) -> Option<Came> {
        let mut parts = self.parts.blocking_lock();
        parts.first.take().unwrap_or_else(|| parts.rest.blocking_recv())
    }

    /// Tells, on the thread that all calls share, once [`Ongoing::next`] would not block.
    pub fn ready(&self, tell: impl FnOnce() + Send + 'static) {
        let parts = Arc::clone(&self.parts);
        self.on.spawn(async move {
            let mut parts = parts.lock().await;
            if parts.first.is_none() {
                parts.first = Some(parts.rest.recv().await);
            }
            drop(parts); // before whoever is told asks for it
            tell();
        });
    }

    pub fn cancel(&self) {
        self.task.abort();
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.cancel();
    }
}
