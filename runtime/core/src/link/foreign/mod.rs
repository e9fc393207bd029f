//! Versions that another server of the Open Inference Protocol carries: a carrier for each, over gRPC.
//!
//! Each has a connection of its own, which says by its end that the server is gone. It is made anew for as long as the
//! version is wanted, and the version is asked for its readiness and its tensors each time.

mod address;
mod learning;
mod reader;
#[cfg(test)]
mod scripted;
mod session;
#[cfg(test)]
mod tests;

pub use address::Address;
pub use learning::{Listed, Place};

use super::{Log, grpc::exchange::Caller};
use crate::base::{
    call::Window,
    clock,
    contract::Contract,
    fault::{Fault, Kind},
    panics,
    roster::{CarrierId, Roster},
    units::{Rows, Version},
};
use bytes::Bytes;
use compact_str::CompactString;
use h2::client::SendRequest;
use session::{Session, Slot};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A connection that ends sooner counts as one more failure.
const STEADY: Duration = Duration::from_secs(1);
/// Of an answer that may come before it is read, for each call and for all of a connection.
const CALL_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Of the head and the trailers of an answer.
const HEAD_BYTES: u32 = 64 << 10;
/// Of a server's list of models, and of what it says of one.
const INDEX_BYTES: usize = 4 << 20;

/// What is to be carried, and from where.
#[derive(Clone, Debug)]
pub struct Target {
    pub address: Address,
    /// What it is there.
    pub place: Place,
    /// What it is here.
    pub model: CompactString,
    pub version: Version,
    /// Rows that may be there at once; a request counts as many as it has.
    pub in_flight: Rows,
    /// Bytes that an answer may have.
    pub most_bytes: usize,
}

/// How it stands.
#[derive(Clone, Debug)]
pub enum Standing {
    /// Not reached since it is wanted, or lost; why not, empty before the first try.
    Down(String),
    Up(Arc<Contract>),
    /// Not wanted any more, and nothing of it is in flight.
    Over,
}

/// A version of another server, for as long as it is wanted.
#[derive(Debug)]
pub struct Upstream {
    on: Handle,
    wanted: watch::Sender<bool>,
    standing: watch::Receiver<Standing>,
    task: JoinHandle<()>,
}

impl Upstream {
    /// Runs as tasks of `on`, from now until it is closed or dropped; its carrier appears in `roster` whenever the server
    /// is reached.
    pub fn new(on: Handle, roster: Arc<dyn Roster>, target: Target, log: Log) -> Upstream {
        let (wanted, told) = watch::channel(true);
        let (stands, standing) = watch::channel(Standing::Down(String::new()));
        let task = on.spawn(keep(Keeping { on: on.clone(), roster, target, log, stands }, told));
        Upstream { on, wanted, standing, task }
    }

    /// Blocks until it is not down any more, or for another reason than `past`, or for so long; how it stands then.
    pub fn wait(&self, past: &str, limit: Duration) -> Standing {
        let mut standing = self.standing.clone();
        self.on.block_on(async {
            let moved = standing.wait_for(|now| !matches!(now, Standing::Down(why) if why == past));
            // In vain, or its task is gone: as it stands then.
            let _ = tokio::time::timeout(limit, moved).await;
        });
        self.standing.borrow().clone()
    }

    /// Sends nothing more, and waits for so long until what was sent is answered; true if it was. Blocks.
    pub fn close(&self, limit: Duration) -> bool {
        self.wanted.send_replace(false);
        let mut standing = self.standing.clone();
        self.on.block_on(async {
            let over = standing.wait_for(|now| matches!(now, Standing::Over));
            // An error: the gateway has ended, and everybody was answered then.
            tokio::time::timeout(limit, over).await.is_ok()
        })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.wanted.send_replace(false);
        self.task.abort();
    }
}

struct Keeping {
    on: Handle,
    roster: Arc<dyn Roster>,
    target: Target,
    log: Log,
    stands: watch::Sender<Standing>,
}

/// Connects until it succeeds, serves the connection until it ends, and begins again.
async fn keep(keeping: Keeping, wanted: watch::Receiver<bool>) {
    let (address, place) = (&keeping.target.address, &keeping.target.place);
    let mut failures = 0_u32;
    while *wanted.borrow() {
        let began = clock::now();
        let run = pin!(connected(&keeping, wanted.clone()));
        let ended = panics::survive_all(run).await;
        let why = match ended.unwrap_or_else(|fault| Err(Ended::Lost(fault.note.into_owned()))) {
            Ok(()) => break,
            Err(Ended::Lost(why)) => {
                (keeping.log)(format!("lost the server at {address} of model '{}': {why}", place.model));
                failures = if clock::now().since(began) > STEADY { 1 } else { failures + 1 };
                why
            }
            Err(Ended::Unreached(why)) => {
                // Once: a server that is away stays so for a while, and that it was lost is said already.
                if failures == 0 {
                    (keeping.log)(format!("cannot reach model '{}' at {address}: {why}", place.model));
                }
                failures += 1;
                why
            }
        };
        keeping.stands.send_replace(Standing::Down(why));
        tokio::select! {
            () = tokio::time::sleep(pause(failures)) => {}
            () = unwanted(wanted.clone()) => {}
        }
    }
    keeping.stands.send_replace(Standing::Over);
}

