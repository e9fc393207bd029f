//! The host's side: listens where gateways find it, and runs what they send.

mod calls;
mod door;
mod ears;
mod frames;
mod hearing;
mod session;

pub use ears::{Ear, Listen};

use super::{
    Intakes, Log,
    handshake::{self, Joined},
};
use crate::{
    base::{call::Window, contract::Contract, units::Tick},
    mem::arena::Arena,
    wire::{
        frame::{Head, Kind},
        frame_encode::encode,
        frame_meta::{self, proto},
    },
};
use door::Door;
use ears::Ears;
use hearing::Hearing;
use parking_lot::Mutex;
use session::Session;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use tokio::{net::UnixStream, runtime::Handle, task::JoinHandle};

/// Gateways on one node are few; each connection costs a task and two buffers.
const MOST_LINKS: usize = 256;

/// What all links of a host share.
pub(super) struct Common {
    intakes: Arc<dyn Intakes>,
    arena: Option<Arena>,
    log: Log,
    draining: AtomicBool,
    /// Numbers of links, so that call numbers of different gateways never meet. 0 is a gateway of this process.
    links: AtomicU64,
    sessions: Mutex<Vec<Weak<Session>>>,
    ears: Arc<Ears>,
}

impl fmt::Debug for Common {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Common").field("intakes", &self.intakes).finish_non_exhaustive()
    }
}

/// A host's open door. Dropping it closes the socket and ends every link.
#[derive(Debug)]
pub struct Listener {
    common: Arc<Common>,
    accepting: JoinHandle<()>,
}

impl Listener {
    /// Listens at `path`, which must lie in a folder that is this user's alone. Links run as tasks of `on`; `arena` is
    /// what large answers are sent from.
    pub fn listen(
        on: &Handle,
        path: &Path,
        intakes: Arc<dyn Intakes>,
        arena: Option<Arena>,
        log: Log,
    ) -> io::Result<Listener> {
        let _on = on.enter();
        let door = Door::open(path)?;
        let common = Arc::new(Common {
            intakes,
            arena,
            log,
            draining: AtomicBool::new(false),
            links: AtomicU64::new(1),
            sessions: Mutex::default(),
            ears: Ears::new()?,
        });
        let accepting = on.spawn(accept(Arc::clone(&common), door));
        Ok(Listener { common, accepting })
    }

    /// For lanes that wait for the links themselves; `None` if another version's do.
    pub fn ear(&self) -> Option<Ear> {
        self.common.ears.lend()
    }

    /// Says to every gateway what is carried now. Call it after a version was opened or closed.
    pub fn announce(&self) {
        let carried = self.common.carried();
        for session in self.common.sessions() {
            session.say(|out| handshake::hello(out, self.common.arena.as_ref(), carried.clone()));
        }
    }

    /// Says to every gateway that a version's window changed, and how it wants to be asked.
    pub fn credit(&self, contract: &Contract, window: Window) {
        let (model, version) = (contract.model.to_string(), contract.version.0);
        let batching = Some(frame_meta::batching_out(&contract.batching));
        let credit = proto::Credit { model, version, rows: window.rows.get(), batching };
        let head = Head::new(Kind::Credit, 0);
        for session in self.common.sessions() {
            session.say(|out| encode(out, &head, |out| frame_meta::append(out, &credit), &[]));
        }
    }

    /// Asks the gateways to send no more; what is on its way is answered with NOT_HERE.
    pub fn drain(&self) {
        self.common.draining.store(true, Ordering::Release);
        self.common.sessions().iter().for_each(|session| session.ask_for_no_more());
    }

    /// Blocks until every gateway that was asked has sent its last call; false when `until` came first. Whoever
    /// closes before may lose a call that it never saw.
    pub fn wait_for_the_last(&self, until: Tick) -> bool {
        self.common.sessions().iter().all(|session| session.wait_for_the_last(until))
    }

    /// Blocks until all that was said has left for the gateways; false when `until` came first.
    pub fn wait_sent(&self, until: Tick) -> bool {
        self.common.sessions().iter().all(|session| session.outbox.wait_empty(until))
    }

    /// Calls of all gateways that are not answered yet.
    pub fn in_flight(&self) -> usize {
        self.common.sessions().iter().map(|session| session.in_flight()).sum()
    }

    /// Linked gateways.
    pub fn gateways(&self) -> usize {
        self.common.sessions().len()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.accepting.abort();
        for session in self.common.sessions() {
            session.leave();
        }
    }
}

impl Common {
    fn sessions(&self) -> Vec<Arc<Session>> {
        let mut sessions = self.sessions.lock();
        sessions.retain(|session| session.strong_count() > 0);
        sessions.iter().filter_map(Weak::upgrade).filter(|session| session.is_open()).collect()
    }

    fn carried(&self) -> Vec<proto::Carried> {
        let wire = |carried: super::Carried| proto::Carried {
            contract: Some(frame_meta::contract_out(&carried.contract)),
            window_rows: carried.window.rows.get(),
        };
        self.intakes.carried().into_iter().map(wire).collect()
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}

async fn accept(common: Arc<Common>, door: Door) {
    loop {
        match door.listener().accept().await {
            Ok((socket, _)) if common.sessions().len() < MOST_LINKS => {
                tokio::spawn(serve(Arc::clone(&common), socket));
            }
            Ok(_) => (common.log)(format!("refused a gateway: {MOST_LINKS} are linked")),
            Err(error) => {
                (common.log)(format!("accepting a gateway failed: {error}"));
                // Out of descriptors, as a rule: others must close some first.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(common: Arc<Common>, socket: UnixStream) {
    let joined = match handshake::join(socket, common.arena.as_ref()).await {
        Ok(joined) => joined,
        Err(error) => return (common.log)(format!("a gateway was not linked: {error}")),
    };
    let Joined { inbox, outbox, memory, borrower, .. } = joined;
    let number = common.links.fetch_add(1, Ordering::Relaxed);
    let session = Session::new(&common, outbox, number);
    let hearing = Hearing::new(Arc::clone(&session), inbox, memory);
    common.sessions.lock().push(Arc::downgrade(&session));
    // Not with the first HELLO: a call could come before a drain knows of this link.
    let carried = common.carried();
    session.say(|out| handshake::hello(out, common.arena.as_ref(), carried));
    if common.is_draining() {
        session.ask_for_no_more();
    }
    let ended = match common.ears.add(number, &hearing) {
        Ok(()) => hearing.run().await,
        Err(error) => Err(error),
    };
    common.ears.remove(number);
    if let Some(why) = ended.unwrap_or_else(|error| Some(error.to_string())) {
        (common.log)(why);
    }
    match borrower.lets_go(false).await {
        Ok(()) => session.forget_lent(),
        Err(error) => (common.log)(format!(
            "memory that a gateway may look at stays taken: it cannot be watched: {error}"
        )),
    }
}
