//! Whether a client reads what is written for it.

use super::flow::Flow;
use crate::base::clock;
use crate::gateway::settings::{Limits, Patience};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::Sleep;

/// A timer that runs while the socket is full: a client that reads pays nothing.
#[derive(Debug)]
pub(in crate::gateway) struct Reading {
    fresh: Patience,
    stuck: Option<Stuck>,
}

#[derive(Debug)]
struct Stuck {
    patience: Patience,
    /// Bytes that were written when the timer was set.
    wrote: usize,
    timer: Pin<Box<Sleep>>,
}

impl Reading {
    pub(in crate::gateway) fn new(limits: &Limits) -> Reading {
        Reading { fresh: Patience::new(limits), stuck: None }
    }

    /// Ready when the client takes nothing any more, or too little. To be asked after each turn of the connection.
    /// `wanted`: while others need memory, what it holds of it. Who takes less than that within the time of an answer has
    /// to go; who takes more has freed it, however much follows.
    pub(in crate::gateway) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        flow: &Flow,
        wanted: impl Fn() -> Option<usize>,
    ) -> Poll<()> {
        if !flow.is_stuck() {
            self.stuck = None;
            return Poll::Pending;
        }
        let wrote = flow.wrote();
        let stuck = match &mut self.stuck {
            Some(stuck) => stuck,
            none => {
                let mut patience = self.fresh.clone();
                let Ok(until) = patience.wait(clock::now(), false) else { return Poll::Ready(()) };
                let timer = Box::pin(tokio::time::sleep_until(clock::instant(until)));
                none.insert(Stuck { patience, wrote, timer })
            }
        };
        while stuck.timer.as_mut().poll(cx).is_ready() {
            let read = wrote.wrapping_sub(stuck.wrote);
            stuck.wrote = wrote;
            stuck.patience.came(read);
            let is_enough = read > 0 && wanted().is_none_or(|held| read >= held);
            match stuck.patience.wait(clock::now(), false) {
                Ok(until) if is_enough => stuck.timer.as_mut().reset(clock::instant(until)),
                Ok(_) | Err(_) => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::units::Tick;
    use std::future::poll_fn;
    use std::time::Duration;

    /// How long a client is borne with that takes `bytes` each `pause` from a socket that is full.
    async fn lasts(bytes: usize, pause: Duration, wanted: Option<usize>) -> Option<Duration> {
        let (flow, mut reading) = (Flow::default(), Reading::new(&Limits::default()));
        let began: Tick = clock::now();
        for _ in 0..200 {
            if bytes > 0 {
                flow.saw(&Poll::Ready(Ok(bytes)));
            }
            flow.saw(&Poll::Pending);
            let ended = poll_fn(|cx| reading.poll(cx, &flow, || wanted));
            if tokio::time::timeout(pause, ended).await.is_ok() {
                return Some(clock::now().since(began));
            }
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_nothing_or_too_slowly_is_given_up() {
        let s = Duration::from_secs;
        let seconds = |span: Option<Duration>| span.map(|span| span.as_secs());
        assert_eq!(seconds(lasts(0, s(7), None).await), Some(30));
        assert_eq!(seconds(lasts(1, s(7), None).await), Some(60));
        assert_eq!(seconds(lasts((64 << 10) - 1, s(1), None).await), Some(60));
        assert_eq!(seconds(lasts(70 << 10, s(1), None).await), None);
    }

    #[tokio::test(start_paused = true)]
    async fn while_memory_is_short_who_frees_what_it_holds_stays() {
        let s = Duration::from_secs;
        let seconds = |span: Option<Duration>| span.map(|span| span.as_secs());
        assert_eq!(seconds(lasts(1 << 20, s(1), Some(16 << 20)).await), None);
        assert_eq!(seconds(lasts(1 << 20, s(1), Some(40 << 20)).await), Some(30));
        assert_eq!(seconds(lasts(0, s(1), Some(0)).await), Some(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_that_has_room_again_begins_anew() {
        let (flow, mut reading) = (Flow::default(), Reading::new(&Limits::default()));
        for _ in 0..5 {
            flow.saw(&Poll::Pending);
            let ended = poll_fn(|cx| reading.poll(cx, &flow, || None));
            assert!(tokio::time::timeout(Duration::from_secs(25), ended).await.is_err());
            flow.saw(&Poll::Ready(Ok(1)));
            assert!(poll_fn(|cx| Poll::Ready(reading.poll(cx, &flow, || None))).await.is_pending());
        }
    }
}
