//! Frames to bytes and back, as a link does it: for what is held against whole frames.

use super::{
    frame::{Frame, Malformed, Place},
    frame_decode::Decoder,
    frame_encode::{self, Outgoing, TooLong, encode},
};
use bytes::BufMut;

/// Appends a frame that was read.
pub(crate) fn write(frame: &Frame, out: &mut Vec<u8>) -> Result<(), TooLong> {
    let tensors: Vec<_> = frame
        .tensors
        .iter()
        .map(|tensor| Outgoing {
            index: tensor.index,
            datatype: tensor.datatype,
            shape: &tensor.shape,
            bytes: match &tensor.place {
                Place::Inline(bytes) => frame_encode::Bytes::Inline(bytes),
                Place::Arena { offset, len } => frame_encode::Bytes::Arena { offset: *offset, len: *len },
                Place::Device { len } => frame_encode::Bytes::Device { len: *len },
            },
        })
        .collect();
    encode(out, &frame.head, |out| out.extend_from_slice(&frame.meta), &tensors)
}

/// What became of a stream.
#[derive(Debug, PartialEq)]
pub(crate) struct Heard {
    pub(crate) frames: Vec<Frame>,
    /// Why it ended, if it did.
    pub(crate) malformed: Option<Malformed>,
    /// It may end here: between two frames.
    pub(crate) is_whole: bool,
}

/// Reads a stream that comes in pieces; a piece is taken as a socket gives it, so much as there is room for.
pub(crate) fn hear<'a>(limit: usize, pieces: impl Iterator<Item = &'a [u8]>) -> Heard {
    let mut decoder = Decoder::new(limit);
    let mut heard = Heard { frames: Vec::new(), malformed: None, is_whole: false };
    for mut piece in pieces {
        while !piece.is_empty() {
            let room = decoder.room();
            let (now, later) = piece.split_at(piece.len().min(room.capacity() - room.len()));
            room.put_slice(now);
            piece = later;
            loop {
                match decoder.next_frame() {
                    Ok(Some(frame)) => heard.frames.push(frame),
                    Ok(None) => break,
                    Err(malformed) => return Heard { malformed: Some(malformed), ..heard },
                }
            }
        }
    }
    Heard { is_whole: decoder.is_empty(), ..heard }
}
