//! The socket of a gateway for the calls of its node's hosts. Only processes of this user are served on it.

use rustix::net::sockopt::socket_peercred;
use std::io;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;

/// Listens at a path, or at a name of the kernel's that begins with `@` and needs no file.
///
/// A path is taken over from whoever listens there: what that one was sent it finishes, while new connections come here.
pub fn listen(at: &str) -> io::Result<UnixListener> {
    let listener = match at.strip_prefix('@') {
        Some(_) => UnixListener::bind_addr(&address(at)?)?,
        None => {
            // In one step: who connects meanwhile finds one of the two.
            let beside = format!("{at}.{}", std::process::id());
            let _ = std::fs::remove_file(&beside); // of a process that had our number; else there is none
            let listener = UnixListener::bind(&beside)?;
            std::fs::rename(&beside, Path::new(at))?;
            listener
        }
    };
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Neither end waits: where so many others do that there is no room, it is an error.
pub(super) fn connect(at: &str) -> io::Result<tokio::net::UnixStream> {
    let stream = UnixStream::connect_addr(&address(at)?)?;
    if !is_ours(&stream) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is another user's"));
    }
    stream.set_nonblocking(true)?;
    tokio::net::UnixStream::from_std(stream)
}

/// Whether the process at the other end runs as we do. A name of the kernel's is open to every user.
pub fn is_ours(stream: impl AsFd) -> bool {
    let ours = rustix::process::geteuid();
    socket_peercred(stream).is_ok_and(|peer| peer.uid == ours)
}

fn address(at: &str) -> io::Result<SocketAddr> {
    match at.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::testing::folder;

    #[tokio::test]
    async fn a_path_is_taken_over_without_a_moment_of_nobody() {
        let at = folder("calls").join("calls").display().to_string();
        let first = listen(&at).unwrap();
        let early = connect(&at).unwrap();
        let second = listen(&at).unwrap();
        let late = connect(&at).unwrap();
        assert!(first.accept().is_ok() && second.accept().is_ok());
        assert_eq!(first.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop((early, late));
    }

    #[tokio::test]
    async fn a_name_of_the_kernels_has_one_owner_and_no_file() {
        let at = format!("@headrace-test-{}", std::process::id());
        let first = listen(&at).unwrap();
        assert_eq!(listen(&at).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let client = connect(&at).unwrap();
        let (ours, _) = first.accept().unwrap();
        assert!(is_ours(&ours) && is_ours(&client));
        drop((first, ours));
        assert_eq!(connect(&at).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }
}
