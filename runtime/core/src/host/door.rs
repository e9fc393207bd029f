//! The socket where gateways of other processes find a host, and the thread that serves their links.

use crate::link::{Intakes, Log, host::Listener};
use crate::mem::arena::Arena;
use std::{io, path::Path, sync::Arc, thread};
use tokio::sync::oneshot;

/// Dropping it ends the links, the thread, and closes the socket.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) listener: Listener,
    /// The thread lives as long as this does.
    _end: Option<oneshot::Sender<()>>,
}

impl Door {
    /// One thread for all links: gateways on a node are few, and lanes write their answers themselves.
    pub(super) fn open(
        path: &Path,
        intakes: Arc<dyn Intakes>,
        arena: Option<Arena>,
        log: Log,
    ) -> io::Result<Door> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = Listener::listen(runtime.handle(), path, intakes, arena, log)?;
        let (end, ended) = oneshot::channel::<()>();
        let serve = async move {
            let _ = ended.await; // never sent: the sender's drop is the end
        };
        thread::Builder::new().name("headrace-link".into()).spawn(move || runtime.block_on(serve))?;
        Ok(Door { listener, _end: Some(end) })
    }

    /// On a runtime of whoever asks, whose end is the end of the links.
    #[cfg(test)]
    pub(super) fn open_on(
        on: &tokio::runtime::Handle,
        path: &Path,
        intakes: Arc<dyn Intakes>,
        arena: Option<Arena>,
        log: Log,
    ) -> io::Result<Door> {
        Ok(Door { listener: Listener::listen(on, path, intakes, arena, log)?, _end: None })
    }
}
