//! What a reader takes of memory, held against what it was sent; and of time, to be looked at.

use rustix::time::{ClockId, clock_gettime};
use std::cell::Cell;

/// Bytes that reading may hold at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    /// For each byte of the input.
    pub(super) each: usize,
    /// However short the input is.
    pub(super) beside: usize,
}

/// What reading took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Held at once.
    pub bytes: usize,
    /// Of this thread's time on a processor.
    pub nanos: u64,
}

thread_local! {
    static COST: Cell<Cost> = const { Cell::new(Cost { bytes: 0, nanos: 0 }) };
}

impl Most {
    /// Reads `len` bytes. What other threads take is not seen.
    pub(super) fn hold<T>(self, len: usize, read: impl FnOnce() -> T) -> T {
        let (mut out, before) = (None, processor());
        let taken = allocation_counter::measure(|| out = Some(read()));
        let nanos = processor() - before;
        let bytes = usize::try_from(taken.bytes_max).unwrap();
        let cost = COST.get();
        COST.set(Cost { bytes: cost.bytes.max(bytes), nanos: cost.nanos.max(nanos) });
        let most = self.each * len + self.beside;
        assert!(bytes <= most, "to read {len} bytes took {bytes} bytes of memory, {most} are allowed");
        out.unwrap()
    }
}

fn processor() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).unwrap()
}

/// The most that one reading took since this was asked last: what the fuzzer strives to raise.
pub fn cost() -> Cost {
    COST.take()
}
