//! The way of a link's bytes: between two real sockets, at a pace and to a point that the dice say.
//!
//! What crosses it is what the kernel would carry: bytes in order, and descriptors with the first of them.

use crate::wire::frame::HEAD;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// Bytes that are on their way; beyond it the sender's socket fills up.
const ON_THE_WAY: usize = 64 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Gateway,
    Host,
}

#[derive(Debug)]
pub(super) struct Wire {
    /// Which gateway dialled which host.
    pub(super) gateway: u64,
    pub(super) host: u64,
    /// Bytes that it moves at a time, each way; 0 is a partition.
    pub(super) pace: usize,
    to_host: Pipe,
    to_gateway: Pipe,
}

#[derive(Debug)]
struct Pipe {
    /// `None`: nothing comes any more.
    from: Option<Arc<UnixStream>>,
    /// `None`: nobody is there to be told.
    to: Option<Arc<UnixStream>>,
    bytes: VecDeque<u8>,
    passed: Vec<OwnedFd>,
    frames: Frames,
    /// At the end of the present frame, nonsense follows.
    garbled: bool,
}

/// Where a stream's frames end: what it is after the last byte that was seen.
#[derive(Debug, Default)]
enum Frames {
    #[default]
    Between,
    Head(Vec<u8>),
    Within(usize),
    /// Nonsense was put in: what comes from now on is thrown away.
    Lost,
}

impl Wire {
    pub(super) fn new(gateway: u64, host: u64, near: UnixStream, far: UnixStream) -> Wire {
        near.set_nonblocking(true).unwrap();
        far.set_nonblocking(true).unwrap();
        let (near, far) = (Arc::new(near), Arc::new(far));
        Wire {
            gateway,
            host,
            pace: usize::MAX,
            to_host: Pipe::new(Arc::clone(&near), Arc::clone(&far)),
            to_gateway: Pipe::new(far, near),
        }
    }

    /// Moves up to so many bytes each way.
    pub(super) fn pump(&mut self, to_host: usize, to_gateway: usize) {
        self.to_host.pump(to_host.min(self.pace));
        self.to_gateway.pump(to_gateway.min(self.pace));
    }

    /// The process at this side is gone, as by SIGKILL: what it had written still arrives.
    pub(super) fn died(&mut self, side: Side) {
        let (mut last_words, mut unheard) = (&mut self.to_gateway, &mut self.to_host);
        if side == Side::Gateway {
            std::mem::swap(&mut last_words, &mut unheard);
        }
        last_words.take_in(usize::MAX);
        last_words.from = None;
        unheard.to = None;
    }

    /// After the frame that is on its way to this side comes nonsense, and then nothing.
    pub(super) fn garble(&mut self, to: Side) {
        match to {
            Side::Host => self.to_host.garbled = true,
            Side::Gateway => self.to_gateway.garbled = true,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        let over = |pipe: &Pipe| pipe.to.is_none() || (pipe.from.is_none() && pipe.bytes.is_empty());
        over(&self.to_host) && over(&self.to_gateway)
    }
}

impl Pipe {
    fn new(from: Arc<UnixStream>, to: Arc<UnixStream>) -> Pipe {
        Pipe {
            from: Some(from),
            to: Some(to),
            bytes: VecDeque::new(),
            passed: Vec::new(),
            frames: Frames::Between,
            garbled: false,
        }
    }

    fn pump(&mut self, most: usize) {
        self.take_in(most.min(ON_THE_WAY.saturating_sub(self.bytes.len())));
        self.hand_on(most);
    }

    fn take_in(&mut self, mut most: usize) {
        while let Some(from) = self.from.as_ref().filter(|_| most > 0) {
            let mut room = vec![0; most.min(32 << 10)];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut parts = [IoSliceMut::new(&mut room)];
            match rustix::net::recvmsg(from, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::AGAIN) => return,
                Ok(got) if got.bytes > 0 => {
                    for message in control.drain() {
                        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                            self.passed.extend(descriptors);
                        }
                    }
                    self.follow(&room[..got.bytes]);
                    most -= got.bytes;
                }
                Ok(_) | Err(_) => self.from = None,
            }
        }
    }

    /// Bytes of the stream that arrive as they were sent, and nonsense once that is due.
    fn follow(&mut self, mut came: &[u8]) {
        while !came.is_empty() {
            if matches!(self.frames, Frames::Between) && self.garbled {
                self.bytes.extend([0xff; HEAD]);
                self.frames = Frames::Lost;
            }
            let part = match &mut self.frames {
                Frames::Lost => return,
                Frames::Between => {
                    self.frames = Frames::Head(Vec::new());
                    0
                }
                Frames::Head(head) => {
                    let part = (HEAD - head.len()).min(came.len());
                    head.extend(&came[..part]);
                    if let Some((len, _)) = head.split_first_chunk::<4>().filter(|_| head.len() == HEAD) {
                        self.frames = Frames::Within(usize::try_from(u32::from_le_bytes(*len)).unwrap());
                    }
                    part
                }
                Frames::Within(left) => {
                    let part = came.len().min(*left);
                    *left -= part;
                    part
                }
            };
            if matches!(self.frames, Frames::Within(0)) {
                self.frames = Frames::Between;
            }
            self.bytes.extend(&came[..part]);
            came = &came[part..];
        }
    }

    fn hand_on(&mut self, mut most: usize) {
        while let Some(to) = self.to.as_ref().filter(|_| most > 0 && !self.bytes.is_empty()) {
            let (front, _) = self.bytes.as_slices();
            let part = front.get(..most.min(front.len())).unwrap_or_default();
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            let passed: Vec<_> = self.passed.iter().map(AsFd::as_fd).collect();
            if !passed.is_empty() {
                control.push(SendAncillaryMessage::ScmRights(&passed));
            }
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match rustix::net::sendmsg(to, &[IoSlice::new(part)], &mut control, flags) {
                Err(rustix::io::Errno::AGAIN) => return,
                Ok(sent) => {
                    self.passed.clear(); // they went with the first byte
                    self.bytes.drain(..sent);
                    most -= sent;
                }
                Err(_) => {
                    // Nobody reads any more, which the sender learns from its own socket.
                    self.to = None;
                    if let Some(from) = self.from.take() {
                        let _ = from.shutdown(Shutdown::Read);
                    }
                }
            }
        }
        let last = self.from.is_none() && self.bytes.is_empty();
        if let Some(to) = self.to.take_if(|_| last) {
            let _ = to.shutdown(Shutdown::Write); // gone already is as good
        }
    }
}
