//! Bytes that requests hold: counted before they are read, given back when the call is done.

use crate::base::fault::{Fault, Kind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[derive(Debug)]
pub(super) struct Ledger {
    taken: AtomicUsize,
    most: usize,
}

impl Ledger {
    pub(super) fn new(most: usize) -> Arc<Ledger> {
        Arc::new(Ledger { taken: AtomicUsize::new(0), most })
    }

    pub(super) fn taken(&self) -> usize {
        self.taken.load(Relaxed)
    }

    /// Overloaded if the bytes in flight would be too many.
    pub(super) fn take(self: &Arc<Ledger>, len: usize) -> Result<Reserved, Fault> {
        let more = |taken: usize| taken.checked_add(len).filter(|sum| *sum <= self.most);
        match self.taken.fetch_update(Relaxed, Relaxed, more) {
            Ok(_) => Ok(Reserved { ledger: Arc::clone(self), len }),
            Err(taken) => {
                let most = self.most;
                let note = format!(
                    "{taken} bytes of requests are in flight and {len} more would exceed {most}; try again later"
                );
                Err(Fault::new(Kind::Overloaded, note))
            }
        }
    }
}

/// Bytes of a body, counted against [`super::Limits::in_flight_bytes`] until dropped.
#[derive(Debug)]
#[must_use = "dropping it gives the bytes back"]
pub struct Reserved {
    ledger: Arc<Ledger>,
    len: usize,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.ledger.taken.fetch_sub(self.len, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_taken_up_to_the_limit_and_given_back() {
        let ledger = Ledger::new(10);
        let six = ledger.take(6).unwrap();
        let fault = ledger.take(5).unwrap_err();
        assert_eq!(fault.kind, Kind::Overloaded);
        assert!(fault.note.contains("6 bytes") && fault.note.contains("exceed 10"), "{fault}");
        let four = ledger.take(4).unwrap();
        assert_eq!(ledger.take(usize::MAX).unwrap_err().kind, Kind::Overloaded);
        drop((six, four));
        assert_eq!(ledger.taken(), 0);
    }
}
