//! Buffers that the rows of a batch are copied into, side by side.
//!
//! A buffer comes home when its last view is dropped, wherever Python keeps one: it is never written
//! while someone can still read it. Until then the next batch gets another buffer.

use crate::base::primitive::Mutex;
use bytes::Bytes;
use std::sync::Arc;

/// A cache line, and what the widest vector loads want.
pub(super) const ALIGN: usize = 64;

#[derive(Debug)]
pub(super) struct Staging {
    home: Arc<Home>,
}

#[derive(Debug)]
struct Home {
    idle: Mutex<Vec<Vec<u8>>>,
    most: usize,
}

impl Staging {
    /// Keeps at most `most` idle buffers; more may be out.
    pub(super) fn new(most: usize) -> Staging {
        Staging { home: Arc::new(Home { idle: Mutex::default(), most }) }
    }

    /// An empty buffer for `len` bytes.
    pub(super) fn lease(&self, len: usize) -> Lease {
        let room = len.saturating_add(ALIGN);
        let mut idle = self.home.idle.lock();
        let at = idle.iter().position(|buffer| buffer.capacity() >= room);
        let found = at.map(|at| idle.swap_remove(at));
        drop(idle);
        // Powers of two: batches of slowly growing sizes do not each bring a buffer of their own.
        let fresh = || Vec::with_capacity(room.checked_next_power_of_two().unwrap_or(room));
        let mut buffer = found.unwrap_or_else(fresh);
        buffer.clear();
        let start = buffer.as_ptr().align_offset(ALIGN).min(ALIGN);
        buffer.resize(start, 0);
        Lease { buffer, start, home: Arc::clone(&self.home) }
    }

    #[cfg(test)]
    fn idle(&self) -> usize {
        self.home.idle.lock().len()
    }
}

/// Writable and alone until frozen.
#[derive(Debug)]
pub(super) struct Lease {
    buffer: Vec<u8>,
    start: usize,
    home: Arc<Home>,
}

impl Lease {
    pub(super) fn push(&mut self, part: &[u8]) {
        self.buffer.extend_from_slice(part);
    }

    /// `count` elements more.
    pub(super) fn fill(&mut self, element: &[u8], count: usize) {
        match element {
            [first, rest @ ..] if rest.iter().all(|byte| byte == first) => {
                self.buffer.resize(self.buffer.len() + count * element.len(), *first);
            }
            _ => (0..count).for_each(|_| self.push(element)),
        }
    }

    /// The last bytes once more.
    pub(super) fn repeat(&mut self, last: usize) {
        self.buffer.extend_from_within(self.buffer.len().saturating_sub(last).max(self.start)..);
    }

    /// Shared and read-only from here on.
    pub(super) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Lease {
    fn as_ref(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        let mut idle = self.home.idle.lock();
        if idle.len() < self.home.most {
            idle.push(buffer);
            return;
        }
        // The smaller one is let go, after the lock: freeing a large block may take a system call.
        let smallest = idle.iter_mut().min_by_key(|kept| kept.capacity());
        let _let_go = match smallest {
            Some(kept) if kept.capacity() < buffer.capacity() => std::mem::replace(kept, buffer),
            Some(_) | None => buffer,
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
        let staging = Staging::new(1);
        for _ in 0..3 {
            let data = filled(&staging, &[b"ab", b"cde"]);
            assert_eq!(&data[..], b"abcde");
            assert_eq!(data.as_ptr().addr() % ALIGN, 0);
        }
    }

    #[test]
    fn a_buffer_is_reused_once_nobody_sees_it() {
        let staging = Staging::new(2);
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
        let staging = Staging::new(1);
        let small = filled(&staging, &[b"x"]);
        let large = filled(&staging, &[&[7; 5000]]);
        let at = large.as_ptr().addr();
        drop((small, large));
        assert_eq!(staging.idle(), 1);
        assert_eq!(filled(&staging, &[b"y"]).as_ptr().addr(), at);
    }

    #[test]
    fn a_view_outlives_the_pool() {
        let staging = Staging::new(1);
        let view = filled(&staging, &[b"abc"]);
        drop(staging);
        assert_eq!(&view[..], b"abc");
    }
}
