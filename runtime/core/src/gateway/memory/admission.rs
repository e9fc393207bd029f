//! Bytes that are held for clients: counted before memory is taken, given back when it is free.

use crate::base::fault::{Fault, Kind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::sync::Notify;

/// Who held more and holds less has freed so much that the allocator should give it back.
const EBB: usize = 64 << 20;

/// What a ledger counts, for who is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway) enum Of {
    Requests,
    Answers,
    Connection,
}

impl Of {
    /// What is held, the limit that says how much may be, and what helps.
    fn told(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Of::Requests => ("bytes of requests are in flight", "in_flight_bytes", "try again later"),
            Of::Answers => ("bytes of answers wait to be read", "unread_bytes", "try again later"),
            Of::Connection => (
                "bytes of this connection's requests and unread answers are held",
                "connection_bytes",
                "read what was answered first, or ask on another connection",
            ),
        }
    }
}

#[derive(Debug)]
pub(in crate::gateway) struct Ledger {
    of: Of,
    taken: AtomicUsize,
    most: usize,
    ebb: Notify,
}

impl Ledger {
    pub(in crate::gateway) fn new(of: Of, most: usize) -> Arc<Ledger> {
        Arc::new(Ledger { of, taken: AtomicUsize::new(0), most, ebb: Notify::new() })
    }

    pub(in crate::gateway) fn taken(&self) -> usize {
        self.taken.load(Relaxed)
    }

    /// More than half is taken.
    pub(in crate::gateway) fn is_short(&self) -> bool {
        self.taken() > self.most / 2
    }

    /// Overloaded if it would be more than there is.
    pub(in crate::gateway) fn take(self: &Arc<Ledger>, len: usize) -> Result<Reserved, Fault> {
        self.add(len, |_, sum| sum <= self.most)?;
        Ok(Reserved { ledger: Arc::clone(self), share: None, kept: 0, len })
    }

    /// For what one connection must not have all of: `share` is the connection's own ledger, and `kept` bytes are
    /// left for others.
    pub(in crate::gateway) fn take_shared(
        self: &Arc<Ledger>,
        share: &Arc<Ledger>,
        kept: usize,
        len: usize,
    ) -> Result<Reserved, Fault> {
        let none = Reserved { ledger: Arc::clone(self), share: Some(Arc::clone(share)), kept, len: 0 };
        none.and(len)
    }

    /// The only one that waits may be of any size: else it could never be read.
    pub(super) fn take_or_alone(
        self: &Arc<Ledger>,
        share: &Arc<Ledger>,
        len: usize,
    ) -> Result<Reserved, Fault> {
        share.add(len, |taken, sum| taken == 0 || sum <= share.most)?;
        // Given back if the next line refuses.
        let mut reserved =
            Reserved { ledger: Arc::clone(self), share: Some(Arc::clone(share)), kept: 0, len };
        if let Err(fault) = self.add(len, |taken, sum| taken == 0 || sum <= self.most) {
            reserved.len = 0;
            share.give_back(len);
            return Err(fault);
        }
        Ok(reserved)
    }

    fn add(&self, len: usize, fits: impl Fn(usize, usize) -> bool) -> Result<(), Fault> {
        let more = |taken: usize| taken.checked_add(len).filter(|sum| fits(taken, *sum));
        match self.taken.fetch_update(Relaxed, Relaxed, more) {
            Ok(_) => Ok(()),
            Err(taken) => {
                let ((held, limit, help), most) = (self.of.told(), self.most);
                let note =
                    format!("{taken} {held} and {len} more would exceed {most} (limit {limit}); {help}");
                Err(Fault::new(Kind::Overloaded, note))
            }
        }
    }

    fn give_back(&self, len: usize) {
        let before = self.taken.fetch_sub(len, Relaxed);
        if before > EBB && before.saturating_sub(len) <= EBB {
            self.ebb.notify_one();
        }
    }

    /// Waits until it has fallen to 64 MiB; what fell before is told once.
    pub(super) async fn ebbed(&self) {
        self.ebb.notified().await;
    }
}

/// Bytes that count until it is dropped.
#[derive(Debug)]
#[must_use = "dropping it gives the bytes back"]
pub struct Reserved {
    ledger: Arc<Ledger>,
    /// The connection's, where it counts there too.
    share: Option<Arc<Ledger>>,
    kept: usize,
    len: usize,
}

impl Reserved {
    pub(in crate::gateway) fn len(&self) -> usize {
        self.len
    }

    /// So many bytes more, or a fault and no change.
    pub(in crate::gateway) fn grow(&mut self, more: usize) -> Result<(), Fault> {
        if let Some(share) = &self.share {
            share.add(more, |_, sum| sum <= share.most)?;
        }
        let most = self.ledger.most.saturating_sub(self.kept);
        if let Err(fault) = self.ledger.add(more, |_, sum| sum <= most) {
            if let Some(share) = &self.share {
                share.give_back(more);
            }
            return Err(fault);
        }
        self.len += more;
        Ok(())
    }

