//! Bytes in, frames out, however the bytes were cut.

use super::frame::{
    ENTRY, Frame, HEAD, Head, Kind, MAGIC, MAX_META, Malformed, Place, WireTensor, known_flags,
};
use crate::base::{datatype::Datatype, tensor::Shape};
use bytes::{Buf, Bytes, BytesMut};
use smallvec::SmallVec;

/// One read takes up to this: hundreds of small frames.
const READ: usize = 64 << 10;
/// Less room than this is not worth a read.
const LOW: usize = READ / 4;
/// A long frame's memory grows in steps of at most this, as its bytes come: a claim alone costs nothing.
const STEP: usize = 4 << 20;

/// Sizes a header speaks of, already checked against each other.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    len: usize,
    meta: usize,
    tensors: usize,
}

#[derive(Debug)]
pub struct Decoder {
    buf: BytesMut,
    limit: usize,
}

impl Decoder {
    /// Refuses frames of more than `limit` bytes after the header.
    pub fn new(limit: usize) -> Decoder {
        Decoder { buf: BytesMut::new(), limit }
    }

    /// Where the next bytes of the stream go. Frames taken out are views of the same memory.
    pub fn room(&mut self) -> &mut BytesMut {
        let missing = match self.head() {
            Ok(Some((_, sizes))) => (HEAD + sizes.len).saturating_sub(self.buf.len()),
            Ok(None) | Err(_) => 0,
        };
        let free = self.buf.capacity() - self.buf.len();
        if missing > READ && free < READ {
            // A little more than it needs: its last bytes shall not move all those before them.
            self.buf.reserve(missing.min(STEP) + LOW);
        } else if free < LOW {
            self.buf.reserve(READ);
        }
        &mut self.buf
    }

    /// True between frames: the only place where a stream may end.
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// `Ok(None)` asks for more bytes. After an error the stream is of no use.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Malformed> {
        let Some((head, sizes)) = self.head()? else { return Ok(None) };
        if self.buf.len() < HEAD + sizes.len {
            return Ok(None);
        }
        self.buf.advance(HEAD);
        let mut rest = self.buf.split_to(sizes.len).freeze();
        let meta = rest.split_to(sizes.meta);
        let tensors = tensors(rest, sizes.tensors)?;
        Ok(Some(Frame { head, meta, tensors }))
    }

    /// The header at the front, checked; `None` while it is not all there.
    fn head(&self) -> Result<Option<(Head, Sizes)>, Malformed> {
        let Some(mut at) = self.buf.get(..HEAD) else { return Ok(None) };
        let len = size(at.get_u32_le());
        let (kind, flags, attempt, zero) = (at.get_u8(), at.get_u8(), at.get_u8(), at.get_u8());
        let (call, remaining_us) = (at.get_u64_le(), at.get_u64_le());
        let (meta, tensors, magic) = (size(at.get_u32_le()), usize::from(at.get_u16_le()), at.get_u16_le());
        if magic != MAGIC {
            return Err(Malformed::Magic(magic));
        }
        let kind = Kind::from_number(kind).ok_or(Malformed::Kind(kind))?;
        if zero != 0 || !known_flags(flags) {
            return Err(Malformed::Flags(flags | zero));
        }
        if len > self.limit {
            return Err(Malformed::TooLong(len, self.limit));
        }
        if meta > MAX_META || meta + tensors * ENTRY > len {
            return Err(Malformed::Lengths { len, meta, tensors });
        }
        let head = Head { kind, flags, attempt, call, remaining_us };
        Ok(Some((head, Sizes { len, meta, tensors })))
    }
}

fn size(wire: u32) -> usize {
    usize::try_from(wire).unwrap_or(usize::MAX / 2) // never there; on a 16-bit machine a refusal by the limit
}

fn tensors(mut rest: Bytes, count: usize) -> Result<SmallVec<[WireTensor; 2]>, Malformed> {
    let mut tensors = SmallVec::<[WireTensor; 2]>::with_capacity(count);
    // Of those whose bytes come after the table.
    let mut lengths = SmallVec::<[Option<usize>; 2]>::with_capacity(count);
    for at in 0..count {
        let (tensor, inline) = entry(&mut rest, at)?;
        tensors.push(tensor);
        lengths.push(inline);
    }
    for (at, (tensor, inline)) in tensors.iter_mut().zip(lengths).enumerate() {
        if let Some(len) = inline {
            if len > rest.len() {
                return Err(Malformed::Tensor(at, "longer than what is left of the frame"));
            }
            tensor.place = Place::Inline(rest.split_to(len));
        }
    }
    if rest.is_empty() { Ok(tensors) } else { Err(Malformed::Slack(rest.len())) }
}

/// One entry of the table; for an inline tensor also its length.
fn entry(rest: &mut Bytes, at: usize) -> Result<(WireTensor, Option<usize>), Malformed> {
    let short = Malformed::Tensor(at, "the table ends within its entry");
    if rest.len() < ENTRY {
        return Err(short);
    }
    let (index, datatype, rank, place) = (rest.get_u16_le(), rest.get_u8(), rest.get_u8(), rest.get_u8());
    let (zero, zeros) = (rest.get_u8(), rest.get_u16_le());
    let (offset, len) = (rest.get_u64_le(), rest.get_u64_le());
    if zero != 0 || zeros != 0 {
        return Err(Malformed::Tensor(at, "its padding is not zero"));
    }
    let datatype = Datatype::from_number(datatype).ok_or(Malformed::Tensor(at, "unknown datatype"))?;
    if rest.len() < usize::from(rank) * 8 {
        return Err(short);
    }
    let shape: Shape = (0..rank).map(|_| rest.get_i64_le()).collect();
    if shape.iter().any(|size| *size < 0) {
        return Err(Malformed::Tensor(at, "an axis is negative"));
    }
    let (place, inline) = match (place, offset) {
        (0, 0) => {
            let len = usize::try_from(len).map_err(|_| Malformed::Tensor(at, "longer than memory"))?;
            (Place::Inline(Bytes::new()), Some(len))
        }
        (1, _) => (Place::Arena { offset, len }, None),
        (2, 0) => (Place::Device { len }, None),
        (0, _) => return Err(Malformed::Tensor(at, "inline, yet with an offset")),
        (2, _) => return Err(Malformed::Tensor(at, "on a device, yet with an offset")),
        (3.., _) => return Err(Malformed::Tensor(at, "in an unknown place")),
    };
    Ok((WireTensor { index, datatype, shape, place }, inline))
}
