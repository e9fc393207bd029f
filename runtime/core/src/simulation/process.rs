//! A process of the simulated node: a runtime of its own, whose clock moves when it is told.

use futures_util::FutureExt;
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};

/// Dropping it drops its tasks where they stand.
#[derive(Debug)]
pub(super) struct Process {
    runtime: Runtime,
    /// It makes no step until it is continued.
    stopped: bool,
    /// Turns ever made, for who waits until it had a chance.
    pub(super) turns: u64,
}

impl Process {
    pub(super) fn new() -> Process {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        Process { runtime, stopped: false, turns: 0 }
    }

    pub(super) fn handle(&self) -> &Handle {
        self.runtime.handle()
    }

    /// For all that reads the clock or spawns.
    pub(super) fn within<T>(&self, act: impl FnOnce() -> T) -> T {
        let _within = self.runtime.enter();
        act()
    }

    /// The clock moves at once, for a stopped process too; who waited for it runs in a later turn.
    pub(super) fn pass(&self, span: Duration) {
        self.within(|| tokio::time::advance(span).now_or_never());
    }

    /// SIGSTOP.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    /// SIGCONT.
    pub(super) fn go_on(&mut self) {
        self.stopped = false;
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Lets its tasks run, `turns` times at most each.
    pub(super) fn turn(&mut self, turns: u32) {
        if self.stopped {
            return;
        }
        self.turns += u64::from(turns);
        self.runtime.block_on(async move {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        });
    }
}