#[derive(Debug)]
enum Ended {
    Unreached(String),
    Lost(String),
}

/// 10 ms, doubling up to 1 s: what waits for it is a caller.
fn pause(failures: u32) -> Duration {
    Duration::from_millis(10 << failures.min(10)).min(Duration::from_secs(1))
}

async fn unwanted(mut wanted: watch::Receiver<bool>) {
    let _ = wanted.wait_for(|wanted| !wanted).await; // an error: whoever wanted it is gone
}

/// One connection, until it is lost; `Ok` if it is not wanted any more and all is answered.
async fn connected(keeping: &Keeping, wanted: watch::Receiver<bool>) -> Result<(), Ended> {
    let Keeping { on, roster, target, stands, .. } = keeping;
    let unreached = |fault: Fault| Ended::Unreached(fault.note.into_owned());
    let (session, mut connection) = tokio::select! {
        reached = reach(on, target) => reached.map_err(unreached)?,
        () = unwanted(wanted.clone()) => return Ok(()),
    };
    let contract = Arc::clone(&session.contract);
    let rows = target.in_flight.max(Rows::new(contract.batching.max_rows));
    let carrier = Arc::new(Slot(Arc::downgrade(&session)));
    let id = roster.carrier_up(Arc::clone(&contract), carrier, Window { rows }).map_err(unreached)?;
    let up = Up { roster, session: &session, id };
    stands.send_replace(Standing::Up(contract));
    let ended = tokio::select! {
        ended = &mut connection => Err(Ended::Lost(match ended {
            Ok(Err(error)) => error.to_string(),
            Ok(Ok(())) | Err(_) => "it closed the connection".to_owned(),
        })),
        // What it has it may yet answer, on the old connection beside the next one.
        () = session.broken.notified() => Err(Ended::Lost("it takes no more calls on this connection".to_owned())),
        () = unwanted(wanted) => Ok(()),
    };
    drop(up);
    if ended.is_ok() {
        session.until_landed().await;
    }
    ended
}

/// A carrier of the gateway's, until it is dropped.
struct Up<'a> {
    roster: &'a Arc<dyn Roster>,
    session: &'a Session,
    id: CarrierId,
}

impl Drop for Up<'_> {
    /// The carrier first, so that nothing that is refused comes back to it.
    fn drop(&mut self) {
        self.roster.carrier_down(self.id);
        self.session.close();
    }
}

type Connection = h2::client::Connection<TcpStream, Bytes>;

/// The task of a connection ends by itself once nothing uses that any more.
async fn reach(
    on: &Handle,
    target: &Target,
) -> Result<(Arc<Session>, JoinHandle<Result<(), h2::Error>>), Fault> {
    let (send, connection) = open(&target.address).await?;
    let caller = Caller { send, address: target.address.to_string(), most: target.most_bytes };
    let connection = on.spawn(connection);
    let contract = learning::learn(&caller, &target.place, (&target.model, target.version)).await;
    let contract = contract.map_err(|failure| failure.fault(&target.address))?;
    let session = Session::new(caller, Arc::new(contract), target.place.clone(), on.clone());
    Ok((session, connection))
}

async fn open(address: &Address) -> Result<(SendRequest<Bytes>, Connection), Fault> {
    let unavailable = |why: String| Fault::new(Kind::Unavailable, why);
    let socket = address.connect().await.map_err(|error| unavailable(error.to_string()))?;
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size(CALL_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEAD_BYTES)
        .enable_push(false);
    builder.handshake(socket).await.map_err(|error| unavailable(error.to_string()))
}

/// What the server has. Blocks; for who has no runtime yet.
pub fn list(address: &Address, limit: Duration) -> Result<Vec<Listed>, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Fault::internal(format!("no runtime: {error}")))?;
    let listed = async {
        let (send, connection) = open(address).await?;
        tokio::spawn(connection);
        let caller = Caller { send, address: address.to_string(), most: INDEX_BYTES };
        learning::list(&caller).await.map_err(|failure| failure.fault(address))
    };
    let late = || Fault::new(Kind::Expired, format!("no answer within {limit:?}"));
    runtime.block_on(async { tokio::time::timeout(limit, listed).await.unwrap_or_else(|_| Err(late())) })
}
