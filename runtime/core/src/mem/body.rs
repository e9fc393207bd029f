//! Where a request's body is read into: its length is known, checked and reserved before the first byte.

use super::{
    INLINE_BYTES,
    arena::{Arena, Lease},
};
use bytes::{Bytes, BytesMut};

/// More bytes came than were announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overrun;

/// A buffer of a fixed capacity that becomes one contiguous [`Bytes`] without a copy.
#[derive(Debug)]
pub struct BodyBuffer {
    place: Place,
    filled: usize,
    room: usize,
}

#[derive(Debug)]
enum Place {
    Heap(BytesMut),
    Arena(Lease),
}

impl BodyBuffer {
    /// On the heap.
    pub fn with_capacity(len: usize) -> BodyBuffer {
        BodyBuffer { place: Place::Heap(BytesMut::with_capacity(len)), filled: 0, room: len }
    }

    /// In the arena if the body is too large to travel inside a frame and there is room, else on the heap.
    pub fn reserve(arena: Option<&Arena>, len: usize) -> BodyBuffer {
        match arena.filter(|_| len > INLINE_BYTES).and_then(|arena| arena.lease(len)) {
            Some(lease) => BodyBuffer { place: Place::Arena(lease), filled: 0, room: len },
            None => BodyBuffer::with_capacity(len),
        }
    }

    /// `len` bytes that `fill` writes, in the arena if [`BodyBuffer::reserve`] would be there.
    pub fn filled<E>(
        arena: Option<&Arena>,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Bytes, E> {
        match arena.filter(|_| len > INLINE_BYTES).and_then(|arena| arena.lease(len)) {
            Some(mut lease) => {
                fill(lease.as_mut())?;
                Ok(lease.freeze())
            }
            None => {
                let mut heap = vec![0; len];
                fill(&mut heap)?;
                Ok(heap.into())
            }
        }
    }

    /// Takes the chunk whole or not at all.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), Overrun> {
        let room = self.room.checked_sub(chunk.len()).ok_or(Overrun)?;
        let filled = self.filled + chunk.len();
        match &mut self.place {
            Place::Heap(heap) => heap.extend_from_slice(chunk),
            Place::Arena(lease) => {
                lease.as_mut().get_mut(self.filled..filled).ok_or(Overrun)?.copy_from_slice(chunk);
            }
        }
        (self.room, self.filled) = (room, filled);
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.filled
    }

    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Bytes still expected.
    pub fn missing(&self) -> usize {
        self.room
    }

    /// What was pushed; a body that ended early is as long as what came.
    pub fn freeze(self) -> Bytes {
        match self.place {
            Place::Heap(heap) => heap.freeze(),
            Place::Arena(lease) => lease.freeze().slice(..self.filled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_lie_in_the_arena_while_there_is_room() {
        let arena = Arena::new(3 * INLINE_BYTES).unwrap();
        for (len, inside) in [(INLINE_BYTES, false), (INLINE_BYTES + 1, true), (4 * INLINE_BYTES, false)] {
            let mut body = BodyBuffer::reserve(Some(&arena), len);
            body.push(&vec![3; len]).unwrap();
            assert_eq!(body.missing(), 0);
            let bytes = body.freeze();
            assert_eq!((bytes.len(), arena.locate(&bytes).is_some()), (len, inside), "{len}");
            assert!(bytes.iter().all(|byte| *byte == 3));
        }
        assert_eq!(arena.free_bytes(), 3 * INLINE_BYTES);
    }

    #[test]
    fn what_is_filled_lies_where_a_body_would() {
        let arena = Arena::new(2 * INLINE_BYTES).unwrap();
        for (len, inside) in [(0, false), (INLINE_BYTES, false), (INLINE_BYTES + 1, true)] {
            let bytes = BodyBuffer::filled(Some(&arena), len, |room| {
                room.fill(7);
                Ok::<(), Overrun>(())
            });
            let bytes = bytes.unwrap();
            assert_eq!((bytes.len(), arena.locate(&bytes).is_some()), (len, inside), "{len}");
            assert!(bytes.iter().all(|byte| *byte == 7));
        }
        assert_eq!(BodyBuffer::filled(Some(&arena), INLINE_BYTES + 1, |_| Err(Overrun)), Err(Overrun));
        assert_eq!(arena.free_bytes(), 2 * INLINE_BYTES);
    }

    #[test]
    fn neither_place_takes_more_than_was_announced() {
        let arena = Arena::new(2 * INLINE_BYTES).unwrap();
        let len = INLINE_BYTES + 4;
        for mut body in [BodyBuffer::reserve(Some(&arena), len), BodyBuffer::reserve(None, len)] {
            body.push(&vec![1; INLINE_BYTES]).unwrap();
            assert_eq!(body.push(b"12345"), Err(Overrun));
            assert_eq!((body.len(), body.missing()), (INLINE_BYTES, 4));
            body.push(b"12").unwrap();
            assert_eq!(&body.freeze()[INLINE_BYTES..], b"12", "what never came is not part of the body");
        }
    }
}
