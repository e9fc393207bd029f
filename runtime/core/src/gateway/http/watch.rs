//! A connection's socket and what is known about its owner's patience, without a clock read per request.

use crate::gateway::sockets::{crowd::Guest, flow::Flow};
use bytes::{Buf, Bytes};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Shared by a connection's socket, its requests and its guard. Order between the fields does not matter: a guard
/// that sees them late waits once more.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Requests whose answer is not ready; over HTTP/2, not taken.
    running: AtomicU64,
    /// Requests that came since the connection began.
    came: AtomicU64,
    /// Requests that their client took back since it was asked last.
    taken_back: AtomicU32,
    /// Something went on since the guard looked. Over HTTP/1 any byte is something; over HTTP/2 a request is, because
    /// pings may come for ever.
    moved: AtomicBool,
    /// Bytes came that no request has taken: a part of a head.
    started: AtomicBool,
    pub(super) flow: Flow,
    /// No more requests after those that run.
    closing: AtomicBool,
    /// Somebody else wants the place of an idle connection.
    leaving: AtomicBool,
    /// The connection's task; it is the same all its life.
    task: OnceLock<Waker>,
}

/// What a connection does between two polls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// A request runs, or its answer waits to be read.
    Running,
    /// Part of a head is there; the number of heads that came before it.
    Head(u64),
    Idle,
}

impl Watch {
    pub(super) fn doing(&self) -> Doing {
        if self.running.load(Relaxed) > 0 || self.flow.is_stuck() {
            Doing::Running
        } else if self.started.load(Relaxed) {
            Doing::Head(self.came.load(Relaxed))
        } else {
            Doing::Idle
        }
    }

    fn moved(&self) {
        self.moved.store(true, Relaxed);
    }

    /// Whether something went on since it was asked last.
    pub(super) fn has_moved(&self) -> bool {
        self.moved.swap(false, Relaxed)
    }

    /// How many requests their client took back since it was asked last.
    pub(super) fn taken_back(&self) -> u32 {
        if self.taken_back.load(Relaxed) == 0 { 0 } else { self.taken_back.swap(0, Relaxed) }
    }

    /// Held while a request runs.
    pub(super) fn run(self: &Arc<Watch>) -> Running {
        self.running.fetch_add(1, Relaxed);
        self.came.fetch_add(1, Relaxed);
        self.started.store(false, Relaxed);
        self.moved();
        Running { watch: Arc::clone(self), answered: false }
    }

    /// The connection's task has its turn.
    pub(super) fn begins_a_turn(&self, cx: &Context<'_>) {
        self.task.get_or_init(|| cx.waker().clone());
        self.flow.begins_a_turn();
    }

    /// Once it has answered what it took.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Relaxed)
    }

    /// At once, as long as it is idle.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Relaxed) && self.is_idle()
    }

    fn tell(&self, what: &AtomicBool) {
        what.store(true, Relaxed);
        if let Some(task) = self.task.get() {
            task.wake_by_ref(); // orders the store before the poll that it causes
        }
    }
}

impl Guest for Watch {
    fn came(&self) -> u64 {
        self.came.load(Relaxed)
    }

    /// A part of a head is no request.
    fn is_idle(&self) -> bool {
        self.doing() != Doing::Running
    }

    fn leave(&self) {
        self.tell(&self.leaving);
    }

    fn stop(&self) {
        self.tell(&self.closing);
    }
}

#[derive(Debug)]
pub(super) struct Running {
    watch: Arc<Watch>,
    answered: bool,
}

impl Running {
    pub(super) fn answered(&mut self) {
        self.answered = true;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let watch = &self.watch;
        if !self.answered {
            watch.taken_back.fetch_add(1, Relaxed);
        }
        watch.moved();
        watch.started.store(false, Relaxed); // what came meanwhile was this request's body
        watch.running.fetch_sub(1, Relaxed);
    }
}

/// The socket, with what was read ahead to tell the protocol.
#[derive(Debug)]
pub(super) struct Watched<S> {
    pub(super) socket: S,
    pub(super) ahead: Bytes,
    pub(super) watch: Arc<Watch>,
    /// HTTP/2 sends frames that belong to no request, so bytes are no part of a head there.
    pub(super) http2: bool,
}

impl<S> Watched<S> {
    fn wrote(&self, write: &Poll<io::Result<usize>>) {
        self.watch.flow.saw(write);
        if matches!(write, Poll::Ready(Ok(1..))) && !self.http2 {
            self.watch.moved();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(this.watch.flow.poll_turn(cx));
        if this.ahead.is_empty() {
            ready!(Pin::new(&mut this.socket).poll_read(cx, buf))?;
        } else {
            let len = this.ahead.len().min(buf.remaining());
            buf.put_slice(this.ahead.get(..len).unwrap_or_default());
            this.ahead.advance(len);
        }
        let came = buf.filled().len() - before;
        this.watch.flow.read(came);
        if came > 0 && !this.http2 {
            this.watch.moved();
            this.watch.started.store(true, Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let write = Pin::new(&mut this.socket).poll_write(cx, buf);
        this.wrote(&write);
        write
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let write = Pin::new(&mut this.socket).poll_write_vectored(cx, bufs);
        this.wrote(&write);
        write
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}
