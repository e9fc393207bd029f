//! The thread of a host that is nobody's lane: it serves the links, and watches what models do.

use std::{io, thread};
use tokio::{runtime::Handle, sync::oneshot};

/// Dropping it ends the thread and the tasks on it.
#[derive(Debug)]
pub(super) struct Thread {
    handle: Handle,
    /// The thread lives as long as this does.
    _end: Option<oneshot::Sender<()>>,
}

impl Thread {
    /// One for all: gateways on a node are few, lanes write their answers themselves, and a watch sleeps.
    pub(super) fn start() -> io::Result<Thread> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let serve = async move {
            let _ = ended.await; // never sent: the sender's drop is the end
        };
        thread::Builder::new().name("headrace-host".into()).spawn(move || runtime.block_on(serve))?;
        Ok(Thread { handle, _end: Some(end) })
    }

    /// No thread of ours: a runtime of whoever asks, whose end is the end of the tasks.
    #[cfg(test)]
    pub(super) fn of(handle: &Handle) -> Thread {
        Thread { handle: handle.clone(), _end: None }
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }
}
