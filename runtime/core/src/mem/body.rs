//! Where a request's body is read into: its length is known, checked and reserved before the first byte.

use bytes::{Bytes, BytesMut};

/// More bytes came than were announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overrun;

/// A buffer of a fixed capacity that becomes one contiguous [`Bytes`] without a copy.
#[derive(Debug)]
pub struct BodyBuffer {
    heap: BytesMut,
    room: usize,
}

impl BodyBuffer {
    /// Large bodies will come from the arena that hosts map; what does not fit there comes from the heap.
    pub fn with_capacity(len: usize) -> BodyBuffer {
        BodyBuffer { heap: BytesMut::with_capacity(len), room: len }
    }

    pub fn push(&mut self, chunk: &[u8]) -> Result<(), Overrun> {
        self.room = self.room.checked_sub(chunk.len()).ok_or(Overrun)?;
        self.heap.extend_from_slice(chunk);
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.heap.len()
    }

    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Bytes still expected.
    pub fn missing(&self) -> usize {
        self.room
    }

    pub fn freeze(self) -> Bytes {
        self.heap.freeze()
    }
}
