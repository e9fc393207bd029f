//! Who leaves before it is known which version a request is for. Such a request is counted as refused, so that each
//! one that came is counted once, however it ends. (Of a call whose whole HTTP/2 connection ended before it was read
//! nobody here ever hears.)

use super::{Client, Gateway};
use crate::base::fault::{Fault, Kind};
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::pin::Pin;
use std::task::Poll;
use std::task::ready;

/// What a request is counted as whose way ends with a drop: its caller has left. But who sent what made us panic is told
/// so, and has not.
pub(super) fn dropped() -> Kind {
    if std::thread::panicking() { Kind::Internal } else { Kind::Cancelled }
}

/// The same of one that was admitted.
pub(super) fn left() -> Fault {
    Fault::new(dropped(), "the caller gave up")
}

/// A request that nobody has begun to look at, or to find a version for. Hyper drops what should answer a request,
/// without a poll, when it finds in the same moment that the caller is gone.
#[derive(Debug)]
pub(super) struct Unheard<A: Deref<Target: AsRef<Gateway>>> {
    pub(super) asked: A,
    counts: bool,
}

impl<A: Deref<Target: AsRef<Gateway>>> Unheard<A> {
    /// `infers`: it asks for an inference; nothing else is counted.
    pub(super) fn new(asked: A, infers: bool) -> Unheard<A> {
        Unheard { asked, counts: infers }
    }

    /// From here on it is its answer's to be counted; true if it is to be.
    pub(super) fn is_heard(&mut self) -> bool {
        std::mem::take(&mut self.counts)
    }
}

impl<A: Deref<Target: AsRef<Gateway>>> Drop for Unheard<A> {
    fn drop(&mut self) {
        if self.counts {
            self.asked.as_ref().meter.refused(dropped());
        }
    }
}

impl AsRef<Gateway> for Gateway {
    fn as_ref(&self) -> &Gateway {
        self
    }
}

impl AsRef<Gateway> for Client {
    fn as_ref(&self) -> &Gateway {
        &self.gateway
    }
}

impl Gateway {
    /// What comes before a request's version is known: it is read, and its version is found. Dropped meanwhile, it is
    /// counted; what it comes to is counted by who hears of it. Its caller has pinned it, as in
    /// [`crate::base::panics::survive_all`].
    pub(super) fn hear<T>(&self, work: Pin<&mut impl Future<Output = T>>) -> impl Future<Output = T> {
        let (mut unheard, mut work) = (Unheard::new(self, true), work);
        poll_fn(move |cx| {
            let done = ready!(work.as_mut().poll(cx));
            unheard.is_heard();
            Poll::Ready(done)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::panics;
    use crate::gateway::GatewaySettings;

    #[test]
    fn a_request_that_makes_us_panic_is_counted_as_what_its_caller_is_told() {
        let gateway = Gateway::new(GatewaySettings::default()).unwrap();
        let read = panics::survive::<()>(|| {
            let _unheard = Unheard::new(&*gateway, true);
            panic!("on purpose");
        });
        assert!(read.is_err());
        drop(Unheard::new(&*gateway, false));
        assert!(
            gateway
                .meter()
                .render(&[], &[])
                .contains("headrace_requests_refused_total{kind=\"internal\"} 1\n")
        );
        assert_eq!(gateway.meter().refusals(), 1);
    }
}
