//! All `unsafe` of shared memory: who may write which part, and for how long a view is valid.
//!
//! Two kinds. [`Own`] is memory that this process writes: its allocator hands out ranges that do not overlap, and a
//! [`Span`] is the only access to its range until it is dropped. [`Foreign`] is memory that another process
//! writes and this one only reads. Both are sealed against shrinking before they are mapped, so a read cannot
//! fault.
//!
//! Rust wants a shared slice not to change. A peer that keeps the protocol leaves a range alone from the frame
//! that lends it until the release, which is sent when the last view is gone. A peer that breaks it makes us read
//! torn numbers, which are legal in every numeric datatype; nothing whose structure we trust (lengths of BYTES
//! elements) is parsed in place, it is copied first. Such a peer harms the results of its own calls only.
#![expect(unsafe_code, reason = "views of mapped memory; every block names what makes it sound")]

use super::memfd::Sealed;
use crate::base::primitive::Mutex;
use memmap2::{MmapOptions, MmapRaw};
use range_alloc::RangeAllocator;
use std::{io, ops::Range, sync::Arc};

/// Ranges are whole pages: what goes here is larger than 64 KiB, and few sizes keep the free list short.
const PAGE: usize = 4096;

/// Memory this process writes, cut into ranges.
#[derive(Debug)]
pub(super) struct Own {
    map: MmapRaw,
    free: Mutex<RangeAllocator<usize>>,
}

/// One range of [`Own`], and the only way to its bytes; given back when dropped.
#[derive(Debug)]
pub(super) struct Span {
    home: Arc<Own>,
    range: Range<usize>,
    /// What was asked for; the range is rounded up.
    len: usize,
}

impl Own {
    /// Maps memory that is still writable: before it is sealed against further writers.
    pub(super) fn map(memory: &Sealed) -> io::Result<Own> {
        let map = MmapOptions::new().len(memory.len()).map_raw(memory)?;
        let free = Mutex::new(RangeAllocator::new(0..map.len()));
        Ok(Own { map, free })
    }

    /// `None`: nothing that long is free, or the length is zero.
    pub(super) fn take(self: &Arc<Own>, len: usize) -> Option<Span> {
        let whole =
            len.checked_next_multiple_of(PAGE).filter(|whole| (1..=self.map.len()).contains(whole))?;
        let range = self.free.lock().allocate_range(whole).ok()?;
        Some(Span { home: Arc::clone(self), range, len })
    }

    pub(super) fn free_bytes(&self) -> usize {
        self.free.lock().total_available()
    }

    /// Where a slice lies, if it lies in this memory.
    pub(super) fn locate(&self, bytes: &[u8]) -> Option<Range<usize>> {
        let start = bytes.as_ptr().addr().checked_sub(self.map.as_ptr().addr())?;
        let end = start.checked_add(bytes.len()).filter(|end| *end <= self.map.len())?;
        (!bytes.is_empty()).then_some(start..end)
    }
}

impl AsRef<[u8]> for Span {
    fn as_ref(&self) -> &[u8] {
        let at = self.home.map.as_ptr().wrapping_add(self.range.start);
        // SAFETY: the allocator gave `range`, within the mapping, to this span alone; `len` is at most its length;
        // the mapping lives as long as `home`; the memory is sealed against shrinking, zeroed at first, and no
        // other process can map it writable.
        unsafe { std::slice::from_raw_parts(at, self.len) }
    }
}

impl AsMut<[u8]> for Span {
    fn as_mut(&mut self) -> &mut [u8] {
        let at = self.home.map.as_mut_ptr().wrapping_add(self.range.start);
        // SAFETY: as in `as_ref`, and `&mut self` makes this the only view in this process. Peers look at a range
        // only after a frame lent it, which takes a frozen, hence never again mutable, span.
        unsafe { std::slice::from_raw_parts_mut(at, self.len) }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        self.home.free.lock().free_range(self.range.clone());
    }
}

/// Memory another process writes, mapped read-only.
#[derive(Debug)]
pub(super) struct Foreign {
    map: MmapRaw,
}

impl Foreign {
    pub(super) fn map(memory: &Sealed) -> io::Result<Foreign> {
        let map = MmapOptions::new().len(memory.len()).map_raw_read_only(memory)?;
        Ok(Foreign { map })
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    /// `None`: not within this memory.
    pub(super) fn slice(&self, range: &Range<usize>) -> Option<&[u8]> {
        let len = range.end.checked_sub(range.start)?;
        let start = (range.end <= self.map.len()).then_some(range.start)?;
        let at = self.map.as_ptr().wrapping_add(start);
        // SAFETY: the range was just checked to lie in the mapping, which lives as long as `self` and whose memory
        // is sealed against shrinking; that the peer does not write meanwhile is argued in the module's text.
        Some(unsafe { std::slice::from_raw_parts(at, len) })
    }
}
