//! Buffers that the rows of a batch are copied into, side by side.
//!
//! A buffer comes home when its last view is dropped, wherever Python keeps one: it is never written
//! while someone can still read it. Until then the next batch gets another buffer.

use crate::base::primitive::Mutex;
use bytes::Bytes;
use std::fmt::Debug;
use std::sync::Arc;

/// A cache line, and what the widest vector loads want.
pub(super) const ALIGN: usize = 64;

/// Has memory that a device can copy from while we do something else.
pub trait Lender: Debug + Send + Sync {
    /// At least `len` bytes; `None` where there are none to be had, which it has told.
    fn lend(&self, len: usize) -> Option<Box<dyn Block>>;
}

/// Memory that is ours alone until it is dropped.
pub trait Block: Debug + Send + Sync {
    fn bytes(&self) -> &[u8];
    fn bytes_mut(&mut self) -> &mut [u8];
}

impl Block for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self
    }
}

#[derive(Debug)]
pub(super) struct Staging {
    home: Arc<Home>,
}

#[derive(Debug)]
struct Home {
    idle: Mutex<Vec<Box<dyn Block>>>,
    most: usize,
    lender: Option<Arc<dyn Lender>>,
}

impl Staging {
    /// Keeps at most `most` idle buffers; more may be out.
    pub(super) fn new(most: usize, lender: Option<Arc<dyn Lender>>) -> Staging {
        Staging { home: Arc::new(Home { idle: Mutex::default(), most, lender }) }
    }

    /// A view of what came in other memory would be slower than a copy.
    pub(super) fn is_lent(&self) -> bool {
        self.home.lender.is_some()
    }

    /// An empty buffer for `len` bytes.
    pub(super) fn lease(&self, len: usize) -> Lease {
        let room = len.saturating_add(ALIGN);
        let mut idle = self.home.idle.lock();
        let at = idle.iter().position(|block| block.bytes().len() >= room);
        let found = at.map(|at| idle.swap_remove(at));
        drop(idle);
        // Powers of two: batches of slowly growing sizes do not each bring a buffer of their own.
        let fresh = || self.home.fresh(room.checked_next_power_of_two().unwrap_or(room));
        let block = found.unwrap_or_else(fresh);
        let start = block.bytes().as_ptr().align_offset(ALIGN).min(ALIGN);
        Lease { block: Some(block), start, end: start, home: Arc::clone(&self.home) }
    }

    #[cfg(test)]
    fn idle(&self) -> usize {
        self.home.idle.lock().len()
    }
}

impl Home {
    fn fresh(&self, len: usize) -> Box<dyn Block> {
        let lent = self.lender.as_ref().and_then(|lender| lender.lend(len));
        // Zeros of the system's cost nothing before they are written over.
        lent.filter(|block| block.bytes().len() >= len).unwrap_or_else(|| Box::new(vec![0; len]))
    }
}

/// Writable and alone until frozen. Whoever leased it said how much he would write; what is beyond that is left out.
#[derive(Debug)]
pub(super) struct Lease {
    /// `None` at the end only.
    block: Option<Box<dyn Block>>,
    start: usize,
    end: usize,
    home: Arc<Home>,
}

impl Lease {
    pub(super) fn push(&mut self, part: &[u8]) {
        let room = self.room(part.len());
        debug_assert_eq!(room.len(), part.len(), "more than was leased");
        let fits = room.len();
        room.copy_from_slice(part.get(..fits).unwrap_or_default());
        self.end += fits;
    }

    /// `count` elements more.
    pub(super) fn fill(&mut self, element: &[u8], count: usize) {
        match element {
            [first, rest @ ..] if rest.iter().all(|byte| byte == first) => {
                let room = self.room(count * element.len());
                room.fill(*first);
                self.end += room.len();
            }
            _ => (0..count).for_each(|_| self.push(element)),
        }
    }

    /// The last bytes once more.
    pub(super) fn repeat(&mut self, last: usize) {
        let from = self.end.saturating_sub(last).max(self.start);
        let (end, more) = (self.end, self.room(self.end - from).len());
        if let Some(block) = &mut self.block {
            block.bytes_mut().copy_within(from..from + more, end);
        }
        self.end += more;
    }

