//! What goes through a connection's socket, as far as others are concerned.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};

/// Bytes that one connection reads before the others of its thread have their turn: a large body comes as fast as it
/// is read, and calls with their resets, in one piece and without end, would pile up before anybody looked at them.
const A_TURN: usize = 512 << 10;

/// What a connection's socket tells of what is written to it, or a stream of what its client takes. One task alone
/// writes and looks.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Flow {
    /// The socket has no room for more.
    stuck: AtomicBool,
    wrote: AtomicUsize,
    /// Of a stream: bytes that are kept until its client takes them.
    held: AtomicUsize,
    /// Bytes that were read since the task's turn began.
    turn: AtomicUsize,
}

impl Flow {
    pub(in crate::gateway) fn begins_a_turn(&self) {
        self.turn.store(0, Relaxed);
    }

    /// Ready while the connection may read more in this turn; else it has another.
    pub(in crate::gateway) fn poll_turn(&self, cx: &Context<'_>) -> Poll<()> {
        if self.turn.load(Relaxed) < A_TURN {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// To be told of every read.
    pub(in crate::gateway) fn read(&self, len: usize) {
        self.turn.store(self.turn.load(Relaxed).saturating_add(len), Relaxed);
    }

    /// To be told of every write.
    pub(in crate::gateway) fn saw(&self, write: &Poll<io::Result<usize>>) {
        match write {
            Poll::Ready(Ok(len)) => {
                self.stuck.store(false, Relaxed);
                self.wrote.store(self.wrote.load(Relaxed).wrapping_add(*len), Relaxed);
            }
            Poll::Pending => self.stuck.store(true, Relaxed),
            Poll::Ready(Err(_)) => {}
        }
    }

    /// An answer, or a part of one, waits to be taken, and `held` bytes are kept until it is.
    pub(in crate::gateway) fn begins(&self, held: usize) {
        self.held.store(held, Relaxed);
        self.stuck.store(true, Relaxed);
    }

    /// A part of it was taken.
    pub(in crate::gateway) fn takes(&self, len: usize, is_last: bool) {
        self.wrote.store(self.wrote.load(Relaxed).wrapping_add(len), Relaxed);
        self.stuck.store(!is_last, Relaxed);
    }

    pub(in crate::gateway) fn wrote(&self) -> usize {
        self.wrote.load(Relaxed)
    }

    pub(in crate::gateway) fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    pub(in crate::gateway) fn is_stuck(&self) -> bool {
        self.stuck.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn a_turn_ends_after_so_many_bytes_and_another_begins() {
        let (flow, cx) = (Flow::default(), Context::from_waker(Waker::noop()));
        for _ in 0..2 {
            flow.begins_a_turn();
            flow.read(A_TURN - 1);
            assert!(flow.poll_turn(&cx).is_ready());
            flow.read(1);
            assert!(flow.poll_turn(&cx).is_pending());
        }
    }
}
