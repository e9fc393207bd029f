//! Memory behind a file descriptor that nobody can shrink, grow, or map writable a second time.

use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// Without these a peer could make our reads fault (SIGBUS).
const FIXED_SIZE: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

/// A descriptor whose length is fixed for good.
#[derive(Debug)]
pub struct Sealed {
    fd: OwnedFd,
    len: usize,
}

impl Sealed {
    /// New memory, its pages really there: running out is an error here and not a SIGBUS later.
    /// `while_writable` maps it before the seal that keeps everybody else from writing.
    pub(super) fn create<T>(
        len: usize,
        while_writable: impl FnOnce(&Sealed) -> io::Result<T>,
    ) -> io::Result<(Sealed, T)> {
        let size = u64::try_from(len).map_err(io::Error::other)?;
        let fd = rustix::fs::memfd_create("headrace-arena", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        rustix::fs::ftruncate(&fd, size)?;
        rustix::fs::fallocate(&fd, FallocateFlags::empty(), 0, size)?;
        let memory = Sealed { fd, len };
        let mapped = while_writable(&memory)?;
        rustix::fs::fcntl_add_seals(&memory.fd, SealFlags::FUTURE_WRITE)?;
        rustix::fs::fcntl_add_seals(&memory.fd, FIXED_SIZE)?;
        Ok((memory, mapped))
    }

    /// A peer's memory: refused unless its length is the announced one and can never change.
    pub fn accept(fd: OwnedFd, announced: u64) -> io::Result<Sealed> {
        let seals = rustix::fs::fcntl_get_seals(&fd)?;
        if !seals.contains(FIXED_SIZE) {
            return Err(io::Error::other(format!(
                "the peer's memory can be resized: its seals are {seals:?}"
            )));
        }
        let size = rustix::fs::fstat(&fd)?.st_size;
        let len = usize::try_from(announced).ok().filter(|len| *len > 0 && i64::try_from(*len) == Ok(size));
        let len = len.ok_or_else(|| {
            io::Error::other(format!("the peer announced {announced} bytes of memory and passed {size}"))
        })?;
        Ok(Sealed { fd, len })
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}

impl AsFd for Sealed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Sealed {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
