//! What the port knows of a connection, without a word to its task.

use crate::gateway::sockets::crowd::Guest;
use std::future::poll_fn;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

/// Written by the connection's task alone, but for `leaving`.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    /// Calls so far.
    came: AtomicU64,
    busy: AtomicBool,
    leaving: AtomicBool,
    /// It is the same all its life.
    task: OnceLock<Waker>,
}

impl Presence {
    pub(super) fn begins_a_turn(&self, cx: &Context<'_>) {
        self.task.get_or_init(|| cx.waker().clone());
    }

    /// So many calls came, and some run.
    pub(super) fn tell(&self, came: usize, busy: bool) {
        if came > 0 {
            self.came.store(self.came.load(Relaxed) + came as u64, Relaxed);
        }
        self.busy.store(busy, Relaxed);
    }

    /// Somebody else wants the place of an idle connection.
    pub(super) fn is_unwanted(&self) -> bool {
        self.leaving.load(Relaxed)
    }

    pub(super) async fn unwanted(&self) {
        poll_fn(|cx| {
            self.begins_a_turn(cx);
            if self.is_unwanted() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl Guest for Presence {
    fn came(&self) -> u64 {
        self.came.load(Relaxed)
    }

    fn is_idle(&self) -> bool {
        !self.busy.load(Relaxed)
    }

    fn leave(&self) {
        self.leaving.store(true, Relaxed);
        if let Some(task) = self.task.get() {
            task.wake_by_ref(); // orders the store before the poll that it causes
        }
    }

    /// Each connection hears of it itself.
    fn stop(&self) {}
}
