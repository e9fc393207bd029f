//! Frames of the link between gateway and host, without a socket: what a frame is, and when it is none.
//!
//! ```text
//! header (32 bytes, little-endian)                metadata        tensor table            payload
//! len u32 · kind u8 · flags u8 · attempt u8 · 0   link.proto      per tensor:             inline tensors,
//! call u64 · remaining µs u64                     message of      index u16 · datatype u8 in the table's
//! metadata len u32 · tensors u16 · "HR"           the kind        rank u8 · place u8 · 0  order
//!                                                                 offset u64 · len u64
//!                                                                 rank × i64
//! ```
//! `len` counts what follows the header. Everything is exact: no gaps, no slack, zeros where zeros are said; so
//! decoding and encoding again gives the same bytes.

use crate::base::{datatype::Datatype, tensor::Shape};
use bytes::Bytes;
use smallvec::SmallVec;

/// Bytes of a header.
pub const HEAD: usize = 32;
/// Bytes of a tensor's entry before its shape.
pub(super) const ENTRY: usize = 24;
pub(super) const MAGIC: u16 = u16::from_le_bytes(*b"HR");

/// A frame's length after its header is at most this. Large tensors go through shared memory; this bounds what a
/// full arena lets through the socket, and what a damaged length can claim.
pub const MAX_FRAME: usize = 1 << 30;
/// Metadata is at most this: thousands of contracts in one HELLO.
pub const MAX_META: usize = 16 << 20;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)+) => {
        /// What a frame says. Numbers are never reassigned.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Kind { $($(#[$doc])* $name = $number,)+ }

        impl Kind {
            pub const ALL: &'static [Kind] = &[$(Kind::$name,)+];

            pub const fn number(self) -> u8 {
                self as u8
            }

            pub fn from_number(number: u8) -> Option<Kind> {
                match number { $($number => Some(Kind::$name),)+ _ => None }
            }
        }
    };
}

kinds! {
    /// Both: protocol, memory, and (host) what is carried. The host repeats it when that changes.
    Hello = 1,
    /// Host: a version's window changed.
    Credit = 2,
    /// Gateway: run this.
    Infer = 3,
    /// Host, terminal: the outputs.
    Answer = 4,
    /// Host, terminal: the fault, and how far the call had come.
    Fail = 5,
    /// Gateway: nobody waits any more. A hint; the call still gets its terminal frame.
    Cancel = 6,
    /// Both: the tensors of these calls in your memory are no longer looked at.
    Release = 7,
    /// Host: an execution, said before the answers of its batch.
    Stats = 8,
    /// Host: send no more, what was accepted is finished. Gateway: no more will come.
    Drain = 9,
    /// Host, terminal: this version is not carried here (any more).
    NotHere = 10,
    /// Gateway: are you there?
    Ping = 11,
    /// Host: yes.
    Pong = 12,
    /// Host: one part of an answer of many, its tensors inline. Never more than were asked for, none after the terminal
    /// frame.
    Part = 13,
    /// Gateway: the reader of a call's parts took so many, and as many more may come.
    Taken = 14,
    /// Gateway: no call will name this region of a device's memory again.
    Unmap = 15,
    /// Host: it looks at that region no more, and has closed it.
    Unmapped = 16,
}

/// The input tensors in the gateway's memory are no longer looked at: saves the RELEASE frame.
pub const RELEASED: u8 = 1;
const FLAGS: u8 = RELEASED;

/// `remaining_us` of a call without a deadline.
pub const NO_DEADLINE: u64 = u64::MAX;

/// The part of a header that carries meaning; lengths are the codec's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub kind: Kind,
    pub flags: u8,
    pub attempt: u8,
    /// 0 where no call is meant.
    pub call: u64,
    /// Microseconds; durations, because clocks of two processes share no zero.
    pub remaining_us: u64,
}

impl Head {
    pub fn new(kind: Kind, call: u64) -> Head {
        Head { kind, flags: 0, attempt: 0, call, remaining_us: 0 }
    }
}

/// Where a tensor's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Inline(Bytes),
    /// In the sender's arena. Not checked: the codec knows no arena.
    Arena {
        offset: u64,
        len: u64,
    },
    /// In a caller's memory on a device, which the kind's message names.
    Device {
        len: u64,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireTensor {
    /// Position among the contract's inputs or outputs.
    pub index: u16,
    pub datatype: Datatype,
    pub shape: Shape,
    pub place: Place,
}

impl WireTensor {
    /// In memory that its sender wants back.
    pub fn is_lent(&self) -> bool {
        matches!(self.place, Place::Arena { .. })
    }

    /// Its bytes are in the frame.
    pub fn is_inline(&self) -> bool {
        matches!(self.place, Place::Inline(_))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub head: Head,
    /// The kind's message, still encoded.
    pub meta: Bytes,
    pub tensors: SmallVec<[WireTensor; 2]>,
}

/// Fatal for the link: after it nobody knows where the next frame begins, or what the peer believes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("a header ends with {0:#06x} where \"HR\" is due")]
    Magic(u16),
    #[error("unknown frame kind {0}")]
    Kind(u8),
    #[error("flags or padding of a header are {0:#04x}")]
    Flags(u8),
    #[error("a frame of {0} bytes is over the limit of {1}")]
    TooLong(usize, usize),
    #[error("metadata of {meta} bytes and {tensors} tensors do not fit a frame of {len}")]
    Lengths { len: usize, meta: usize, tensors: usize },
    #[error("metadata: {0}")]
    Meta(String),
    #[error("tensor {0} of a frame: {1}")]
    Tensor(usize, &'static str),
    #[error("{0} bytes after the last tensor of a frame")]
    Slack(usize),
    #[error("{0}")]
    Conduct(String),
}

impl Malformed {
    /// Well-formed, but nothing a peer that keeps the protocol would send now.
    pub fn conduct(what: impl Into<String>) -> Malformed {
        Malformed::Conduct(what.into())
    }
}

pub(super) fn known_flags(flags: u8) -> bool {
    flags & !FLAGS == 0
}
