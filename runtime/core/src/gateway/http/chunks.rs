//! A response's body: pieces that lie where they were made, sent one behind the other.

use super::{events::Events, watch::Running};
use crate::base::fault::Fault;
use crate::gateway::{
    Client,
    sockets::{flow::Flow, seats::Seat},
};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use smallvec::SmallVec;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

#[derive(Debug, Default)]
pub(super) struct Chunks {
    /// The next piece is the last one here.
    pieces: SmallVec<[Bytes; 2]>,
    left: u64,
    stream: Option<Stream>,
    /// What follows the pieces, as it comes.
    later: Option<Box<Later>>,
}

#[derive(Debug)]
struct Later {
    events: Events,
    /// The request is served until its answer is whole.
    _held: Option<(Seat, Running)>,
}

/// Over HTTP/2, where other requests go on meanwhile.
#[derive(Debug)]
struct Stream {
    /// Told of each part that is taken.
    flow: Arc<Flow>,
    /// The request is over when its answer is taken.
    _running: Option<Running>,
}

/// A part is taken when the client's window opens, so that parts show whether it reads. What was taken lies in the
/// connection's buffers without anybody's patience: one part for each stream.
const PART: usize = 16 << 10;

impl Chunks {
    pub(super) fn of(first: impl Into<Bytes>) -> Chunks {
        Chunks::chain(first.into(), SmallVec::new())
    }

    /// Empty pieces are left out: to hyper an empty frame says nothing.
    pub(super) fn chain(first: Bytes, mut rest: SmallVec<[Bytes; 2]>) -> Chunks {
        rest.reverse();
        rest.push(first);
        rest.retain(|piece| !piece.is_empty());
        let left = rest.iter().fold(0, |sum, piece| sum + u64::try_from(piece.len()).unwrap_or(0));
        Chunks { pieces: rest, left, stream: None, later: None }
    }

    /// Events that go out as they come.
    pub(super) fn live(events: Events) -> Chunks {
        Chunks { later: Some(Box::new(Later { events, _held: None })), ..Chunks::default() }
    }

    pub(super) fn is_live(&self) -> bool {
        self.later.is_some()
    }

    /// Kept until the last event is taken; over HTTP/2 `flow` hears of each.
    pub(super) fn hold(&mut self, seat: Seat, running: Running, flow: Option<Arc<Flow>>) {
        if let Some(later) = &mut self.later {
            later._held = Some((seat, running));
        }
        self.stream = flow.map(|flow| Stream { flow, _running: None });
    }

    /// From here on it counts as unread.
    pub(super) fn count(&mut self, client: &Client) -> Result<(), Fault> {
        client.count_unread(&mut self.pieces)
    }

    /// From here on the body goes in parts, and `flow` hears of each. One that is a single part needs nobody.
    pub(super) fn tell(&mut self, flow: Arc<Flow>, running: Running) {
        if self.left > PART as u64 {
            flow.begins(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.stream = Some(Stream { flow, _running: Some(running) });
        }
    }

    /// Ready when the next events are here, or the last was.
    fn poll_later(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(later) = &mut self.later else { return Poll::Ready(()) };
        let next = later.events.poll_next(cx);
        if let (Some(stream), Poll::Pending | Poll::Ready(None)) = (&self.stream, &next) {
            stream.flow.takes(0, true);
        }
        match ready!(next) {
            Some(events) => {
                if let Some(stream) = &self.stream {
                    stream.flow.begins(events.len().saturating_add(later.events.unread()));
                }
                self.left = u64::try_from(events.len()).unwrap_or(0);
                self.pieces.push(events);
            }
            None => self.later = None,
        }
        Poll::Ready(())
    }

    fn next(&mut self) -> Option<Bytes> {
        let part = match self.pieces.last_mut() {
            Some(piece) if self.stream.is_some() && piece.len() > PART => piece.split_to(PART),
            Some(_) | None => self.pieces.pop()?,
        };
        if let Some(stream) = &self.stream {
            // Of what is yet to come, a client that reads asks again, which says that it has taken this.
            stream.flow.takes(part.len(), self.pieces.is_empty() && self.later.is_none());
        }
        Some(part)
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if this.pieces.is_empty() && this.later.is_some() {
            ready!(this.poll_later(cx));
        }
        Poll::Ready(this.next().map(|piece| {
            this.left = this.left.saturating_sub(u64::try_from(piece.len()).unwrap_or(0));
            Ok(Frame::data(piece))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.later.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_live() { SizeHint::default() } else { SizeHint::with_exact(self.left) }
    }
}
