//! The first frame of each side: protocols are compared, memory is passed and mapped.

use super::{
    inbox::Inbox,
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
use std::os::fd::{AsFd, OwnedFd};
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
}

/// Says HELLO and hears the peer's. Both may talk first: a HELLO fits any socket buffer or is read meanwhile.
pub(super) async fn join(socket: UnixStream, arena: Option<&Arena>) -> io::Result<Joined> {
    let peer = Peer::of(&socket)?;
    let mut bytes = Vec::new();
    hello(&mut bytes, arena, Vec::new()).map_err(io::Error::other)?;
    let mut decoder = Decoder::new(MAX_FRAME);
    let talk = async {
        tokio::try_join!(say(&socket, &bytes, arena), hear(&socket, &mut decoder)).map(|((), heard)| heard)
    };
    let heard = tokio::time::timeout(PATIENCE, talk).await;
    let (frame, memory) = heard.map_err(|_| io::Error::other("no HELLO from the peer within 5 s"))??;
    let hello = agree(&frame).map_err(io::Error::other)?;
    let memory = match (memory, hello.arena_bytes) {
        (Some(memory), announced) => Some(PeerArena::map(memory, announced)?),
        (None, 0) => None,
        (None, announced) => {
            return Err(io::Error::other(format!(
                "the peer announced {announced} bytes of memory and passed none"
            )));
        }
    };
    let (reader, writer) = socket::split(socket.into_std()?.into())?;
    let inbox = Inbox::new(Reader::new(reader)?, peer, decoder);
    Ok(Joined { inbox, outbox: Outbox::new(writer), memory, hello })
}

/// Appends a HELLO. The arena's descriptor goes along with the first one only.
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

async fn say(socket: &UnixStream, bytes: &[u8], arena: Option<&Arena>) -> io::Result<()> {
    let mut rest = bytes;
    let mut memory = arena.map(Arena::as_fd);
    while !rest.is_empty() {
        let sent = socket.async_io(Interest::WRITABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if let Some(memory) = &memory {
                control.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(memory)));
            }
            Ok(rustix::net::sendmsg(socket, &[IoSlice::new(rest)], &mut control, SendFlags::NOSIGNAL)?)
        });
        let sent = sent.await?;
        memory = None; // it went with the first byte
        rest = rest.get(sent..).unwrap_or_default();
    }
    Ok(())
}

async fn hear(socket: &UnixStream, decoder: &mut Decoder) -> io::Result<(Frame, Option<OwnedFd>)> {
    let mut memory = None;
    loop {
        if let Some(frame) = decoder.next_frame().map_err(io::Error::other)? {
            return Ok((frame, memory));
        }
        let (bytes, passed) = socket.async_io(Interest::READABLE, || receive(socket)).await?;
        if bytes.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the peer hung up before its HELLO"));
        }
        decoder.room().put_slice(&bytes);
        for descriptor in passed {
            if memory.replace(descriptor).is_some() {
                return Err(io::Error::other("the peer passed more than one descriptor"));
            }
        }
    }
}

/// Reads once, with the descriptors that came along.
pub(super) fn receive(socket: impl AsFd) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut bytes = vec![0; 16 << 10];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
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
