//! The connections to one server: as many as calls are under way, and at most [`MOST`].

use super::body::Sent;
use crate::base::{clock, primitive::Mutex, units::Tick};
use crate::link::{failure::Failure, foreign::access::Keys};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::AbortHandle;

/// Calls that are under way at once; others wait.
const MOST: usize = 128;
/// A connection that has been idle for longer is not used again: servers of Python close theirs after five seconds, and
/// what is sent in that moment is lost.
const IDLE: Duration = Duration::from_secs(4);
/// From the end of an answer until its connection takes the next call.
const READY: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Pool {
    pub(super) keys: Keys,
    on: Handle,
    /// The one that was used last is the last.
    idle: Mutex<Vec<(Connection, Tick)>>,
    room: Semaphore,
}

/// Closed when it is dropped, whatever is under way on it.
#[derive(Debug)]
struct Connection {
    send: SendRequest<Sent>,
    task: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection for one call. It is closed with this, unless it is given back.
#[derive(Debug)]
pub(super) struct Taken<'a> {
    pool: &'a Pool,
    connection: Connection,
    pub(super) was_used: bool,
    _room: SemaphorePermit<'a>,
}

impl Pool {
    pub(super) fn new(keys: Keys, on: Handle) -> Pool {
        Pool { keys, on, idle: Mutex::default(), room: Semaphore::new(MOST) }
    }

    /// One that was used before, if it still stands, or another.
    pub(super) async fn take(&self) -> Result<Taken<'_>, Failure> {
        let room = self.room.acquire().await;
        let room = room.map_err(|error| Failure::Unsent(error.to_string()))?;
        let youngest = clock::now();
        loop {
            let idle = self.idle.lock().pop();
            let Some((mut connection, since)) = idle else { break };
            if youngest.since(since) > IDLE {
                // So are those below it.
                self.idle.lock().clear();
                break;
            }
            // One that is not, for its server has left a body unread, will never be.
            let ready = tokio::time::timeout(READY, connection.send.ready()).await;
            if ready.is_ok_and(|ready| ready.is_ok()) {
                return Ok(Taken { pool: self, connection, was_used: true, _room: room });
            }
        }
        let connection = self.connect().await?;
        Ok(Taken { pool: self, connection, was_used: false, _room: room })
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let socket = self.keys.connect().await.map_err(|fault| Failure::Unsent(fault.note.into_owned()))?;
        let shaken = Builder::new().handshake(TokioIo::new(socket)).await;
        let (send, connection) = shaken.map_err(|error| Failure::Unsent(error.to_string()))?;
        // Its end is told to the call that it has, if any.
        let task = self.on.spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Connection { send, task })
    }
}

impl Taken<'_> {
    pub(super) fn send(&mut self) -> &mut SendRequest<Sent> {
        &mut self.connection.send
    }

    /// The call on it is over, and all of its answer was read.
    pub(super) fn give_back(self) {
        let Taken { pool, connection, .. } = self;
        if !connection.send.is_closed() {
            pool.idle.lock().push((connection, clock::now()));
        }
    }
}
