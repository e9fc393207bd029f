//! The socket that gateways connect to: in a folder of ours alone, and ours alone.

use rustix::fs::FlockOperation;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;

#[derive(Debug)]
pub(super) struct Door {
    listener: UnixListener,
    path: PathBuf,
    /// Held for as long as we listen. The file stays: removing it would race with the next owner.
    _lock: File,
}

impl Door {
    /// Takes the path over from a process that is gone; refuses it while that process lives.
    pub(super) fn open(path: &Path) -> io::Result<Door> {
        let folder = path.parent().ok_or_else(|| named(path, "a socket needs a folder"))?;
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let about = fs::metadata(folder)?;
        if about.mode() & 0o077 != 0 || about.uid() != rustix::process::geteuid().as_raw() {
            return Err(named(folder, "others may enter this folder: make it yours with mode 700"));
        }
        let lock =
            File::options().create(true).truncate(false).write(true).open(path.with_extension("lock"))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            io::Error::new(io::ErrorKind::AddrInUse, format!("another host listens at {}", path.display()))
        })?;
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(path).map_err(|error| named(path, &error.to_string()))?;
        Ok(Door { listener, path: path.to_owned(), _lock: lock })
    }

    pub(super) fn listener(&self) -> &UnixListener {
        &self.listener
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path); // gone already: then nothing is stale either
    }
}

fn named(path: &Path, what: &str) -> io::Error {
    io::Error::other(format!("{}: {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::testing::folder;
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn a_path_has_one_owner_at_a_time() {
        let folder = folder("door");
        let path = folder.join("host.sock");
        let door = Door::open(&path).unwrap();
        let taken = Door::open(&path).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        drop(door);
        assert!(!path.exists());
        fs::write(&path, "stale").unwrap();
        assert!(Door::open(&path).is_ok(), "what a dead host left behind is in nobody's way");
    }

    #[tokio::test]
    async fn a_folder_that_others_may_enter_is_refused() {
        let folder = folder("open");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let error = Door::open(&folder.join("host.sock")).unwrap_err();
        assert!(error.to_string().contains("700"), "{error}");
    }
}
