//! A peer in a process of its own that keeps the protocol step by step, and stands still between two steps: there it
//! is killed or stopped. It says after each step that it is done, and begins the next when it is told to.

use super::{
    ARENA,
    frames::{Wire, answer_with, bare, credit, executed, hello, infer_with, pass, release},
};
use crate::link::handshake::receive;
use crate::mem::{arena::Arena, peer::PeerArena};
use crate::wire::{
    frame::{Frame, Kind, MAX_FRAME, Place, RELEASED},
    frame_decode::Decoder,
    frame_encode,
    frame_meta::{self, proto},
};
use bytes::{BufMut, Bytes};
use std::io::{BufRead, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// Of each tensor, and what fills those of a puppet's calls.
pub(in crate::link) const LEN: usize = 100_000;
pub(in crate::link) const FILL: u8 = 7;
/// What a puppet that is a host carries.
pub(in crate::link) const VERSION: u64 = 2;

pub(in crate::link) type Step = (&'static str, fn(&mut Puppet));

#[derive(Debug)]
pub(in crate::link) struct Puppet {
    path: std::path::PathBuf,
    socket: Option<UnixStream>,
    decoder: Decoder,
    arena: Arena,
    memory: Option<PeerArena>,
    /// The other end is with the peer.
    leash: Option<std::io::PipeReader>,
    /// The second half of a frame.
    rest: Wire,
    /// What it lent, and what it looks at.
    lent: Option<Bytes>,
    seen: Option<Bytes>,
}

/// As a gateway plays it.
pub(in crate::link) const GATEWAY: &[Step] = &[
    ("connects", |me| me.socket = Some(UnixStream::connect(&me.path).unwrap())),
    ("says half of its HELLO", |me| me.half_hello()),
    ("says the rest of its HELLO", Puppet::say_rest),
    ("hears a HELLO", Puppet::hear_hello),
    ("says half of an INFER", |me| {
        let place = me.lend();
        me.say_half(infer_with(1, &[1, 100_000], place));
    }),
    ("says the rest of the INFER", Puppet::say_rest),
    ("says CANCEL", |me| me.say(&bare(Kind::Cancel, 1, &[]))),
    ("hears the ANSWER", |me| {
        let answer = me.hear(Kind::Answer);
        me.look(&answer);
        if answer.head.flags & RELEASED == 0 {
            me.hear(Kind::Release);
        }
        me.take_back();
    }),
    ("says half of a RELEASE", |me| {
        me.seen = None;
        me.say_half(release(&[1]));
    }),
    ("says the rest of the RELEASE", Puppet::say_rest),
    ("says another INFER, and DRAIN", |me| {
        let inline = frame_encode::Bytes::Inline(&[FILL; 8]);
        me.say(&infer_with(2, &[1, 8], inline));
        me.say(&bare(Kind::Drain, 0, &[]));
    }),
    ("hears its ANSWER", |me| assert_eq!(me.hear(Kind::Answer).head.call, 2)),
    ("hangs up", |me| (me.socket, me.memory) = (None, None)),
];

/// Steps for which the host has to answer first.
pub(in crate::link) const HEARS_ANSWERS: [usize; 2] = [7, 11];
/// Steps that have been made while it should not close the socket.
pub(in crate::link) const GATEWAY_MUST_STAY: std::ops::RangeInclusive<usize> = 1..=10;
/// Steps that have been made while it looks at the host's memory.
pub(in crate::link) const GATEWAY_LOOKS: std::ops::RangeInclusive<usize> = 8..=9;

/// As a host plays it.
pub(in crate::link) const HOST: &[Step] = &[
    ("listens, and is dialled", |me| {
        let listener = UnixListener::bind(&me.path).unwrap();
        me.socket = Some(listener.accept().unwrap().0);
        std::fs::remove_file(&me.path).unwrap();
    }),
    ("says half of its HELLO", |me| me.half_hello()),
    ("says the rest of its HELLO", Puppet::say_rest),
    ("hears a HELLO", Puppet::hear_hello),
    ("says what it carries", |me| me.say(&hello(0, &[VERSION]))),
    ("hears an INFER", |me| {
        let infer = me.hear(Kind::Infer);
        me.look(&infer);
    }),
    ("says STATS and half of an ANSWER", |me| {
        me.say(&executed(VERSION, 1, 1));
        let place = me.lend();
        me.say_half(answer_with(1, &[1, 100_000], place));
    }),
    ("says the rest of the ANSWER", Puppet::say_rest),
    ("says half of a RELEASE", |me| {
        me.seen = None;
        me.say_half(release(&[1]));
    }),
    ("says the rest of the RELEASE", Puppet::say_rest),
    ("hears a RELEASE", |me| {
        me.hear(Kind::Release);
        me.take_back();
    }),
    ("says CREDIT and HELLO again", |me| {
        me.say(&credit("echo", VERSION, 9));
        me.say(&hello(0, &[VERSION]));
    }),
    ("says DRAIN", |me| me.say(&bare(Kind::Drain, 0, &[]))),
    ("hears DRAIN", |me| drop(me.hear(Kind::Drain))),
    ("hangs up", |me| (me.socket, me.memory) = (None, None)),
];

/// The step for which the gateway has to send a call first, and that for which it has to let go of the answer.
pub(in crate::link) const HEARS_CALL: usize = 5;
pub(in crate::link) const HEARS_RELEASE: usize = 10;
/// Steps that have been made while its answer has come and is looked at.
pub(in crate::link) const HOST_ANSWERED: std::ops::RangeInclusive<usize> = 8..=10;
/// Steps that have been made while it looks at the gateway's memory.
pub(in crate::link) const HOST_LOOKS: std::ops::RangeInclusive<usize> = 6..=9;

/// In the puppet's process: makes a step for each line that comes, to the end.
pub(in crate::link) fn play(path: &Path, steps: &[Step]) {
    let mut puppet = Puppet {
        path: path.to_owned(),
        socket: None,
        decoder: Decoder::new(MAX_FRAME),
        arena: Arena::new(ARENA).unwrap(),
        memory: None,
        leash: None,
        rest: vec![],
        lent: None,
        seen: None,
    };
    let said = |steps: usize| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "step {steps}.").and_then(|()| out.flush()).unwrap();
    };
    said(0);
    let mut told = std::io::stdin().lock().lines();
    for (at, (_, step)) in steps.iter().enumerate() {
        if told.next().is_none() {
            return;
        }
        step(&mut puppet);
        said(at + 1);
    }
    told.next();
}

