//! The two directions of a link's socket, each waited for by itself.
//!
//! A peer that reads makes room, and the system says so to whoever waits for room. Tokio's own stream always does:
//! an idle link's thread would be woken for each frame that its peer takes, just when that thread's core is wanted
//! for the answer (two such wake-ups a request, 15 µs each on two cores). So only what comes is waited for, and
//! room only while there is none.

use rustix::{io::Errno, net::SendFlags, net::Shutdown};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use tokio::{io::Interest, io::unix::AsyncFd, net::UnixStream, net::unix::pipe};

/// Reads as from a pipe, which is the one stream of tokio's that is told of nothing else. `read` is all that it
/// does to its descriptor, and a socket is read like a pipe.
pub(super) type Reader = pipe::Receiver;

/// Sends from any thread; waits on the link's.
#[derive(Debug)]
pub(super) struct Writer {
    socket: OwnedFd,
}

/// Must be called in the runtime that the link's task runs on.
pub(super) fn split(socket: UnixStream) -> io::Result<(Reader, Writer)> {
    let reader = OwnedFd::from(socket.into_std()?);
    // Of its own number, for a reactor knows descriptors by number.
    let socket = reader.try_clone()?;
    Ok((Reader::from_owned_fd_unchecked(reader)?, Writer { socket }))
}

impl Writer {
    /// Never waits: `WouldBlock` when there is no room.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match rustix::net::send(&self.socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Err(Errno::INTR) => {}
                other => return Ok(other?),
            }
        }
    }

    /// Waits for room first, if there is none. Dropping the future sends nothing.
    pub(super) async fn send_when_ready(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.send(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return other,
        }
        let room = watch(self.socket.as_fd())?;
        loop {
            let mut ready = room.writable().await?;
            match self.send(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                other => return other,
            }
        }
    }

    /// The peer reads the end; we still read. Of no consequence if it is gone.
    pub(super) fn hang_up(&self) {
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Write);
    }
}

#[expect(deprecated, reason = "its flaw are types whose descriptor may change; a BorrowedFd keeps its own")]
fn watch(socket: BorrowedFd<'_>) -> io::Result<AsyncFd<BorrowedFd<'_>>> {
    AsyncFd::with_interest(socket, Interest::WRITABLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Room that comes while nobody wants it wakes nobody: what is read next is data.
    #[tokio::test]
    async fn a_full_socket_is_waited_for_and_both_directions_work_meanwhile() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (mut reader, writer) = split(ours).unwrap();
        let block = vec![7; 64 << 10];
        let mut sent = 0;
        while let Ok(bytes) = writer.send(&block) {
            sent += bytes;
        }
        let stuck = tokio::time::timeout(Duration::from_millis(20), writer.send_when_ready(&block));
        assert!(stuck.await.is_err(), "there is no room");
        theirs.write_all(b"hear me").await.unwrap();
        let mut heard = [0; 7];
        reader.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hear me");
        let more = async { writer.send_when_ready(&block).await.unwrap() };
        let mut taken = vec![0; sent];
        let (more, _) = tokio::join!(more, theirs.read_exact(&mut taken));
        assert!(more > 0 && taken.iter().all(|byte| *byte == 7));
        writer.hang_up();
        let mut rest = Vec::new();
        theirs.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest.len(), more);
    }
}
