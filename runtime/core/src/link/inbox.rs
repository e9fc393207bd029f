//! What a link has heard: frames, until the stream or the peer's process ends.

use super::{peer::Peer, socket::Reader};
use crate::wire::{
    frame::{Frame, Malformed},
    frame_decode::Decoder,
};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Inbox {
    socket: Reader,
    peer: Arc<Peer>,
    decoder: Decoder,
}

impl Inbox {
    /// `decoder` may hold bytes that came with the HELLO.
    pub(super) fn new(socket: Reader, peer: Arc<Peer>, decoder: Decoder) -> Inbox {
        Inbox { socket, peer, decoder }
    }

    pub(super) fn pid(&self) -> i32 {
        self.peer.pid()
    }

    /// Ends the peer's process; false if that cannot be done.
    pub(super) fn end_peer(&self) -> bool {
        self.peer.end()
    }

    pub(super) fn next_frame(&mut self) -> Result<Option<Frame>, Malformed> {
        self.decoder.next_frame()
    }

    /// What it is made of; nothing waits for the socket any more.
    pub(super) fn into_parts(self) -> (OwnedFd, Arc<Peer>, Decoder) {
        (self.socket.into_inner(), self.peer, self.decoder)
    }

    /// Reads what is there, without waiting; an error if nothing is.
    pub(super) fn more_now(&mut self) -> io::Result<bool> {
        Ok(self.socket.try_read(self.decoder.room())? > 0)
    }

    /// Reads once; false at the end of the stream, or when the peer has died and all that it sent is read. Dropping
    /// the future loses nothing.
    pub(super) async fn more(&mut self) -> io::Result<bool> {
        tokio::select! {
            biased;
            read = self.socket.read(self.decoder.room()) => return read.map(|bytes| bytes > 0),
            () = self.peer.dead() => {}
        }
        match self.socket.try_read(self.decoder.room()) {
            Ok(bytes) => Ok(bytes > 0),
            // A child of it may still hold the socket open.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}
