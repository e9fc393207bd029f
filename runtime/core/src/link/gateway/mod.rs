//! The gateway's side: dials every endpoint that is wanted, for as long as it is wanted.

mod flights;
mod frames;
#[cfg(test)]
#[cfg(headrace_loom)]
mod models;
mod pulse;
mod session;
mod slot;

use super::{
    Log,
    handshake::{self, Joined},
    leash::Borrower,
};
use crate::{
    base::{clock, panics, roster::Roster},
    mem::arena::Arena,
};
use parking_lot::Mutex;
use pulse::Patience;
use session::{Ended, Running, Session};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::{net::UnixStream, runtime::Handle, sync::watch, task::JoinHandle};

/// A link that ends sooner counts as one more failure.
const STEADY: Duration = Duration::from_secs(1);

/// Where a host listens. An id stands for one life of one host.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    pub id: String,
    pub socket: PathBuf,
}

/// What all links of a gateway share.
pub(super) struct Common {
    roster: Arc<dyn Roster>,
    arena: Option<Arena>,
    log: Log,
    patience: Patience,
}

impl fmt::Debug for Common {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Common").field("arena", &self.arena).finish_non_exhaustive()
    }
}

/// All links of a gateway.
#[derive(Debug)]
pub struct Links {
    common: Arc<Common>,
    on: Handle,
    dialled: Mutex<BTreeMap<String, Dialled>>,
}

#[derive(Debug)]
struct Dialled {
    socket: PathBuf,
    wanted: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Links {
    /// Links run as tasks of `on`. Their carriers appear in `roster`; `arena` is what bodies are read into.
    pub fn new(on: Handle, roster: Arc<dyn Roster>, arena: Option<Arena>, log: Log) -> Links {
        Links {
            common: Arc::new(Common { roster, arena, log, patience: Patience::default() }),
            on,
            dialled: Mutex::default(),
        }
    }

    /// The same for hosts that are given up sooner.
    #[cfg(test)]
    pub(super) fn impatient(on: Handle, roster: Arc<dyn Roster>, log: Log, pace: Duration) -> Links {
        let common = Common { roster, arena: None, log, patience: Patience { pace } };
        Links { common: Arc::new(common), on, dialled: Mutex::default() }
    }

    /// Replaces the set. A link that is no longer wanted gets no more calls, finishes those it has, and closes.
    pub fn set_endpoints(&self, endpoints: Vec<Endpoint>) {
        let mut dialled = self.dialled.lock();
        let wanted: BTreeMap<_, _> = endpoints.into_iter().map(|end| (end.id, end.socket)).collect();
        dialled.retain(|id, link| {
            let keep = wanted.get(id) == Some(&link.socket);
            if !keep {
                link.wanted.send_replace(false);
            }
            keep
        });
        for (id, socket) in wanted {
            dialled.entry(id).or_insert_with(|| {
                let (wanted, told) = watch::channel(true);
                let task = self.on.spawn(keep_linked(Arc::clone(&self.common), socket.clone(), told));
                Dialled { socket, wanted, task }
            });
        }
    }

    /// Ends all links as [`Links::set_endpoints`] does, and waits until they have.
    pub async fn close(&self) {
        let all = std::mem::take(&mut *self.dialled.lock());
        for link in all.values() {
            link.wanted.send_replace(false);
        }
        for (_, link) in all {
            let _ = link.task.await; // it survives the panics of its sessions
        }
    }
}

/// Dials until it succeeds, serves the link until it ends, and begins again.
async fn keep_linked(common: Arc<Common>, path: PathBuf, mut wanted: watch::Receiver<bool>) {
    let mut failures = 0_u32;
    let place = path.display();
    while *wanted.borrow_and_update() {
        let joined = tokio::select! {
            biased;
            joined = dial(&common, &path) => joined,
            told = wanted.changed() => match told {
                Ok(()) => continue,
                Err(_) => return, // the set itself is gone
            },
        };
        match joined {
            Ok(joined) => {
                let (pid, since) = (joined.inbox.pid(), clock::now());
                let Joined { inbox, outbox, memory, hello, borrower } = joined;
                let session = Session::new(&common, pid, outbox);
                let linked = Arc::clone(&session);
                let running = || Running::start(linked, memory, hello);
                let run = pin!(async { running().run(inbox, &mut wanted).await });
                // The calls that it had are answered as it is dropped, and the host is dialled anew.
                let ended = panics::survive_all(run)
                    .await
                    .unwrap_or_else(|fault| Ended::Lost(fault.note.into_owned()));
                keep_lent(&session, borrower);
                drop(session);
                let lasted = clock::now().since(since) > STEADY;
                failures = if lasted { 1 } else { failures + 1 };
                match ended {
                    Ended::Drained => return,
                    Ended::Left => {}
                    Ended::Lost(why) => {
                        (common.log)(format!("lost the host at {place} (process {pid}): {why}"))
                    }
                }
            }
            Err(error) => {
                // Once: a host that is being replaced is absent for a while, and that it was lost is said already.
                if failures == 0 {
                    (common.log)(format!("cannot reach the host at {place}: {error}"));
                }
                failures += 1;
            }
        }
        tokio::select! {
            biased;
            // First: where both are true, one more dial would be for nobody.
            told = wanted.changed() => {
                if told.is_err() {
                    return;
                }
            }
            () = tokio::time::sleep(pause(failures)) => {}
        }
    }
}

/// The link is over; the host may yet run on what it was lent. Says to it that nobody waits.
fn keep_lent(session: &Session, borrower: Borrower) {
    session.outbox.hang_up();
    let (lent, mapped) = session.flights.lock().take_lent();
    if lent.is_empty() && mapped.is_empty() {
        return;
    }
    let log = Arc::clone(&session.common.log);
    tokio::spawn(async move {
        match borrower.lets_go(!mapped.is_empty()).await {
            Ok(()) => drop((lent, mapped)),
            Err(error) => {
                log(format!("memory that a host may look at stays taken: it cannot be watched: {error}"));
                std::mem::forget((lent, mapped));
            }
        }
    });
}

/// 10 ms, doubling up to 1 s: a connect costs microseconds, and what waits for it is a caller.
fn pause(failures: u32) -> Duration {
    Duration::from_millis(10 << failures.min(10)).min(Duration::from_secs(1))
}

async fn dial(common: &Common, path: &Path) -> io::Result<Joined> {
    let socket = UnixStream::connect(path).await?;
    handshake::join(socket, common.arena.as_ref()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stop_growing() {
        let pauses: Vec<_> = [0, 1, 2, 6, 7, 99].iter().map(|n| pause(*n).as_millis()).collect();
        assert_eq!(pauses, [10, 20, 40, 640, 1000, 1000]);
    }
}
