//! Versions that another server of the Open Inference Protocol carries: a carrier for each, over gRPC or HTTP.
//!
//! Each has connections of its own. They are made anew for as long as the version is wanted, and the version is asked for
//! its readiness and its tensors whenever the server was gone.

mod access;
mod address;
mod contract;
mod grpc;
mod http;
mod peer;
mod reader;
mod session;
#[cfg(test)]
mod tests;

pub use access::Access;
pub use address::Address;
pub use contract::{Declared, Listed, Place};

use super::{
    Log,
    failure::Failure,
    kept::{Kept, Standing, unwanted},
};
use crate::base::{
    call::Window,
    clock,
    fault::{Fault, Kind},
    panics,
    roster::{CarrierId, Roster},
    units::{Rows, Version},
};
use compact_str::CompactString;
use peer::{Ended, open};
use session::{Session, Slot};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// A connection that ends sooner counts as one more failure.
const STEADY: Duration = Duration::from_secs(1);
/// Of a server's list of models, and of what it says of one.
const INDEX_BYTES: usize = 4 << 20;
/// For each question about a model.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is to be carried, and from where.
#[derive(Clone, Debug)]
pub struct Target {
    pub address: Address,
    pub access: Access,
    /// What it is there.
    pub place: Place,
    pub declared: Declared,
    /// What it is here.
    pub model: CompactString,
    pub version: Version,
    /// Rows that may be there at once; a request counts as many as it has.
    pub in_flight: Rows,
    /// Bytes that an answer may have.
    pub most_bytes: usize,
}

/// Has it carried as tasks of `on`, from now on; its carrier appears in `roster` whenever the server is reached.
pub fn keep(on: &Handle, roster: Arc<dyn Roster>, target: Target, log: Log) -> Kept {
    let runtime = on.clone();
    Kept::new(on, |stands, wanted| connect(Keeping { on: runtime, roster, target, log, stands }, wanted))
}

struct Keeping {
    on: Handle,
    roster: Arc<dyn Roster>,
    target: Target,
    log: Log,
    stands: watch::Sender<Standing>,
}

/// Connects until it succeeds, serves the connection until it ends, and begins again.
async fn connect(keeping: Keeping, wanted: watch::Receiver<bool>) {
    let (address, place) = (&keeping.target.address, &keeping.target.place);
    let mut failures = 0_u32;
    while *wanted.borrow() {
        let began = clock::now();
        let run = pin!(connected(&keeping, wanted.clone()));
        let ended = panics::survive_all(run).await;
        match ended.unwrap_or_else(|fault| Err(Run::Lost(fault.note.into_owned()))) {
            Ok(()) => break,
            // It stands as it did until it is known that the server is gone: connections end for many reasons.
            Err(Run::Lost(why)) => {
                (keeping.log)(format!("lost the server at {address} of model '{}': {why}", place.model));
                failures = if clock::now().since(began) > STEADY { 1 } else { failures + 1 };
            }
            Err(Run::Unreached(why)) => {
                // Once: a server that is away stays so for a while, and that it was lost is said already.
                if failures == 0 {
                    (keeping.log)(format!("cannot reach model '{}' at {address}: {why}", place.model));
                }
                failures += 1;
                // Each try finds the same while a server is away.
                keeping.stands.send_if_modified(|now| {
                    let is_new = !matches!(now, Standing::Down(before) if *before == why);
                    *now = Standing::Down(why);
                    is_new
                });
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause(failures)) => {}
            () = unwanted(wanted.clone()) => {}
        }
    }
    keeping.stands.send_replace(Standing::Over);
}

#[derive(Debug)]
enum Run {
    Unreached(String),
    Lost(String),
}

/// 10 ms, doubling up to 1 s: what waits for it is a caller.
fn pause(failures: u32) -> Duration {
    Duration::from_millis(10 << failures.min(10)).min(Duration::from_secs(1))
}

/// One connection, until it is lost; `Ok` if it is not wanted any more and all is answered.
async fn connected(keeping: &Keeping, wanted: watch::Receiver<bool>) -> Result<(), Run> {
    let Keeping { on, roster, target, stands, .. } = keeping;
    let unreached = |fault: Fault| Run::Unreached(fault.note.into_owned());
    let (session, ended) = tokio::select! {
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
        why = ended => Err(Run::Lost(why)),
        // What it has it may yet answer, on the old connection beside the next one.
        () = session.broken.notified() => Err(Run::Lost("it takes no more calls on this connection".to_owned())),
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

/// Connections end by themselves once nothing uses them any more.
async fn reach(on: &Handle, target: &Target) -> Result<(Arc<Session>, Ended), Fault> {
    let (peer, ended) = open(on, (&target.address, &target.access), target.most_bytes).await?;
    let told = peer.learn(&target.place).await.and_then(|told| {
        contract::contract(&told.or(&target.declared), (&target.model, target.version)).map_err(Failure::Told)
    });
    let contract = told.map_err(|failure| failure.fault(&target.address))?;
    Ok((Session::new(peer, Arc::new(contract), target.place.clone(), on.clone()), ended))
}

/// What the server has. Blocks; for who has no runtime yet.
pub fn list(address: &Address, access: &Access, limit: Duration) -> Result<Vec<Listed>, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Fault::internal(format!("no runtime: {error}")))?;
    let on = runtime.handle();
    let listed = async {
        let (peer, _ended) = open(on, (address, access), INDEX_BYTES).await?;
        peer.list().await.map_err(|failure| failure.fault(address))
    };
    let late = || Fault::new(Kind::Expired, format!("no answer within {limit:?}"));
    runtime.block_on(async { tokio::time::timeout(limit, listed).await.unwrap_or_else(|_| Err(late())) })
}