    /// Shared and read-only from here on.
    pub(super) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }

    /// The next bytes, as many of `len` as there are.
    fn room(&mut self, len: usize) -> &mut [u8] {
        let rest = self.block.as_mut().and_then(|block| block.bytes_mut().get_mut(self.end..));
        let rest = rest.unwrap_or_default();
        let fits = len.min(rest.len());
        rest.get_mut(..fits).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Lease {
    fn as_ref(&self) -> &[u8] {
        self.block.as_ref().and_then(|block| block.bytes().get(self.start..self.end)).unwrap_or_default()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(block) = self.block.take() else { return };
        let len = block.bytes().len();
        let mut idle = self.home.idle.lock();
        if idle.len() < self.home.most {
            idle.push(block);
            return;
        }
        // The smaller one is let go, after the lock: freeing a large block may take a system call.
        let smallest = idle.iter_mut().min_by_key(|kept| kept.bytes().len());
        let _let_go = match smallest {
            Some(kept) if kept.bytes().len() < len => std::mem::replace(kept, block),
            Some(_) | None => block,
        };
        drop(idle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(staging: &Staging, parts: &[&[u8]]) -> Bytes {
        let mut lease = staging.lease(parts.iter().map(|part| part.len()).sum());
        parts.iter().for_each(|part| lease.push(part));
        lease.freeze()
    }

    #[test]
    fn rows_lie_side_by_side_and_aligned() {
        let staging = Staging::new(1, None);
        for _ in 0..3 {
            let data = filled(&staging, &[b"ab", b"cde"]);
            assert_eq!(&data[..], b"abcde");
            assert_eq!(data.as_ptr().addr() % ALIGN, 0);
        }
    }

    #[test]
    fn a_buffer_is_reused_once_nobody_sees_it() {
        let staging = Staging::new(2, None);
        let first = filled(&staging, &[b"first"]);
        let kept = first.slice(1..3);
        let at = first.as_ptr().addr();
        drop(first);
        let second = filled(&staging, &[b"second"]);
        assert_ne!(second.as_ptr().addr(), at, "the view that is kept must not change");
        assert_eq!(&kept[..], b"ir");
        drop(kept);
        assert_eq!(filled(&staging, &[b"third"]).as_ptr().addr(), at);
    }

    #[test]
    fn idle_buffers_are_bounded_and_the_largest_stay() {
        let staging = Staging::new(1, None);
        let small = filled(&staging, &[b"x"]);
        let large = filled(&staging, &[&[7; 5000]]);
        let at = large.as_ptr().addr();
        drop((small, large));
        assert_eq!(staging.idle(), 1);
        assert_eq!(filled(&staging, &[b"y"]).as_ptr().addr(), at);
    }

    #[test]
    fn a_view_outlives_the_pool() {
        let staging = Staging::new(1, None);
        let view = filled(&staging, &[b"abc"]);
        drop(staging);
        assert_eq!(&view[..], b"abc");
    }

    /// Gives blocks that are filled with 9, as many as it has.
    #[derive(Debug)]
    struct Nines(Mutex<Vec<usize>>, usize);

    impl Lender for Nines {
        fn lend(&self, len: usize) -> Option<Box<dyn Block>> {
            let mut lent = self.0.lock();
            lent.push(len);
            (lent.len() <= self.1).then(|| -> Box<dyn Block> { Box::new(vec![9; len]) })
        }
    }

    #[test]
    fn lent_memory_is_asked_for_once_a_buffer_and_our_own_serves_where_there_is_none() {
        let lender = Arc::new(Nines(Mutex::default(), 1));
        let staging = Staging::new(2, Some(lender.clone()));
        assert!(staging.is_lent());
        let first = filled(&staging, &[&[1; 100]]);
        let second = filled(&staging, &[&[2; 100]]);
        assert_eq!((&first[..], &second[..]), (&[1; 100][..], &[2; 100][..]));
        let at = first.as_ptr().addr();
        drop(first);
        assert_eq!(filled(&staging, &[b"x"]).as_ptr().addr(), at, "it is used again");
        assert_eq!(*lender.0.lock(), [256, 256]);
    }

    proptest::proptest! {
        /// As a vector that grows would have it.
        #[test]
        fn what_was_laid_is_what_is_read(
            parts in proptest::collection::vec((proptest::collection::vec(0..3_u8, 0..9), 0..4_usize, 0..3_u8), 0..9),
        ) {
            let mut expected: Vec<u8> = Vec::new();
            for (part, count, how) in &parts {
                match how {
                    0 => expected.extend(part),
                    1 => (0..*count).for_each(|_| expected.extend(part)),
                    _ => expected.extend_from_within(expected.len().saturating_sub(*count)..),
                }
            }
            let staging = Staging::new(1, None);
            drop(filled(&staging, &[&[7; 300]]));
            let mut lease = staging.lease(expected.len());
            for (part, count, how) in &parts {
                match how {
                    0 => lease.push(part),
                    1 => lease.fill(part, *count),
                    _ => lease.repeat(*count),
                }
            }
            proptest::prop_assert_eq!(&lease.freeze()[..], &expected[..]);
        }
    }
}
