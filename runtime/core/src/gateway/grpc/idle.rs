//! When to part from a connection that asks nothing.

use crate::base::{clock, units::Tick};
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
    patience: Duration,
    grace: Duration,
    /// When the last call ended; `None` while one runs.
    since: Option<Tick>,
    timer: Option<Pin<Box<Sleep>>>,
    told: bool,
}

impl Idle {
    pub(super) fn new(patience: Duration, grace: Duration) -> Idle {
        Idle { patience, grace, since: None, timer: None, told: false }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>, now: impl Fn() -> Tick, is_idle: bool) -> Verdict {
        if !is_idle {
            self.since = None;
            return Verdict::Stay;
        }
        let since = *self.since.get_or_insert_with(&now);
        let span = if self.told { self.grace } else { self.patience };
        let due = since.plus(span);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(clock::instant(due))));
        // It may ring for an earlier idle time: then it is set anew, once for each such time.
        while timer.as_mut().poll(cx).is_ready() {
            if due <= now() {
                self.since = None;
                self.timer = None;
                if self.told {
                    return Verdict::Drop;
                }
                self.told = true;
                return Verdict::Close;
            }
            timer.as_mut().reset(clock::instant(due));
        }
        Verdict::Stay
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::task::Poll;

    const PATIENCE: Duration = Duration::from_secs(300);
    const GRACE: Duration = Duration::from_secs(10);

    async fn verdict(idle: &mut Idle) -> Verdict {
        poll_fn(|cx| match idle.poll(cx, clock::now, true) {
            Verdict::Stay => Poll::Pending,
            verdict @ (Verdict::Close | Verdict::Drop) => Poll::Ready(verdict),
        })
        .await
    }

    async fn is_busy(idle: &mut Idle) {
        let verdict = poll_fn(|cx| Poll::Ready(idle.poll(cx, clock::now, false))).await;
        assert_eq!(verdict, Verdict::Stay);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_told_to_go_and_then_dropped() {
        let (mut idle, start) = (Idle::new(PATIENCE, GRACE), clock::now());
        assert_eq!(verdict(&mut idle).await, Verdict::Close);
        assert!((300..=301).contains(&clock::now().since(start).as_secs()));
        assert_eq!(verdict(&mut idle).await, Verdict::Drop);
        assert!((310..=311).contains(&clock::now().since(start).as_secs()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_starts_the_patience_anew() {
        let (mut idle, start) = (Idle::new(PATIENCE, GRACE), clock::now());
        let early = tokio::time::timeout(Duration::from_secs(200), verdict(&mut idle)).await;
        assert!(early.is_err());
        is_busy(&mut idle).await;
        tokio::time::sleep(Duration::from_secs(150)).await;
        assert_eq!(verdict(&mut idle).await, Verdict::Close);
        assert!((650..=651).contains(&clock::now().since(start).as_secs()));
    }
}
