//! A response's body: pieces that lie where they were made, sent one behind the other.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use smallvec::SmallVec;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

#[derive(Debug, Default)]
pub(super) struct Chunks {
    /// The next piece is the last one here.
    pieces: SmallVec<[Bytes; 2]>,
    left: u64,
}

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
        Chunks { pieces: rest, left }
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
        Poll::Ready(this.pieces.pop().map(|piece| {
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
