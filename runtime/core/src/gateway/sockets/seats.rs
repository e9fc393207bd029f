//! How many requests are served at once: a connection that has begun a thousand calls and sends none of them whole
//! holds little memory, and ten thousand such connections hold all of it.

use crate::base::fault::{Fault, Kind};
use std::cell::Cell;

thread_local! {
    /// Of the requests whose connections this thread serves: they begin and end on it, so that a count of their own
    /// costs no line of memory that threads share.
    static TAKEN: Cell<usize> = const { Cell::new(0) };
}

/// Held while a request is served. Stays on its thread.
#[derive(Debug)]
pub(in crate::gateway) struct Seat(());

impl Seat {
    /// `most`: of this thread.
    pub(in crate::gateway) fn take(most: usize) -> Result<Seat, Fault> {
        let taken = TAKEN.get();
        if taken >= most {
            let note = format!(
                "{taken} requests are served at once and no more may be (limit requests); try again later"
            );
            return Err(Fault::new(Kind::Overloaded, note));
        }
        TAKEN.set(taken + 1);
        Ok(Seat(()))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        TAKEN.set(TAKEN.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_free_again_when_its_request_is_over() {
        let held: Vec<_> = (0..3).map(|_| Seat::take(3).unwrap()).collect();
        let fault = Seat::take(3).unwrap_err();
        assert!(fault.kind == Kind::Overloaded && fault.note.contains("3 requests"), "{fault}");
        assert!(std::thread::spawn(|| Seat::take(3).is_ok()).join().unwrap(), "each thread has its own");
        drop(held);
        assert!(Seat::take(1).is_ok());
    }
}
