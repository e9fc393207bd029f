//! The memory a process sends large tensors from. Peers map it read-only and are told offsets.

use super::{
    mapping::{Own, Span},
    memfd::Sealed,
};
use bytes::Bytes;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// Shared by everything in the process that sends; cheap to clone.
#[derive(Clone, Debug)]
pub struct Arena {
    memory: Arc<Sealed>,
    own: Arc<Own>,
    #[cfg(test)]
    died: Arc<std::sync::atomic::AtomicBool>,
}

/// Where bytes lie in an arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    pub offset: u64,
    pub len: u64,
}

/// Writable, and nobody else's, until frozen.
#[derive(Debug)]
pub struct Lease {
    span: Span,
}

impl Arena {
    /// `len` bytes, taken from the system now and kept.
    pub fn new(len: usize) -> io::Result<Arena> {
        let whole = len.checked_next_multiple_of(4096).filter(|whole| *whole > 0);
        let whole = whole.ok_or_else(|| io::Error::other(format!("an arena cannot have {len} bytes")))?;
        let (memory, own) = Sealed::create(whole, Own::map)?;
        Ok(Arena {
            memory: Arc::new(memory),
            own: Arc::new(own),
            #[cfg(test)]
            died: Arc::default(),
        })
    }

    /// Its process is dead: nothing writes here any more, also no destructor of a test that only plays the death.
    #[cfg(test)]
    pub(crate) fn die(&self) {
        self.died.store(true, std::sync::atomic::Ordering::SeqCst);
    }

    /// `None`: nothing that long is free now. Never waits.
    pub fn lease(&self, len: usize) -> Option<Lease> {
        #[cfg(test)]
        if self.died.load(std::sync::atomic::Ordering::SeqCst) {
            return None;
        }
        Some(Lease { span: self.own.take(len)? })
    }

    /// A copy of `data` that a peer can be pointed to.
    pub fn copy(&self, data: &[u8]) -> Option<Bytes> {
        let mut lease = self.lease(data.len())?;
        lease.as_mut().copy_from_slice(data);
        Some(lease.freeze())
    }

    /// `None` for bytes that are not views of a lease of this arena.
    pub fn locate(&self, bytes: &[u8]) -> Option<Located> {
        let range = self.own.locate(bytes)?;
        Some(Located { offset: u64::try_from(range.start).ok()?, len: u64::try_from(bytes.len()).ok()? })
    }

    pub fn bytes(&self) -> u64 {
        u64::try_from(self.memory.len()).unwrap_or(u64::MAX)
    }

    pub fn free_bytes(&self) -> usize {
        self.own.free_bytes()
    }
}

impl AsFd for Arena {
    fn as_fd(&self) -> BorrowedFd<'_> {
        (*self.memory).as_fd()
    }
}

impl Lease {
    /// Shared and read-only from here on; the range is free again when the last view is dropped. A link that
    /// lends the bytes to a peer keeps a view until the peer releases them.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Lease {
    fn as_ref(&self) -> &[u8] {
        self.span.as_ref()
    }
}

impl AsMut<[u8]> for Lease {
    fn as_mut(&mut self) -> &mut [u8] {
        self.span.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_range_is_free_when_the_last_view_is_gone() {
        let arena = Arena::new(2 * 4096).unwrap();
        let mut lease = arena.lease(5000).unwrap();
        lease.as_mut().fill(7);
        let whole = lease.freeze();
        assert!(arena.lease(1).is_none(), "5000 bytes take both pages");
        let part = whole.slice(4000..4010);
        assert_eq!(arena.locate(&part), Some(Located { offset: 4000, len: 10 }));
        drop(whole);
        assert_eq!((&part[..], arena.free_bytes()), (&[7; 10][..], 0));
        drop(part);
        assert_eq!(arena.free_bytes(), 2 * 4096);
    }

    #[test]
    fn bytes_of_elsewhere_are_not_located() {
        let arena = Arena::new(4096).unwrap();
        assert_eq!(arena.locate(b"heap"), None);
        assert_eq!(arena.locate(&[]), None);
        assert_eq!(Arena::new(4096).unwrap().locate(&arena.copy(b"other").unwrap()), None);
    }

    #[test]
    fn impossible_lengths_are_refused() {
        assert!(Arena::new(0).is_err() && Arena::new(usize::MAX).is_err());
        let arena = Arena::new(1).unwrap();
        assert!(arena.lease(0).is_none() && arena.lease(4097).is_none() && arena.lease(usize::MAX).is_none());
        assert!(arena.lease(4096).is_some());
    }

    #[test]
    fn a_view_outlives_the_arena() {
        let arena = Arena::new(4096).unwrap();
        let view = arena.copy(b"still here").unwrap();
        drop(arena);
        assert_eq!(view, "still here");
    }

    proptest! {
        /// Whatever is taken and dropped in whatever order: views never overlap, bytes stay what was written,
        /// and in the end everything is free again.
        #[test]
        fn nothing_is_lost_and_nothing_is_shared(steps in prop::collection::vec((0..6_usize, 1..20_000_usize), 1..60)) {
            let arena = Arena::new(16 * 4096).unwrap();
            let mut held: Vec<(u8, Bytes)> = Vec::new();
            for (step, (slot, len)) in steps.into_iter().enumerate() {
                if slot < held.len() {
                    held.swap_remove(slot);
                } else if let Some(mut lease) = arena.lease(len) {
                    let mark = u8::try_from(step).unwrap();
                    lease.as_mut().fill(mark);
                    held.push((mark, lease.freeze()));
                }
                for (mark, bytes) in &held {
                    prop_assert!(bytes.iter().all(|byte| byte == mark));
                }
                let taken: usize = held.iter().map(|(_, bytes)| bytes.len().next_multiple_of(4096)).sum();
                prop_assert_eq!(arena.free_bytes() + taken, 16 * 4096);
            }
            drop(held);
            prop_assert_eq!(arena.free_bytes(), 16 * 4096);
            prop_assert!(arena.lease(16 * 4096).is_some(), "free ranges join again");
        }
    }
}
