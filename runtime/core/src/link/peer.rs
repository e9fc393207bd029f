//! Who is at the other end of a socket, and whether it still lives.

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal};
use std::io;
use std::os::fd::OwnedFd;
use tokio::{io::Interest, io::unix::AsyncFd, net::UnixStream};

/// A process that may share memory with us: it has our user id.
#[derive(Debug)]
pub(super) struct Peer {
    pid: Option<i32>,
    /// `None` across process-id namespaces and on systems without pidfds (sandboxes, valgrind), where the end of the
    /// stream is the only sign.
    life: Option<AsyncFd<OwnedFd>>,
}

impl Peer {
    pub(super) fn of(socket: &UnixStream) -> io::Result<Peer> {
        let credentials = socket.peer_cred()?;
        let ours = rustix::process::geteuid().as_raw();
        if credentials.uid() != ours {
            let text = format!("the peer runs as user {}, we as {ours}", credentials.uid());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        let pid = credentials.pid().filter(|pid| *pid > 0);
        let life = pid.and_then(Pid::from_raw).map(watch).transpose()?.flatten();
        Ok(Peer { pid, life })
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid.unwrap_or_default()
    }

    /// Ends the process, for one that stands still and answers nobody; not ourselves. False: it cannot be.
    pub(super) fn end(&self) -> bool {
        let ourselves = self.pid == i32::try_from(std::process::id()).ok();
        let life = self.life.as_ref().filter(|_| !ourselves);
        life.is_some_and(|life| rustix::process::pidfd_send_signal(life.get_ref(), Signal::KILL).is_ok())
    }

    /// Resolves when the process has ended. The socket may stay open beyond that: a child that was forked without
    /// exec holds a copy of it.
    pub(super) async fn dead(&self) {
        match &self.life {
            Some(life) if life.readable().await.is_ok() => {}
            Some(_) | None => std::future::pending().await,
        }
    }
}

#[expect(deprecated, reason = "its flaw are types whose descriptor may change; an OwnedFd keeps its own")]
fn watch(pid: Pid) -> io::Result<Option<AsyncFd<OwnedFd>>> {
    match rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK) {
        Err(Errno::NOSYS) => Ok(None),
        Err(error) => Err(error.into()),
        Ok(life) => AsyncFd::with_interest(life, Interest::READABLE).map(Some),
    }
}
