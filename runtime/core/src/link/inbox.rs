//! What a link has heard: frames, until the stream or the peer's process ends.

use super::{peer::Peer, socket::Reader};
use crate::wire::{
    frame::{Frame, Malformed},
    frame_decode::Decoder,
};
use std::io;
use tokio::io::AsyncReadExt;

#[derive(Debug)]
pub(super) struct Inbox {
    socket: Reader,
    peer: Peer,
    decoder: Decoder,
}

impl Inbox {
    /// `decoder` may hold bytes that came with the HELLO.
    pub(super) fn new(socket: Reader, peer: Peer, decoder: Decoder) -> Inbox {
        Inbox { socket, peer, decoder }
    }

    pub(super) fn pid(&self) -> i32 {
        self.peer.pid()
    }

    pub(super) fn next_frame(&mut self) -> Result<Option<Frame>, Malformed> {
        self.decoder.next_frame()
    }

    /// Reads once; false at the end of the stream, or when the peer has died and all that it sent is read. Dropping
    /// the future loses nothing. A read that did not fill its room is known to be the last for now, which saves
    /// asking again: so it must be tokio's own.
    pub(super) async fn more(&mut self) -> io::Result<bool> {
        tokio::select! {
            read = self.socket.read_buf(self.decoder.room()) => return read.map(|bytes| bytes > 0),
            () = self.peer.dead() => {}
        }
        match self.socket.try_read_buf(self.decoder.room()) {
            Ok(bytes) => Ok(bytes > 0),
            // A child of it may still hold the socket open.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads and throws away, to the end.
    pub(super) async fn drain(&mut self) {
        while let Ok(true) = self.more().await {
            self.decoder.room().clear();
        }
    }
}
