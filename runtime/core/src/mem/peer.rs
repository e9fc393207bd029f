//! Another process's arena, mapped read-only: views of what it lent us.

use super::{mapping::Foreign, memfd::Sealed};
use bytes::Bytes;
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Stays mapped for as long as any view of it lives, whatever became of the process that owns it.
#[derive(Clone, Debug)]
pub struct PeerArena {
    memory: Arc<Lent>,
}

/// What the lender knows of it: the leash is closed when the mapping is gone, in this order.
#[derive(Debug)]
struct Lent {
    mapped: Foreign,
    _leash: Option<OwnedFd>,
}

struct View<K> {
    memory: Arc<Lent>,
    range: Range<usize>,
    /// Dropped with the last view; the lender's range is released then.
    _hold: K,
}

impl PeerArena {
    /// Checks length and seals before anything is mapped. `leash` is open for as long as anybody may look.
    pub fn map(fd: OwnedFd, announced: u64, leash: Option<OwnedFd>) -> io::Result<PeerArena> {
        let mapped = Foreign::map(&Sealed::accept(fd, announced)?)?;
        Ok(PeerArena { memory: Arc::new(Lent { mapped, _leash: leash }) })
    }

    pub fn bytes(&self) -> usize {
        self.memory.mapped.len()
    }

    /// What the peer lent at `offset`; `None` if that is not within its memory. `hold` lives as long as the bytes.
    pub fn view<K: Send + Sync + 'static>(&self, offset: u64, len: u64, hold: K) -> Option<Bytes> {
        let range = self.range(offset, len)?;
        Some(Bytes::from_owner(View { memory: Arc::clone(&self.memory), range, _hold: hold }))
    }

    /// As [`PeerArena::view`], but a copy: for bytes with a structure that must not change while it is parsed.
    pub fn copy(&self, offset: u64, len: u64) -> Option<Bytes> {
        let range = self.range(offset, len)?;
        Some(Bytes::copy_from_slice(self.memory.mapped.slice(&range)?))
    }

    fn range(&self, offset: u64, len: u64) -> Option<Range<usize>> {
        let start = usize::try_from(offset).ok()?;
        let range = start..start.checked_add(usize::try_from(len).ok()?)?;
        self.memory.mapped.slice(&range).is_some().then_some(range)
    }
}

impl<K> AsRef<[u8]> for View<K> {
    fn as_ref(&self) -> &[u8] {
        self.memory.mapped.slice(&self.range).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::arena::Arena;
    use memmap2::MmapOptions;
    use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};
    use std::fs::File;
    use std::os::fd::{AsFd, AsRawFd};

    fn passed(arena: &Arena) -> OwnedFd {
        arena.as_fd().try_clone_to_owned().unwrap()
    }

    #[test]
    fn what_one_side_writes_the_other_sees_without_a_copy() {
        let arena = Arena::new(8192).unwrap();
        let peer = PeerArena::map(passed(&arena), arena.bytes(), None).unwrap();
        let first = arena.copy(b"first").unwrap();
        let second = arena.copy(b"second").unwrap();
        let at = arena.locate(&second).unwrap();
        let hold = Arc::new(());
        let seen = peer.view(at.offset, at.len, Arc::clone(&hold)).unwrap();
        assert_eq!(seen, "second");
        assert_ne!(seen.as_ptr(), second.as_ptr());
        drop((first, second, arena, peer));
        let part = seen.slice(1..3);
        drop(seen);
        assert_eq!((&part[..], Arc::strong_count(&hold)), (&b"ec"[..], 2));
        drop(part);
        assert_eq!(Arc::strong_count(&hold), 1, "the last view lets go of the hold");
    }

    #[test]
    fn offsets_outside_are_refused() {
        let arena = Arena::new(4096).unwrap();
        let peer = PeerArena::map(passed(&arena), arena.bytes(), None).unwrap();
        for (offset, len) in [(0, 4097), (4096, 1), (1, u64::MAX), (u64::MAX, 1), (u64::MAX, u64::MAX)] {
            assert!(peer.view(offset, len, ()).is_none(), "{offset}+{len}");
            assert!(peer.copy(offset, len).is_none(), "{offset}+{len}");
        }
        assert!(peer.view(4095, 1, ()).is_some());
    }

    #[test]
    fn memory_that_may_shrink_or_lies_about_its_length_is_refused() {
        let arena = Arena::new(4096).unwrap();
        assert!(PeerArena::map(passed(&arena), 8192, None).is_err());
        assert!(PeerArena::map(passed(&arena), 0, None).is_err());
        let open = rustix::fs::memfd_create("open", MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&open, 4096).unwrap();
        rustix::fs::fcntl_add_seals(&open, SealFlags::GROW).unwrap();
        assert!(PeerArena::map(open, 4096, None).unwrap_err().to_string().contains("resized"));
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        assert!(PeerArena::map(file.into(), 4096, None).is_err(), "a file has no seals");
    }

    /// A peer may take the pages away from memory whose length it cannot change.
    #[test]
    fn a_hole_in_it_reads_as_zeros() {
        let memory = rustix::fs::memfd_create("hole", MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&memory, 8192).unwrap();
        rustix::io::pwrite(&memory, &[7; 8192], 0).unwrap();
        rustix::fs::fcntl_add_seals(&memory, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL).unwrap();
        let peer = PeerArena::map(memory.try_clone().unwrap(), 8192, None).unwrap();
        let seen = peer.view(0, 8192, ()).unwrap();
        assert_eq!((seen[0], seen[8191]), (7, 7));
        let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        rustix::fs::fallocate(&memory, punch, 0, 4096).unwrap();
        assert_eq!((seen[0], seen[8191]), (0, 7));
    }

    /// Whatever it tries with what it was passed, also opened anew.
    #[test]
    fn a_peer_cannot_change_it() {
        let arena = Arena::new(8192).unwrap();
        let bytes = arena.copy(&[7; 8192]).unwrap();
        let passed = File::from(passed(&arena));
        let path = format!("/proc/self/fd/{}", passed.as_raw_fd());
        let again = File::options().read(true).write(true).open(path).unwrap();
        for memory in [&passed, &again] {
            let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let tries: [(&str, bool); 8] = [
                ("shrink", rustix::fs::ftruncate(memory, 4096).is_ok()),
                ("grow", rustix::fs::ftruncate(memory, 12_288).is_ok()),
                ("extend", rustix::fs::fallocate(memory, FallocateFlags::empty(), 8192, 4096).is_ok()),
                ("write", rustix::io::pwrite(memory, &[9; 4], 0).is_ok()),
                ("punch a hole", rustix::fs::fallocate(memory, punch, 0, 4096).is_ok()),
                ("zero", rustix::fs::fallocate(memory, FallocateFlags::ZERO_RANGE, 0, 4096).is_ok()),
                ("map to write", MmapOptions::new().len(8192).map_raw(memory).is_ok()),
                ("seal", rustix::fs::fcntl_add_seals(memory, SealFlags::WRITE).is_ok()),
            ];
            assert!(tries.iter().all(|(_, done)| !done), "{tries:?}");
        }
        assert!(bytes.iter().all(|byte| *byte == 7) && passed.metadata().unwrap().len() == 8192);
    }
}
