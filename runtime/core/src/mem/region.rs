//! A part of POSIX shared memory that a client made: read and written by system calls, and never mapped.
//!
//! A client may shrink its memory at any moment, and who has mapped it is killed at the next look (SIGBUS). Reads and
//! writes copy as fast and end short; and what was copied, the client cannot change after it was checked.

use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Where the system keeps it.
const HOME: &str = "/dev/shm";
/// Of a file's name.
const KEY_BYTES: usize = 255;

#[derive(Debug)]
pub struct Region {
    file: File,
    offset: u64,
    len: u64,
}

/// Why a region cannot be had.
#[derive(Debug)]
pub enum Unfit {
    /// No name that shared memory can have.
    Key,
    Closed(io::Error),
    /// It is something else: a socket, a pipe, a folder.
    Kind,
    /// The memory has so many bytes.
    Short(u64),
}

impl Region {
    /// `key` as in `shm_open`, with or without the slash in front. `len` bytes from `offset` on.
    pub fn open(key: &str, offset: u64, len: u64) -> Result<Region, Unfit> {
        let name = key.strip_prefix('/').unwrap_or(key);
        let is_name = (1..=KEY_BYTES).contains(&name.len()) && !name.contains(['/', '\0']);
        if !is_name || name == "." || name == ".." {
            return Err(Unfit::Key);
        }
        // A pipe would be waited for, and a link could lead anywhere.
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = open(Path::new(HOME).join(name), flags, Mode::empty())
            .map_err(|error| Unfit::Closed(error.into()))?;
        let found = fstat(&file).map_err(|error| Unfit::Closed(error.into()))?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return Err(Unfit::Kind);
        }
        let size = u64::try_from(found.st_size).unwrap_or(0);
        if offset.checked_add(len).is_none_or(|end| end > size) {
            return Err(Unfit::Short(size));
        }
        Ok(Region { file: file.into(), offset, len })
    }

    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.len
    }

    /// Whether `len` bytes from `at` on lie in it.
    pub fn has(&self, at: u64, len: u64) -> bool {
        at.checked_add(len).is_some_and(|end| end <= self.len)
    }

    /// Copies from `at` on, counted from the region's beginning. An error if its owner shrank it.
    pub fn read(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(into, self.offset + at)
    }

    pub fn write(&self, at: u64, from: &[u8]) -> io::Result<()> {
        self.file.write_all_at(from, self.offset + at)
    }
}

#[cfg(test)]
pub mod testing {
    //! Shared memory as a client makes it.

    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    /// Gone when dropped.
    #[derive(Debug)]
    pub struct Memory {
        pub key: String,
    }

    impl Memory {
        pub fn of(bytes: &[u8]) -> Memory {
            static LAST: AtomicU32 = AtomicU32::new(0);
            let key = format!("/headrace-test-{}-{}", std::process::id(), LAST.fetch_add(1, Relaxed));
            let memory = Memory { key };
            std::fs::write(memory.path(), bytes).unwrap();
            memory
        }

        pub fn path(&self) -> PathBuf {
            PathBuf::from(format!("{}{}", super::HOME, self.key))
        }

        pub fn bytes(&self) -> Vec<u8> {
            std::fs::read(self.path()).unwrap()
        }
    }

    impl Drop for Memory {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(self.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Memory;
    use super::*;

    #[test]
    fn a_region_is_a_part_of_its_clients_memory() {
        let memory = Memory::of(b"0123456789");
        let region = Region::open(&memory.key, 2, 6).unwrap();
        let mut read = [0; 3];
        region.read(1, &mut read).unwrap();
        assert_eq!(&read, b"345");
        region.write(4, b"xy").unwrap();
        assert_eq!(memory.bytes(), b"012345xy89");
        let table = [(0, 6, true), (6, 0, true), (1, 6, false), (7, 0, false), (u64::MAX, 2, false)];
        for (at, len, want) in table {
            assert_eq!(region.has(at, len), want, "{at} {len}");
        }
        assert!(Region::open(&memory.key[1..], 10, 0).is_ok(), "with and without the slash");
    }

    #[test]
    fn who_shrinks_it_is_told_and_harms_nobody() {
        let memory = Memory::of(&[7; 8192]);
        let region = Region::open(&memory.key, 0, 8192).unwrap();
        std::fs::OpenOptions::new().write(true).open(memory.path()).unwrap().set_len(10).unwrap();
        let mut read = [0; 100];
        assert_eq!(region.read(0, &mut read).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(region.read(8000, &mut read).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        region.write(100, b"beyond").unwrap();
        assert_eq!(memory.bytes().len(), 106, "no further than what was registered");
    }

    #[test]
    fn what_is_no_shared_memory_is_refused() {
        let memory = Memory::of(b"0123456789");
        for (offset, len) in [(0, 11), (11, 0), (5, 6), (u64::MAX, 2), (2, u64::MAX)] {
            let unfit = Region::open(&memory.key, offset, len).unwrap_err();
            assert!(matches!(unfit, Unfit::Short(10)), "{offset} {len}: {unfit:?}");
        }
        let long = "x".repeat(KEY_BYTES + 1);
        for key in ["", "/", "//x", "/a/b", ".", "/..", "../etc/passwd", "x\0y", &long] {
            assert!(matches!(Region::open(key, 0, 0), Err(Unfit::Key)), "{key:?}");
        }
        let absent = format!("{}-absent", memory.key);
        assert!(matches!(Region::open(&absent, 0, 0), Err(Unfit::Closed(_))));
        let (link, pipe) =
            (Memory { key: format!("{}-link", memory.key) }, Memory { key: format!("{}-pipe", memory.key) });
        std::os::unix::fs::symlink("/etc/passwd", link.path()).unwrap();
        assert!(matches!(Region::open(&link.key, 0, 0), Err(Unfit::Closed(_))));
        rustix::fs::mknodat(rustix::fs::CWD, pipe.path(), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .unwrap();
        assert!(
            matches!(Region::open(&pipe.key, 0, 0), Err(Unfit::Kind)),
            "and nobody waits for its other end"
        );
    }
}
