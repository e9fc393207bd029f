//! gRPC messages out of a request's DATA frames, each straight into the buffer that was reserved for it.

use crate::base::clock;
use crate::base::fault::{Fault, Kind};
use crate::gateway::settings::Patience;
use crate::gateway::{Client, Reserved};
use crate::wire::labels;
use bytes::{Buf, Bytes};
use h2::RecvStream;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

/// A message as it came, and the right to the memory it takes.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) body: Bytes,
    pub(super) is_compressed: bool,
    pub(super) reserved: Reserved,
}

/// Flow control that is not given back at once costs no lock; dropping the stream gives it back. 1024 streams
/// withhold at most half of a connection's window.
const WITHHELD: usize = 2 << 10;

/// For more of a stream.
#[derive(Clone, Copy, Debug)]
enum Wait {
    /// Between messages.
    Ever,
    Patiently,
}

/// The messages of one call.
#[derive(Debug)]
pub(super) struct Messages {
    client: Arc<Client>,
    stream: RecvStream,
    /// What is left of the frame that was read last.
    chunk: Bytes,
    withheld: usize,
    patience: Patience,
    /// Bytes that a message may have, where that is less than any other may.
    most: usize,
}

impl Messages {
    pub(super) fn new(client: Arc<Client>, stream: RecvStream) -> Messages {
        let patience = Patience::new(client.gateway.limits());
        Messages { client, stream, chunk: Bytes::new(), withheld: 0, patience, most: usize::MAX }
    }

    /// The same, of labels.
    pub(super) fn within(self, most: usize) -> Messages {
        Messages { most, ..self }
    }

    /// The only message of a unary call.
    pub(super) async fn only(&mut self) -> Result<Message, Fault> {
        if !self.fill(Wait::Patiently).await? {
            return Err(Fault::invalid("expected a message, but the call ends without one"));
        }
        let message = self.read().await?;
        let is_over = self.chunk.is_empty() && self.stream.is_end_stream();
        if !is_over && self.fill(Wait::Patiently).await? {
            return Err(Fault::invalid("expected one message in a unary call, but more follows"));
        }
        Ok(message)
    }

    /// The next message of a stream begins, however long that takes; false once the client has no more.
    pub(super) async fn begins(&mut self) -> Result<bool, Fault> {
        self.fill(Wait::Ever).await
    }

    /// One that has begun.
    pub(super) async fn read(&mut self) -> Result<Message, Fault> {
        self.patience.restart(self.chunk.len());
        let mut prefix = [0_u8; 5];
        let mut missing = &mut prefix[..];
        while !missing.is_empty() {
            if !self.fill(Wait::Patiently).await? {
                return Err(cut_short());
            }
            let (now, later) = missing.split_at_mut(missing.len().min(self.chunk.len()));
            self.chunk.copy_to_slice(now);
            missing = later;
        }
        let [flag, len @ ..] = prefix;
        if flag > 1 {
            return Err(Fault::invalid(format!(
                "expected a message's compression flag to be 0 or 1, got {flag}"
            )));
        }
        let len = usize::try_from(u32::from_be_bytes(len)).unwrap_or(usize::MAX);
        if len > self.most {
            return Err(labels::too_long());
        }
        let mut arriving = self.client.reserve(len)?;
        while arriving.missing() > 0 {
            if !self.fill(Wait::Patiently).await? {
                return Err(cut_short());
            }
            let part = self.chunk.split_to(arriving.missing().min(self.chunk.len()));
            arriving.push(&part)?;
        }
        let (reserved, body) = arriving.freeze();
        Ok(Message { body, is_compressed: flag == 1, reserved })
    }

    /// Makes sure that there is something in `chunk`; false at the end of the stream.
    async fn fill(&mut self, wait: Wait) -> Result<bool, Fault> {
        while self.chunk.is_empty() {
            if self.withheld > WITHHELD {
                // Fails only on a stream that is reset, which the next read says.
                let _ = self.stream.flow_control().release_capacity(self.withheld);
                self.withheld = 0;
            }
            // A small request is there as a whole before anybody looks: no timer for it.
            let at_once = poll_fn(|cx| Poll::Ready(self.stream.poll_data(cx))).await;
            let data = match (at_once, wait) {
                (Poll::Ready(data), _) => data,
                (Poll::Pending, Wait::Ever) => poll_fn(|cx| self.stream.poll_data(cx)).await,
                (Poll::Pending, Wait::Patiently) => {
                    let is_short = self.client.is_short();
                    let until = clock::instant(self.patience.wait(clock::now(), is_short)?);
                    let data = poll_fn(|cx| self.stream.poll_data(cx));
                    tokio::time::timeout_at(until, data).await.map_err(|_| self.patience.stalled())?
                }
            };
            match data {
                None => return Ok(false),
                Some(Ok(chunk)) => {
                    self.withheld += chunk.len();
                    self.patience.came(chunk.len());
                    self.chunk = chunk;
                }
                Some(Err(_)) => return Err(Fault::new(Kind::Cancelled, "the client ended the call")),
            }
        }
        Ok(true)
    }
}

fn cut_short() -> Fault {
    Fault::invalid("the request's body ends within a message")
}
