//! A response's body: pieces that lie where they were made, sent one behind the other.

use super::watch::Running;
use crate::base::fault::Fault;
use crate::gateway::{Client, flow::Flow};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use smallvec::SmallVec;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

#[derive(Debug, Default)]
pub(super) struct Chunks {
    /// The next piece is the last one here.
    pieces: SmallVec<[Bytes; 2]>,
    left: u64,
    stream: Option<Stream>,
}

/// Over HTTP/2, where other requests go on meanwhile.
#[derive(Debug)]
struct Stream {
    /// Told of each part that is taken.
    flow: Arc<Flow>,
    /// The request is over when its answer is taken.
    _running: Running,
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
        Chunks { pieces: rest, left, stream: None }
    }

    /// From here on it counts as unread.
    pub(super) fn count(&mut self, client: &Client) -> Result<(), Fault> {
        client.count_unread(&mut self.pieces)
    }

    /// From here on the body goes in parts, and `flow` hears of each. One that is a single part needs nobody.
    pub(super) fn tell(&mut self, flow: Arc<Flow>, running: Running) {
        if self.left > PART as u64 {
            flow.begins();
            self.stream = Some(Stream { flow, _running: running });
        }
    }

    fn next(&mut self) -> Option<Bytes> {
        let part = match self.pieces.last_mut() {
            Some(piece) if self.stream.is_some() && piece.len() > PART => piece.split_to(PART),
            Some(_) | None => self.pieces.pop()?,
        };
        if let Some(stream) = &self.stream {
            stream.flow.takes(part.len(), self.pieces.is_empty());
        }
        Some(part)
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        Poll::Ready(this.next().map(|piece| {
            this.left = this.left.saturating_sub(u64::try_from(piece.len()).unwrap_or(0));
            Ok(Frame::data(piece))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
