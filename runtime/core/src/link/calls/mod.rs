//! Calls that models of a host make: requests to the gateway of its node, over a socket that is for hosts alone. They are
//! routed, limited, counted and answered as anybody's.
//!
//! One connection for all of a process, made when it is needed, and anew when it is lost: gateways are replaced.

mod door;
mod ongoing;
mod telling;

pub use door::{is_ours, listen};
pub use ongoing::{Came, Ongoing};
pub use telling::{TELL_SERIES, Tells};

use super::{
    failure::Failure,
    grpc::exchange::{Caller, MODEL_INFER, MODEL_STREAM_INFER},
};
use crate::base::{
    callers::Callers,
    clock,
    fault::{Fault, Kind},
    panics,
    units::Tick,
};
use crate::wire::oip_proto::{answer::Pieces, told};
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, Notify, Semaphore, mpsc, oneshot};

/// Metadata that names the versions which wait for a call.
pub const CALLERS: HeaderName = HeaderName::from_static("headrace-callers");

/// On their way at once, of one process.
pub const MOST_CALLS: u32 = 1024;
/// Bytes of an answer.
const MOST_BYTES: usize = 256 << 20;
/// Of an answer that may come before it is read, for each call and for all.
const CALL_WINDOW: u32 = 1 << 20;
/// As much for each: parts that one model leaves unread keep nobody else's answer.
const WINDOW: u32 = MOST_CALLS * CALL_WINDOW;
/// Parts of an answer that wait to be taken.
const WAITING: usize = 16;
/// For how long a gateway that is away is looked for: its place is taken sooner, or not at all.
const AWAY: Duration = Duration::from_secs(10);
/// Beyond a call's time: the gateway knows better where that went.
const LATE: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_millis(10);

/// What is asked.
#[derive(Debug)]
pub struct Question {
    pub message: Pieces,
    /// It may be answered with any number of parts.
    pub in_parts: bool,
    pub callers: Callers,
    pub deadline: Tick,
}

/// The way to the gateway. Its thread lives as long as this does, or one of its calls.
#[derive(Debug)]
pub struct Calls {
    at: String,
    on: Handle,
    under_way: Arc<Semaphore>,
    line: Mutex<Option<Caller>>,
    /// A connection has ended.
    lost: Arc<Notify>,
    _end: oneshot::Sender<()>,
}

impl Calls {
    /// `at`: as for [`listen`]. Nothing is connected yet.
    pub fn new(at: String) -> io::Result<Arc<Calls>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let on = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        // Not the host's own: that looks after models that hang, and this one may wait for the interpreter.
        std::thread::Builder::new().name("headrace-calls".into()).spawn(move || {
            let _ = runtime.block_on(ended); // never sent: the sender's drop is the end
        })?;
        let under_way = Arc::new(Semaphore::new(usize::try_from(MOST_CALLS).unwrap_or(usize::MAX)));
        Ok(Arc::new(Calls { at, on, under_way, line: Mutex::default(), lost: Arc::default(), _end: end }))
    }

    /// Refused where too many are on their way.
    pub fn begin(self: &Arc<Calls>, question: Question) -> Result<Ongoing, Fault> {
        let seat = Arc::clone(&self.under_way).try_acquire_owned().map_err(|_| {
            let note = format!("{MOST_CALLS} calls of this process are on their way and no more may be");
            Fault::new(Kind::Overloaded, note)
        })?;
        let (came, taken) = mpsc::channel(WAITING);
        let calls = Arc::clone(self);
        let task = self.on.spawn(async move {
            let asked = std::pin::pin!(calls.ask(question, &came));
            let ended = panics::survive_all(asked).await.flatten();
            if let Err(fault) = ended {
                let _ = came.send(Err(fault)).await; // an error: nobody waits for it
            }
            drop(seat);
        });
        Ok(Ongoing::new(self.on.clone(), taken, task.abort_handle()))
    }

    async fn ask(&self, question: Question, came: &mpsc::Sender<Came>) -> Result<(), Fault> {
        let deadline = question.deadline;
        let mut until = deadline.min(clock::now().plus(AWAY));
        let asked = async {
            loop {
                let failure = match self.ask_once(&question, came, &mut until).await {
                    Ok(()) => return Ok(()),
                    Err(failure) => failure,
                };
                // Nobody has seen it: another gateway may be there in a moment.
                let again = matches!(failure, Failure::Unsent(_)) && clock::now() < until;
                if !again {
                    return Err(told_of(failure));
                }
                // Whoever refuses is about to end: his successor is behind another connection.
                self.line.lock().await.take();
                tokio::time::sleep(PAUSE).await;
            }
        };
        let late = || Fault::new(Kind::Expired, "the call was not answered within its time");
        let until = clock::instant(deadline.plus(LATE));
        tokio::time::timeout_at(until, asked).await.unwrap_or_else(|_| Err(late()))
    }

    async fn ask_once(
        &self,
        question: &Question,
        came: &mpsc::Sender<Came>,
        until: &mut Tick,
    ) -> Result<(), Failure> {
        let caller = self.line().await?;
        let broken = |_| Failure::Told(Fault::internal("callers that are no metadata"));
        let callers = HeaderValue::try_from(question.callers.text()).map_err(broken)?;
        let metadata = [(CALLERS, callers)];
        let message = question.message.clone();
        if !question.in_parts {
            let answer = caller.ask(MODEL_INFER, message, question.deadline, &metadata).await?;
            return pass(came, told::answer(&answer)).await;
        }
        let mut messages = caller.call(MODEL_STREAM_INFER, message, question.deadline, &metadata).await?;
        while let Some(message) = messages.next().await? {
            // From here on it was seen.
            *until = Tick::default();
            if let Some(part) = told::part(&message).map_err(Failure::Told)? {
                pass(came, Ok(part)).await?;
            }
        }
        Ok(())
    }

    /// The connection, or a new one where that takes no more calls.
    async fn line(&self) -> Result<Caller, Failure> {
        let mut line = self.line.lock().await;
        if let Some(caller) = line.as_ref()
            && caller.send.clone().ready().await.is_ok()
        {
            return Ok(caller.clone());
        }
        let away = |error: &dyn std::fmt::Display| Failure::Unsent(error.to_string());
        let socket = door::connect(&self.at).map_err(|error| away(&error))?;
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(CALL_WINDOW).initial_connection_window_size(WINDOW).enable_push(false);
        let (send, connection) = builder.handshake::<_, Bytes>(socket).await.map_err(|error| away(&error))?;
        let lost = Arc::clone(&self.lost);
        self.on.spawn(async move {
            let _ = connection.await; // by itself, once nothing uses it
            lost.notify_one();
        });
        let (address, most) = ("gateway".to_owned(), MOST_BYTES);
        let caller = Caller { send, address, is_encrypted: false, token: None, most };
        *line = Some(caller.clone());
        Ok(caller)
    }
}

async fn pass(came: &mpsc::Sender<Came>, told: Came) -> Result<(), Failure> {
    // An error: nobody takes it, and this task is about to be dropped.
    let _ = came.send(Ok(told.map_err(Failure::Told)?)).await;
    Ok(())
}

fn told_of(failure: Failure) -> Fault {
    match failure {
        Failure::Unsent(why) => {
            Fault::new(Kind::Unavailable, format!("the gateway of this node cannot be reached: {why}"))
        }
        Failure::Lost(why) => {
            Fault::new(Kind::Unavailable, format!("the gateway was lost before it answered the call: {why}"))
        }
        Failure::Told(fault) => fault,
    }
}
