//! The two directions of a link's socket, each waited for by itself.
//!
//! A peer that reads makes room, and the system says so to whoever waits for room. Tokio's own stream always does:
//! an idle link's thread would be woken for each frame that its peer takes, just when that thread's core is wanted
//! for the answer (two such wake-ups a request, 15 µs each on two cores). So only what comes is waited for, and
//! room only while there is none.
#![expect(unsafe_code, reason = "a read fills memory that was not initialised; its block says how much")]

use super::outbox::Transport;
use bytes::BytesMut;
use rustix::{io::Errno, net::SendFlags, net::Shutdown};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use tokio::{io::Interest, io::unix::AsyncFd};

/// The same socket twice: to read from, and to send with. They have numbers of their own, for reactors know
/// descriptors by number.
pub(super) fn split(reader: OwnedFd) -> io::Result<(OwnedFd, Writer)> {
    let socket = reader.try_clone()?;
    Ok((reader, Writer { socket }))
}

/// Reads once into what is free of `room`, without waiting: `WouldBlock` when there is nothing, 0 at the end.
pub(super) fn read(socket: BorrowedFd<'_>, room: &mut BytesMut) -> io::Result<usize> {
    loop {
        match rustix::io::read(socket, room.spare_capacity_mut()).map(|(filled, _)| filled.len()) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(bytes) => {
                let len = room.len() + bytes;
                // SAFETY: the read initialised the first `bytes` bytes after what was filled before.
                unsafe { room.set_len(len) };
                return Ok(bytes);
            }
        }
    }
}

/// Reads when there is something; for one task.
#[derive(Debug)]
pub(super) struct Reader {
    socket: AsyncFd<OwnedFd>,
}

impl Reader {
    /// Must be called in the runtime that the task runs on.
    pub(super) fn new(socket: OwnedFd) -> io::Result<Reader> {
        Ok(Reader { socket: readable(socket)? })
    }

    /// Its descriptor, which nothing waits for any more.
    pub(super) fn into_inner(self) -> OwnedFd {
        self.socket.into_inner()
    }

    /// Reads once. A read that did not fill its room has emptied the socket, which saves asking again. Dropping the
    /// future loses nothing.
    pub(super) async fn read(&self, room: &mut BytesMut) -> io::Result<usize> {
        loop {
            let mut ready = self.socket.readable().await?;
            let free = room.capacity() - room.len();
            match self.try_read(room) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Ok(bytes) if bytes > 0 && bytes < free => {
                    ready.clear_ready();
                    return Ok(bytes);
                }
                other => return other,
            }
        }
    }

    pub(super) fn try_read(&self, room: &mut BytesMut) -> io::Result<usize> {
        read(self.socket.as_fd(), room)
    }
}

/// Sends from any thread; waits on the link's.
#[derive(Debug)]
pub(super) struct Writer {
    socket: OwnedFd,
}

impl Transport for Writer {
    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match rustix::net::send(&self.socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Err(Errno::INTR) => {}
                other => return Ok(other?),
            }
        }
    }

    async fn send_when_ready(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.send(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return other,
        }
        let room = writable(self.socket.as_fd())?;
        loop {
            let mut ready = room.writable().await?;
            match self.send(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                other => return other,
            }
        }
    }
}

impl Writer {
    /// The peer reads the end; we still read. Of no consequence if it is gone.
    pub(super) fn hang_up(&self) {
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Write);
    }
}

/// Tells when there is something to read from `descriptor`.
#[expect(deprecated, reason = "its flaw are types whose descriptor may change; an OwnedFd keeps its own")]
pub(super) fn readable(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}

#[expect(deprecated, reason = "its flaw are types whose descriptor may change; a BorrowedFd keeps its own")]
fn writable(socket: BorrowedFd<'_>) -> io::Result<AsyncFd<BorrowedFd<'_>>> {
    AsyncFd::with_interest(socket, Interest::WRITABLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    /// Room that comes while nobody wants it wakes nobody: what is read next is data.
    #[tokio::test]
    async fn a_full_socket_is_waited_for_and_both_directions_work_meanwhile() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (reader, writer) = split(ours.into_std().unwrap().into()).unwrap();
        let reader = Reader::new(reader).unwrap();
        let block = vec![7; 64 << 10];
        let mut sent = 0;
        while let Ok(bytes) = writer.send(&block) {
            sent += bytes;
        }
        let stuck = tokio::time::timeout(Duration::from_millis(20), writer.send_when_ready(&block));
        assert!(stuck.await.is_err(), "there is no room");
        theirs.write_all(b"hear me").await.unwrap();
        let mut heard = BytesMut::with_capacity(4);
        assert_eq!(reader.read(&mut heard).await.unwrap(), 4);
        heard.reserve(64);
        assert_eq!(reader.read(&mut heard).await.unwrap(), 3);
        assert_eq!(&heard[..], b"hear me");
        assert_eq!(reader.try_read(&mut heard).unwrap_err().kind(), io::ErrorKind::WouldBlock);
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