    /// Counts from here on for the connection, too, and leaves `kept` bytes for others.
    pub(super) fn share(&mut self, share: &Arc<Ledger>, kept: usize) -> Result<(), Fault> {
        if self.share.is_none() {
            share.add(self.len, |_, sum| sum <= share.most)?;
            (self.share, self.kept) = (Some(Arc::clone(share)), kept);
        }
        Ok(())
    }

    fn and(mut self, more: usize) -> Result<Reserved, Fault> {
        self.grow(more)?;
        Ok(self)
    }

    /// Gives back what is beyond `len`.
    pub(super) fn shrink_to(&mut self, len: usize) {
        let less = self.len.saturating_sub(len);
        self.give_back(less);
        self.len -= less;
    }

    fn give_back(&self, len: usize) {
        if len > 0 {
            self.ledger.give_back(len);
            if let Some(share) = &self.share {
                share.give_back(len);
            }
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.give_back(self.len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn bytes_are_taken_up_to_the_limit_and_given_back() {
        let ledger = Ledger::new(Of::Requests, 10);
        let six = ledger.take(6).unwrap();
        assert!(ledger.is_short());
        let fault = ledger.take(5).unwrap_err();
        assert_eq!(fault.kind, Kind::Overloaded);
        let note = "6 bytes of requests are in flight and 5 more would exceed 10 (limit in_flight_bytes)";
        assert!(fault.note.contains(note), "{fault}");
        let four = ledger.take(4).unwrap();
        assert_eq!(ledger.take(usize::MAX).unwrap_err().kind, Kind::Overloaded);
        drop((six, four));
        assert!(ledger.taken() == 0 && !ledger.is_short());
    }

    #[test]
    fn who_waits_for_the_ebb_is_told_once_when_much_is_given_back() {
        let ledger = Ledger::new(Of::Requests, 4 * EBB);
        let ebbed = || ledger.ebbed().now_or_never().is_some();
        let some = ledger.take(EBB).unwrap();
        drop((ledger.take(EBB / 2).unwrap(), some));
        assert!(ebbed() && !ebbed());
        drop(ledger.take(EBB).unwrap());
        assert!(!ebbed(), "so little is held soon again");
        let (some, mut more) = (ledger.take(EBB).unwrap(), ledger.take(EBB).unwrap());
        more.shrink_to(1);
        assert!(!ebbed());
        drop((some, more));
        assert!(ebbed() && !ebbed());
    }

    #[test]
    fn one_connection_gets_its_share_and_leaves_what_is_kept() {
        let all = Ledger::new(Of::Requests, 100);
        let (one, other) = (Ledger::new(Of::Connection, 60), Ledger::new(Of::Connection, 60));
        let mut first = all.take_shared(&one, 20, 50).unwrap();
        let fault = all.take_shared(&one, 20, 11).unwrap_err();
        assert!(
            fault.note.contains("50 bytes of this connection's")
                && fault.note.ends_with(
                    "(limit connection_bytes); read what was answered first, or ask on another connection"
                )
        );
        first.grow(10).unwrap();
        assert!(first.grow(1).is_err());
        let fault = all.take_shared(&other, 20, 21).unwrap_err();
        assert!(fault.note.contains("in_flight_bytes"), "{fault}");
        let second = all.take_shared(&other, 20, 20).unwrap();
        assert!(all.take(20).is_ok(), "what is kept is for others");
        first.shrink_to(45);
        assert_eq!((first.len(), all.taken(), one.taken(), other.taken()), (45, 65, 45, 20));
        drop((first, second));
        assert_eq!((all.taken(), one.taken(), other.taken()), (0, 0, 0));
    }

    #[test]
    fn a_single_answer_may_wait_however_long_it_is() {
        let all = Ledger::new(Of::Answers, 100);
        let (one, other) = (Ledger::new(Of::Connection, 60), Ledger::new(Of::Connection, 60));
        let long = all.take_or_alone(&one, 1000).unwrap();
        assert!(all.take_or_alone(&one, 1).is_err());
        let fault = all.take_or_alone(&other, 1).unwrap_err();
        assert!(fault.note.contains("answers wait to be read") && fault.note.contains("unread_bytes"));
        assert_eq!(other.taken(), 0, "who is refused holds nothing");
        drop(long);
        let some = all.take_or_alone(&other, 60).unwrap();
        assert!(all.take_or_alone(&one, 41).is_err() && all.take_or_alone(&one, 40).is_ok());
        drop(some);
        assert_eq!((all.taken(), one.taken(), other.taken()), (0, 0, 0));
    }
}
