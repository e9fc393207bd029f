//! The far end of a link as a test plays it by hand: frames into a real socket, and out of it, without waiting.

use crate::wire::{
    frame::{Frame, MAX_FRAME},
    frame_decode::Decoder,
};
use bytes::BufMut;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

#[derive(Debug)]
pub(in crate::link) struct FarEnd {
    socket: UnixStream,
    decoder: Decoder,
}

impl FarEnd {
    /// And the socket of the end that is tested.
    pub(in crate::link) fn pair() -> (FarEnd, OwnedFd) {
        let (socket, theirs) = UnixStream::pair().unwrap();
        socket.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        (FarEnd { socket, decoder: Decoder::new(MAX_FRAME) }, theirs.into())
    }

    pub(in crate::link) fn say(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    /// All that has come.
    pub(in crate::link) fn hear(&mut self) -> Vec<Frame> {
        let mut bytes = vec![0; 64 << 10];
        match self.socket.read(&mut bytes) {
            Ok(len) => self.decoder.room().put_slice(&bytes[..len]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        std::iter::from_fn(|| self.decoder.next_frame().unwrap()).collect()
    }
}
