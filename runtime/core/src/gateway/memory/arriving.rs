//! A body of known length on its way into memory.

use super::admission::Reserved;
use crate::base::fault::Fault;
use crate::gateway::Gateway;
use crate::mem::body::BodyBuffer;
use bytes::Bytes;
use std::sync::Arc;

/// What has not come yet is held against nobody, and takes no memory: who announces much and sends little holds little.
/// A body of some length begins in a short buffer and is moved when that is full, a long one once more: 16 KiB and a
/// megabyte are copied that need not be.
#[derive(Debug)]
pub(crate) struct Arriving {
    reserved: Reserved,
    buffer: BodyBuffer,
    /// Of a body that its buffer is too short for: how long it will be, and whose memory it goes to then.
    whole: Option<(usize, Arc<Gateway>)>,
}

impl Arriving {
    /// What a body over [`Arriving::SMALL`] gets at first.
    pub(super) const FIRST: usize = 16 << 10;
    /// What is reserved each time when there is no more.
    const STEP: usize = 1 << 20;
    /// Up to this length a body lies from its first byte where it stays.
    pub(super) const SMALL: usize = 64 << 10;

    pub(in crate::gateway) fn new(reserved: Reserved, gateway: &Arc<Gateway>, len: usize) -> Arriving {
        let (buffer, whole) = if len <= Arriving::SMALL {
            (BodyBuffer::reserve(gateway.arena(), len), None)
        } else {
            (BodyBuffer::with_capacity(Arriving::FIRST), Some((len, Arc::clone(gateway))))
        };
        Arriving { reserved, buffer, whole }
    }

    /// Takes the part whole or not at all.
    pub(crate) fn push(&mut self, part: &[u8]) -> Result<(), Fault> {
        let rest = self.missing().checked_sub(part.len());
        let rest = rest.ok_or_else(|| Fault::invalid("the body is longer than was announced"))?;
        let come = self.buffer.len() + part.len();
        if let Some(more) = come.checked_sub(self.reserved.len()).filter(|more| *more > 0) {
            self.reserved.grow(more + rest.min(Arriving::STEP))?;
        }
        if part.len() > self.buffer.missing() {
            self.move_on(come)?;
        }
        self.append(part)
    }

    /// To a buffer that `come` bytes fit into.
    fn move_on(&mut self, come: usize) -> Result<(), Fault> {
        let Some((len, gateway)) = self.whole.take() else { return Ok(()) };
        let wider = if come <= Arriving::STEP && len > Arriving::STEP {
            self.whole = Some((len, gateway));
            BodyBuffer::with_capacity(Arriving::STEP)
        } else {
            BodyBuffer::reserve(gateway.arena(), len)
        };
        let begun = std::mem::replace(&mut self.buffer, wider).freeze();
        self.append(&begun)
    }

    fn append(&mut self, part: &[u8]) -> Result<(), Fault> {
        self.buffer.push(part).map_err(|_| Fault::internal("a body outgrew its buffer"))
    }

    pub(in crate::gateway) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Bytes still expected.
    pub(in crate::gateway) fn missing(&self) -> usize {
        match &self.whole {
            Some((len, _)) => len - self.buffer.len(),
            None => self.buffer.missing(),
        }
    }

    /// What came.
    pub(crate) fn freeze(mut self) -> (Reserved, Bytes) {
        self.reserved.shrink_to(self.buffer.len());
        (self.reserved, self.buffer.freeze())
    }
}
