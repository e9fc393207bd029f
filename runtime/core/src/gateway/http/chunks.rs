//! A response's body: pieces that lie where they were made, sent one behind the other.

use super::watch::Watch;
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
    /// Told of each part that is taken.
    watch: Option<Arc<Watch>>,
}

/// Over HTTP/2 a part is taken when the client's window opens, so that parts show whether it reads.
const PART: usize = 256 << 10;

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
        Chunks { pieces: rest, left, watch: None }
    }

    /// From here on the body goes in parts, and `watch` hears of each. One that is a single part needs nobody.
    pub(super) fn tell(&mut self, watch: &Arc<Watch>) {
        if self.left > PART as u64 {
            self.watch = Some(Arc::clone(watch));
        }
    }

    fn next(&mut self) -> Option<Bytes> {
        let Some(watch) = &self.watch else { return self.pieces.pop() };
        watch.moved();
        match self.pieces.last_mut() {
            Some(piece) if piece.len() > PART => Some(piece.split_to(PART)),
            Some(_) | None => self.pieces.pop(),
        }
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
