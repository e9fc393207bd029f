//! The news that the server stops.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use tokio::sync::watch::Receiver;

/// Looked at again and again: the first look leaves a waker behind; after it, one atomic load says whether another
/// is worthwhile. Whoever looks must do so from one task.
pub(super) struct Stop {
    seen: Receiver<bool>,
    news: Pin<Box<dyn Future<Output = ()> + Send>>,
    registered: bool,
    came: bool,
}

impl Stop {
    /// A sender that is gone says the same as one that says so.
    pub(super) fn new(seen: Receiver<bool>) -> Stop {
        let mut stop = seen.clone();
        let news = async move { while !*stop.borrow_and_update() && stop.changed().await.is_ok() {} };
        Stop { seen, news: Box::pin(news), registered: false, came: false }
    }

    /// True from the moment on that the server stops.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.came && (!self.registered || self.seen.has_changed().unwrap_or(true)) {
            self.registered = true;
            self.came = self.news.as_mut().poll(cx).is_ready();
        }
        self.came
    }
}
