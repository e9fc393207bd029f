//! When to part from a connection, or a stream of requests, that asks nothing.

use crate::base::{clock, units::Tick};
use crate::gateway::Limits;
use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;
use tokio::time::Sleep;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Stay,
    /// Tell the client to go.
    Close,
    /// It was told and did not.
    Drop,
}

/// A timer that is set when a connection falls idle and looked at only then: a busy one pays nothing.
#[derive(Debug)]
pub(super) struct Idle {
    /// Without a call, but with answers that the client has not taken.
    unread: Duration,
    patience: Duration,
    /// For the client to go.
    grace: Duration,
    /// When the last call ended; `None` while one runs.
    since: Option<Tick>,
    timer: Option<Pin<Box<Sleep>>>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Before anybody looked whether answers lie there.
    Begun,
    Idle,
    Told,
}

impl Idle {
    pub(super) fn new(limits: &Limits) -> Idle {
        let patience = Duration::from_millis(limits.idle_timeout_ms);
        let unread = Duration::from_millis(limits.body_timeout_ms).min(patience);
        let grace = Duration::from_millis(limits.header_timeout_ms);
        Idle { unread, patience, grace, since: None, timer: None, stage: Stage::Begun }
    }

    /// `has_unread` is asked once in an idle time.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now: impl Fn() -> Tick,
        is_idle: bool,
        has_unread: impl Fn() -> bool,
    ) -> Verdict {
        if !is_idle {
            self.since = None;
            return Verdict::Stay;
        }
        if self.since.is_none() && self.stage == Stage::Idle {
            self.stage = Stage::Begun;
        }
        let since = *self.since.get_or_insert_with(&now);
        loop {
            let due = since.plus(match self.stage {
                Stage::Begun => self.unread,
                Stage::Idle => self.patience,
                Stage::Told => self.grace,
            });
            let timer =
                self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(clock::instant(due))));
            // It may ring for an earlier idle time: then it is set anew, once for each such time.
            if timer.as_mut().poll(cx).is_pending() {
                return Verdict::Stay;
            }
            if due > now() {
                timer.as_mut().reset(clock::instant(due));
                continue;
            }
            match self.stage {
                Stage::Begun if !has_unread() => self.stage = Stage::Idle,
                Stage::Begun | Stage::Idle => {
                    self.stage = Stage::Told;
                    (self.since, self.timer) = (None, None);
                    return Verdict::Close;
                }
                Stage::Told => return Verdict::Drop,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::task::Poll;

    async fn verdict(idle: &mut Idle, has_unread: bool) -> Verdict {
        poll_fn(|cx| match idle.poll(cx, clock::now, true, || has_unread) {
            Verdict::Stay => Poll::Pending,
            verdict @ (Verdict::Close | Verdict::Drop) => Poll::Ready(verdict),
        })
        .await
    }

    async fn is_busy(idle: &mut Idle) {
        let verdict = poll_fn(|cx| Poll::Ready(idle.poll(cx, clock::now, false, || true))).await;
        assert_eq!(verdict, Verdict::Stay);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_told_to_go_and_then_dropped() {
        for (has_unread, told) in [(false, 300), (true, 30)] {
            let (mut idle, start) = (Idle::new(&Limits::default()), clock::now());
            let passed = || clock::now().since(start).as_secs();
            assert_eq!(verdict(&mut idle, has_unread).await, Verdict::Close);
            assert!((told..=told + 1).contains(&passed()), "{}", passed());
            assert_eq!(verdict(&mut idle, has_unread).await, Verdict::Drop);
            assert!((told + 10..=told + 11).contains(&passed()), "{}", passed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_starts_the_patience_anew() {
        let (mut idle, start) = (Idle::new(&Limits::default()), clock::now());
        let early = tokio::time::timeout(Duration::from_secs(200), verdict(&mut idle, false)).await;
        assert!(early.is_err());
        is_busy(&mut idle).await;
        tokio::time::sleep(Duration::from_secs(150)).await;
        assert_eq!(verdict(&mut idle, false).await, Verdict::Close);
        assert!((650..=651).contains(&clock::now().since(start).as_secs()));
    }
}
