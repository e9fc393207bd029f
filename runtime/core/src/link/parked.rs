//! Waiting on a thread of one's own, which outlives the runtime: a timer of that would panic with its end.

use crate::base::clock;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::{self, Thread};
use std::time::Duration;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// What `future`, which needs no runtime, comes to; `None` if it does not within `limit`.
pub(super) fn wait<F: Future>(mut future: Pin<&mut F>, limit: Duration) -> Option<F::Output> {
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut context = Context::from_waker(&waker);
    let until = clock::now().plus(limit);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        let left = until.since(clock::now());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use tokio::sync::watch;

    #[test]
    fn it_ends_with_what_is_waited_for_or_in_time() {
        let (sender, mut receiver) = watch::channel(0);
        assert!(wait(pin!(receiver.changed()), Duration::from_millis(10)).is_none());
        let waiting = thread::spawn(move || wait(pin!(receiver.changed()), Duration::from_secs(60)).unwrap());
        sender.send_replace(1);
        assert!(waiting.join().unwrap().is_ok());
        let mut receiver = sender.subscribe();
        drop(sender);
        assert!(wait(pin!(receiver.changed()), Duration::from_secs(60)).unwrap().is_err());
    }
}
