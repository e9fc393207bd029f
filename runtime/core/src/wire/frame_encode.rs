//! Frames as bytes, appended to one growing buffer: a write to the socket takes all that a turn produced.

use super::frame::{ENTRY, HEAD, Head, MAGIC, MAX_FRAME, MAX_META};
use crate::base::datatype::Datatype;

/// A tensor to be written; nothing is cloned for it.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    pub index: u16,
    pub datatype: Datatype,
    pub shape: &'a [i64],
    pub bytes: Bytes<'a>,
}

#[derive(Clone, Copy, Debug)]
pub enum Bytes<'a> {
    /// Copied into the frame.
    Inline(&'a [u8]),
    /// In the sender's arena.
    Arena { offset: u64, len: u64 },
    /// In a caller's memory on a device.
    Device { len: u64 },
}

/// The frame cannot be sent; nothing of it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {0} bytes is more than a link takes")]
pub struct TooLong(pub usize);

/// Appends one frame. `meta` appends the encoded message of the kind.
pub fn encode(
    out: &mut Vec<u8>,
    head: &Head,
    meta: impl FnOnce(&mut Vec<u8>),
    tensors: &[Outgoing<'_>],
) -> Result<(), TooLong> {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD]);
    meta(out);
    let meta = out.len() - start - HEAD;
    let table: usize = tensors.iter().map(|tensor| ENTRY + tensor.shape.len() * 8).sum();
    let inline: usize = tensors.iter().map(|tensor| tensor.bytes.inline().len()).sum();
    let len = meta.saturating_add(table).saturating_add(inline);
    let sizes = (u32::try_from(len), u32::try_from(meta), u16::try_from(tensors.len()));
    let (Ok(len), Ok(meta), Ok(count), true) =
        (sizes.0, sizes.1, sizes.2, meta <= MAX_META && len <= MAX_FRAME)
    else {
        out.truncate(start);
        return Err(TooLong(len));
    };
    let mut bytes = [0; HEAD];
    let mut at = bytes.as_mut_slice();
    put(&mut at, &len.to_le_bytes());
    put(&mut at, &[head.kind.number(), head.flags, head.attempt, 0]);
    put(&mut at, &head.call.to_le_bytes());
    put(&mut at, &head.remaining_us.to_le_bytes());
    put(&mut at, &meta.to_le_bytes());
    put(&mut at, &count.to_le_bytes());
    put(&mut at, &MAGIC.to_le_bytes());
    if let Some(room) = out.get_mut(start..start + HEAD) {
        room.copy_from_slice(&bytes);
    }
    out.reserve(table + inline);
    for tensor in tensors {
        entry(out, tensor);
    }
    for tensor in tensors {
        out.extend_from_slice(tensor.bytes.inline());
    }
    Ok(())
}

impl<'a> Bytes<'a> {
    fn inline(&self) -> &'a [u8] {
        match self {
            Bytes::Inline(bytes) => bytes,
            Bytes::Arena { .. } | Bytes::Device { .. } => &[],
        }
    }
}

fn entry(out: &mut Vec<u8>, tensor: &Outgoing<'_>) {
    let (place, offset, len) = match tensor.bytes {
        Bytes::Inline(bytes) => (0, 0, u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
        Bytes::Arena { offset, len } => (1, offset, len),
        Bytes::Device { len } => (2, 0, len),
    };
    // A rank beyond 255 fits no contract, and a table that says less than it holds is refused by the reader.
    let rank = u8::try_from(tensor.shape.len()).unwrap_or(u8::MAX);
    let mut fixed = [0; ENTRY];
    let mut at = fixed.as_mut_slice();
    put(&mut at, &tensor.index.to_le_bytes());
    put(&mut at, &[tensor.datatype.number(), rank, place, 0, 0, 0]);
    put(&mut at, &offset.to_le_bytes());
    put(&mut at, &len.to_le_bytes());
    out.extend_from_slice(&fixed);
    for size in tensor.shape {
        out.extend_from_slice(&size.to_le_bytes());
    }
}

/// Moves `bytes` to the front of `at`; the callers' arrays have exactly the room they fill.
fn put(at: &mut &mut [u8], bytes: &[u8]) {
    let whole = std::mem::take(at);
    if let Some((here, rest)) = whole.split_at_mut_checked(bytes.len()) {
        here.copy_from_slice(bytes);
        *at = rest;
    }
}
