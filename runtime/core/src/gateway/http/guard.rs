//! How long a connection may take for a head, and how long it may ask nothing.

use super::watch::{Doing, Watch};
use crate::base::clock;
use crate::gateway::Limits;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing went on: look what it holds.
    Quiet,
    /// No more requests after those that run.
    Finish,
    Drop,
}

/// Closes who is slow. One timer a connection: it is moved when a part of a head stays, and looks again when it
/// fires, so an ordinary request costs it nothing.
#[derive(Debug)]
pub(super) struct Guard {
    timer: Pin<Box<Sleep>>,
    since: Doing,
    head: Duration,
    idle: Duration,
    /// What an idle connection gets.
    then: Verdict,
}

impl Guard {
    /// An idle one is quiet between one and two times the limit of a head after the last thing that went on.
    pub(super) fn http1(limits: &Limits) -> Guard {
        let head = Duration::from_millis(limits.header_timeout_ms);
        Guard::new(head, head.min(Duration::from_millis(limits.idle_timeout_ms)), Verdict::Quiet)
    }

    /// An idle one ends between one and two times its limit after the last thing that went on.
    pub(super) fn http2(limits: &Limits) -> Guard {
        let idle = Duration::from_millis(limits.idle_timeout_ms);
        Guard::new(Duration::from_millis(limits.header_timeout_ms), idle, Verdict::Finish)
    }

    fn new(head: Duration, idle: Duration, then: Verdict) -> Guard {
        Guard { timer: Box::pin(tokio::time::sleep(idle)), since: Doing::Idle, head, idle, then }
    }

    fn wait(&mut self, span: Duration, doing: Doing) {
        self.since = doing;
        self.timer.as_mut().reset(clock::instant(clock::now().plus(span)));
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>, watch: &Watch) -> Poll<Verdict> {
        let doing = watch.doing();
        if doing != self.since && matches!(doing, Doing::Head(_)) {
            self.wait(self.head, doing);
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            match doing {
                Doing::Head(_) => return Poll::Ready(Verdict::Drop),
                Doing::Idle if !watch.has_moved() => {
                    self.wait(self.head, Doing::Idle); // for the end to come
                    return Poll::Ready(self.then);
                }
                Doing::Idle | Doing::Running => self.wait(self.idle, doing),
            }
        }
    }
}
