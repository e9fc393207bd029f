//! The first frame of each side: protocols are compared, memory is passed and mapped.

use super::{
    inbox::Inbox,
    leash::Borrower,
    outbox::Outbox,
    peer::Peer,
    socket::{self, Reader},
};
use crate::{
    mem::{arena::Arena, peer::PeerArena},
    wire::{
        frame::{Frame, Head, Kind, MAX_FRAME, Malformed},
        frame_decode::Decoder,
        frame_encode::{TooLong, encode},
        frame_meta::{self, OLDEST_PROTOCOL, PROTOCOL, proto},
    },
};
use bytes::BufMut;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use tokio::{io::Interest, net::UnixStream};

/// Both sides answer without waiting for anything; a process that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// A socket whose two ends understand each other.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
    pub(super) memory: Option<PeerArena>,
    pub(super) hello: proto::Hello,
    /// The peer, as far as it looks at our memory.
    pub(super) borrower: Borrower,
}

/// What a side passes with its HELLO if it sends from shared memory.
struct Passed<'a> {
    memory: BorrowedFd<'a>,
    leash: OwnedFd,
}

/// Descriptors of it.
const PASSED: usize = 2;

/// Says HELLO and hears the peer's. Both may talk first: a HELLO fits any socket buffer or is read meanwhile.
pub(super) async fn join(socket: UnixStream, arena: Option<&Arena>) -> io::Result<Joined> {
    let peer = Arc::new(Peer::of(&socket)?);
    let (borrower, passed) = match arena {
        None => (Borrower::of_nothing(Arc::clone(&peer)), None),
        Some(arena) => {
            let (borrower, leash) = Borrower::new(Arc::clone(&peer))?;
            (borrower, Some(Passed { memory: arena.as_fd(), leash }))
        }
    };
    let mut bytes = Vec::new();
    hello(&mut bytes, arena, Vec::new()).map_err(io::Error::other)?;
    let mut decoder = Decoder::new(MAX_FRAME);
    let talk = async {
        tokio::try_join!(say(&socket, &bytes, passed), hear(&socket, &mut decoder)).map(|((), heard)| heard)
    };
    let heard = tokio::time::timeout(PATIENCE, talk).await;
    let (frame, mut passed) = heard.map_err(|_| io::Error::other("no HELLO from the peer within 5 s"))??;
    let hello = agree(&frame).map_err(io::Error::other)?;
    let memory = match (passed.pop(), passed.pop(), hello.arena_bytes) {
        (Some(leash), Some(memory), announced) => Some(PeerArena::map(memory, announced, Some(leash))?),
        (None, _, 0) => None,
        (one, _, announced) => {
            let count = if one.is_some() { "one descriptor" } else { "none" };
            return Err(io::Error::other(format!(
                "the peer announced {announced} bytes of memory and passed {count} where two are due, the memory and \
                 its leash"
            )));
        }
    };
    let (reader, writer) = socket::split(socket.into_std()?.into())?;
    let inbox = Inbox::new(Reader::new(reader)?, peer, decoder);
    Ok(Joined { inbox, outbox: Outbox::new(writer), memory, hello, borrower })
}

/// Appends a HELLO. What an arena is passed as goes along with the first one only.
pub(super) fn hello(
    out: &mut Vec<u8>,
    arena: Option<&Arena>,
    carried: Vec<proto::Carried>,
) -> Result<(), TooLong> {
    let hello = proto::Hello {
        protocol: PROTOCOL,
        oldest_protocol: OLDEST_PROTOCOL,
        arena_bytes: arena.map_or(0, Arena::bytes),
        carried,
    };
    encode(out, &Head::new(Kind::Hello, 0), |out| frame_meta::append(out, &hello), &[])
}

fn agree(frame: &Frame) -> Result<proto::Hello, Malformed> {
    if frame.head.kind != Kind::Hello {
        return Err(Malformed::conduct(format!("{:?} came before HELLO", frame.head.kind)));
    }
    let hello: proto::Hello = frame_meta::decode(&frame.meta)?;
    if hello.protocol < OLDEST_PROTOCOL || hello.oldest_protocol > PROTOCOL {
        return Err(Malformed::conduct(format!(
            "the peer speaks link protocols {} to {}, this process {OLDEST_PROTOCOL} to {PROTOCOL}",
            hello.oldest_protocol, hello.protocol
        )));
    }
    Ok(hello)
}

async fn say(socket: &UnixStream, bytes: &[u8], mut passed: Option<Passed<'_>>) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let sent = socket.async_io(Interest::WRITABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PASSED))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            let descriptors = passed.as_ref().map(|passed| [passed.memory, passed.leash.as_fd()]);
            if let Some(descriptors) = &descriptors {
                control.push(SendAncillaryMessage::ScmRights(descriptors));
            }
            Ok(rustix::net::sendmsg(socket, &[IoSlice::new(rest)], &mut control, SendFlags::NOSIGNAL)?)
        });
        let sent = sent.await?;
        passed = None; // it went with the first byte, and only the peer is to hold the leash
        rest = rest.get(sent..).unwrap_or_default();
    }
    Ok(())
}

async fn hear(socket: &UnixStream, decoder: &mut Decoder) -> io::Result<(Frame, Vec<OwnedFd>)> {
    let mut passed = Vec::new();
    loop {
        if let Some(frame) = decoder.next_frame().map_err(io::Error::other)? {
            return Ok((frame, passed));
        }
        let (bytes, came) = socket.async_io(Interest::READABLE, || receive(socket)).await?;
        if bytes.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the peer hung up before its HELLO"));
        }
        decoder.room().put_slice(&bytes);
        passed.extend(came);
        if passed.len() > PASSED {
            return Err(io::Error::other("the peer passed more than two descriptors"));
        }
    }
}

/// Reads once, with the descriptors that came along.
pub(super) fn receive(socket: impl AsFd) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut bytes = vec![0; 16 << 10];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PASSED + 1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let got = rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags)?;
    bytes.truncate(got.bytes);
    let mut passed = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            passed.extend(descriptors);
        }
    }
    Ok((bytes, passed))
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod tests;
