//! What a link has to send: one growing buffer, written by whoever comes first.
//!
//! Frames of a turn are appended under a short lock and leave in one system call. A thread that has just finished
//! a batch writes by itself (it saves waking the link's task and one switch between threads); when the socket takes
//! no more, the link's task goes on. Never are two writing.

use super::socket::Writer;
use crate::base::{
    clock,
    primitive::{Condvar, Mutex, MutexGuard, Notify},
    units::Tick,
};
use crate::wire::frame_encode::TooLong;
use std::io;

/// A peer that reads too slowly is heard no more until less than this waits for it. (A model fills it a thousand times.)
pub(super) const HIGH: usize = if cfg!(headrace_loom) { 1 << 10 } else { 1 << 20 };
/// Capacity that is kept for the next turn.
const KEEP: usize = 1 << 20;

/// What bytes leave by. Never are two in it at once.
pub(super) trait Transport {
    /// Never waits: `WouldBlock` when there is no room.
    fn send(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Waits for room first, if there is none. Dropping the future sends nothing.
    fn send_when_ready(&self, bytes: &[u8]) -> impl Future<Output = io::Result<usize>> + Send;
}

#[derive(Debug)]
pub(super) struct Outbox<W = Writer> {
    socket: W,
    state: Mutex<State>,
    /// For the writing task: there is something that nobody sends.
    work: Notify,
    /// For the reading task: less than [`HIGH`] waits.
    low: Notify,
    /// For who ends: nothing waits.
    empty: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queued: Vec<u8>,
    /// Taken from `queued`, sent up to `sent`; away while somebody writes it.
    leaving: Vec<u8>,
    sent: usize,
    /// Somebody is in a system call with `leaving`.
    writing: bool,
    /// The socket took no more: only the task goes on.
    stalled: bool,
    closed: bool,
    /// Bytes ever appended, and ever taken by the socket.
    appended: u64,
    written: u64,
}

/// Why a frame was not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsent {
    Closed,
    TooLong(TooLong),
}

impl State {
    fn waiting(&self) -> usize {
        self.queued.len() + self.leaving.len().saturating_sub(self.sent)
    }
}

impl Outbox {
    /// Says the end of the stream to the peer, after what was sent.
    pub(super) fn hang_up(&self) {
        self.socket.hang_up();
    }
}

impl<W: Transport> Outbox<W> {
    pub(super) fn new(socket: W) -> Outbox<W> {
        Outbox {
            socket,
            state: Mutex::default(),
            work: Notify::new(),
            low: Notify::new(),
            empty: Condvar::new(),
        }
    }

    /// Appends one frame; it leaves with the next flush or nudge. Returns the position of its end, to compare with
    /// [`Outbox::written`].
    pub(super) fn put(&self, frame: impl FnOnce(&mut Vec<u8>) -> Result<(), TooLong>) -> Result<u64, Unsent> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Unsent::Closed);
        }
        let before = state.queued.len();
        frame(&mut state.queued).map_err(Unsent::TooLong)?;
        let grown = u64::try_from(state.queued.len() - before).unwrap_or_default();
        state.appended = state.appended.saturating_add(grown);
        Ok(state.appended)
    }

    /// Everything up to here was taken by the socket; later bytes never reached the peer.
    pub(super) fn written(&self) -> u64 {
        self.state.lock().written
    }

    /// Nothing leaves any more.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.work.notify_one();
        self.low.notify_one();
        self.empty.notify_all();
    }

    /// Has the link's task send what waits, in its next turn.
    pub(super) fn nudge(&self) {
        self.work.notify_one();
    }

    /// Sends what waits from this thread, without ever waiting for the socket.
    pub(super) fn flush(&self) {
        let mut state = self.state.lock();
        if state.stalled || state.writing {
            return; // whoever writes looks again before it stops
        }
        while let Some(bytes) = take(&mut state) {
            let sent = MutexGuard::unlocked(&mut state, || self.socket.send(bytes.rest()));
            let more = self.put_back(&mut state, bytes, &sent);
            if !more {
                state.stalled = true;
                self.work.notify_one(); // also for an error: the task meets it again and ends the link
                return;
            }
        }
    }

    /// The writing task: runs until the outbox is closed or the socket fails.
    pub(super) async fn write(&self) -> io::Result<()> {
        loop {
            self.work.notified().await;
            while let Some(bytes) = self.take_for_task()? {
                let sent = self.socket.send_when_ready(bytes.rest()).await;
                self.put_back(&mut self.state.lock(), bytes, &sent);
                sent?;
            }
        }
    }

    /// Waits until little enough is left for the peer to be listened to again.
    pub(super) async fn until_low(&self) {
        loop {
            if self.is_low() {
                return;
            }
            self.low.notified().await; // a permit is kept, so a notice between look and wait is not lost
        }
    }

    /// The peer reads what it is sent, and so may be listened to.
    pub(super) fn is_low(&self) -> bool {
        let state = self.state.lock();
        state.closed || state.waiting() < HIGH
    }

    /// Blocks until the socket has taken everything, or nothing leaves any more; false when `until` came first.
    pub(super) fn wait_empty(&self, until: Tick) -> bool {
        let mut state = self.state.lock();
        // What is being written is in the hands of who writes it.
        while (state.waiting() > 0 || state.writing) && !state.closed {
            let left = until.since(clock::now());
            if left.is_zero() {
                return false;
            }
            self.empty.wait_for(&mut state, left);
        }
        true
    }

    fn take_for_task(&self) -> io::Result<Option<Leaving>> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if state.writing {
            return Ok(None);
        }
        state.stalled = false;
        Ok(take(&mut state))
    }

    /// True if it makes sense to go on at once.
    fn put_back(&self, state: &mut State, bytes: Leaving, sent: &io::Result<usize>) -> bool {
        let Leaving { mut bytes, sent: mut at } = bytes;
        let high = state.waiting() + bytes.len() - at >= HIGH;
        if let Ok(sent) = sent {
            at += sent;
            state.written = state.written.saturating_add(u64::try_from(*sent).unwrap_or_default());
        }
        if at >= bytes.len() {
            bytes.clear();
            bytes.shrink_to(KEEP);
            at = 0;
        }
        (state.leaving, state.sent, state.writing) = (bytes, at, false);
        if high && state.waiting() < HIGH {
            self.low.notify_one();
        }
        if state.waiting() == 0 {
            self.empty.notify_all();
        }
        sent.is_ok()
    }
}

/// Bytes on their way out, in the hands of the one that writes.
#[derive(Debug)]
struct Leaving {
    bytes: Vec<u8>,
    sent: usize,
}

impl Leaving {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }
}

fn take(state: &mut State) -> Option<Leaving> {
    if state.leaving.is_empty() {
        if state.queued.is_empty() {
            return None;
        }
        std::mem::swap(&mut state.queued, &mut state.leaving);
        state.sent = 0;
    }
    state.writing = true;
    Some(Leaving { bytes: std::mem::take(&mut state.leaving), sent: state.sent })
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