impl Puppet {
    fn say(&mut self, bytes: &[u8]) {
        self.socket.as_mut().unwrap().write_all(bytes).unwrap();
    }

    fn say_half(&mut self, mut frame: Wire) {
        self.rest = frame.split_off(frame.len() / 2);
        self.say(&frame);
    }

    fn say_rest(&mut self) {
        let rest = std::mem::take(&mut self.rest);
        self.say(&rest);
    }

    fn half_hello(&mut self) {
        let mut frame = hello(self.arena.bytes(), &[]);
        self.rest = frame.split_off(frame.len() / 2);
        let (reader, leash) = std::io::pipe().unwrap();
        self.leash = Some(reader);
        pass(self.socket.as_ref().unwrap(), &frame, &[self.arena.as_fd(), leash.as_fd()]);
    }

    fn hear_hello(&mut self) {
        let (bytes, mut passed) = receive(self.socket.as_ref().unwrap()).unwrap();
        self.decoder.room().put_slice(&bytes);
        let hello: proto::Hello = frame_meta::decode(&self.hear(Kind::Hello).meta).unwrap();
        self.memory = Some(PeerArena::map(passed.remove(0), hello.arena_bytes, passed.pop()).unwrap());
    }

    /// The next frame of this kind; a host's repeated HELLO and its STATS may come before.
    fn hear(&mut self, kind: Kind) -> Frame {
        loop {
            match self.decoder.next_frame().unwrap() {
                Some(frame) if frame.head.kind == kind => return frame,
                Some(frame) => assert!(matches!(frame.head.kind, Kind::Hello | Kind::Stats), "{frame:?}"),
                None => {
                    let mut bytes = vec![0; 16 << 10];
                    let len = self.socket.as_mut().unwrap().read(&mut bytes).unwrap();
                    assert!(len > 0, "the other side hung up before {kind:?}");
                    self.decoder.room().put_slice(&bytes[..len]);
                }
            }
        }
    }

    /// Writes a tensor into its own memory.
    fn lend(&mut self) -> frame_encode::Bytes<'static> {
        let lent = self.arena.copy(&[FILL; LEN]).unwrap();
        let at = self.arena.locate(&lent).unwrap();
        self.lent = Some(lent);
        frame_encode::Bytes::Arena { offset: at.offset, len: at.len }
    }

    fn take_back(&mut self) {
        self.lent = None;
        assert_eq!(self.arena.free_bytes(), ARENA);
    }

    /// Maps what it was lent.
    fn look(&mut self, frame: &Frame) {
        let Place::Arena { offset, len } = frame.tensors[0].place else { panic!("{frame:?} is not lent") };
        let seen = self.memory.as_ref().unwrap().view(offset, len, ()).unwrap();
        assert!(seen.len() == LEN && seen.iter().all(|byte| *byte == FILL));
        self.seen = Some(seen);
    }
}
