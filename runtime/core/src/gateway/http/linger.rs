//! The end of a connection whose last request was answered before all of its body came. What a kernel closes with
//! bytes unread it resets, and a reset takes the answer from a client that is still writing.

use super::watch::Watch;
use crate::base::clock;
use std::future::{Future, poll_fn};
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};

/// In all, however steadily it comes.
const MOST: Duration = Duration::from_secs(2);
/// Of what nobody wants; who sends more is reset.
const MOST_BYTES: usize = 16 << 20;

/// Reads away what still comes on a `socket` that we write on no more, until its client has ended it, too.
pub(super) async fn linger(socket: &mut (impl AsyncRead + Unpin), watch: &Watch) {
    let mut timer = pin!(tokio::time::sleep_until(clock::instant(clock::now().plus(MOST))));
    let mut space = [MaybeUninit::uninit(); 8 << 10];
    let mut came = 0;
    poll_fn(|cx| {
        watch.begins_a_turn(cx);
        loop {
            if watch.is_closing() || watch.is_leaving() || came > MOST_BYTES {
                return Poll::Ready(());
            }
            if timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let mut part = ReadBuf::uninit(&mut space);
            match ready!(Pin::new(&mut *socket).poll_read(cx, &mut part)) {
                Ok(()) if !part.filled().is_empty() => came += part.filled().len(),
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    })
    .await;
}
