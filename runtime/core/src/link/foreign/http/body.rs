//! What is sent and what comes: bodies of known and of unknown length.

use crate::base::fault::Fault;
use crate::link::failure::Failure;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Memory for a body is taken as it comes, from here on.
const FIRST: usize = 1 << 20;

/// Pieces that go out one behind the other, none of them copied.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pieces: VecDeque<Bytes>,
    left: u64,
}

impl Sent {
    pub(super) fn new(pieces: impl IntoIterator<Item = Bytes>) -> Sent {
        let pieces: VecDeque<_> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        let left = pieces.iter().map(|piece| piece.len() as u64).sum();
        Sent { pieces, left }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.pop_front();
        self.left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// All of an answer, of which at most `most` bytes are read. One that came at once is a view of what was read.
pub(super) async fn whole(mut body: Incoming, most: usize) -> Result<Bytes, Failure> {
    let told = body.size_hint().lower();
    let len = usize::try_from(told).unwrap_or(usize::MAX);
    if len > most {
        return Err(too_long(len, most));
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::Lost(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        if first.is_empty() && rest.is_empty() {
            first = data;
            continue;
        }
        if rest.is_empty() {
            rest.reserve(len.min(FIRST).max(first.len()));
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        if rest.len().saturating_add(data.len()) > most {
            return Err(too_long(rest.len().saturating_add(data.len()), most));
        }
        rest.extend_from_slice(&data);
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

fn too_long(len: usize, most: usize) -> Failure {
    Failure::Told(Fault::internal(format!(
        "the server's answer has {len} bytes or more, and {most} are read (limit connection_bytes): ask for fewer rows"
    )))
}
