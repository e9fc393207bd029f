//! Memory as coverage: an input that takes more of it for its length than any before is kept, as one that reaches a
//! new branch is. So the fuzzer climbs towards inputs that are dear.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// libFuzzer reads whatever lies in this section as counters of its own.
#[unsafe(link_section = "__libfuzzer_extra_counters")]
static LEVELS: [AtomicU8; 64] = [const { AtomicU8::new(0) }; 64];

/// Two levels for each doubling of the bytes held for a byte read; a short input's fixed costs count little.
pub fn note(read: usize, held: usize) {
    let ratio = (held / (read + 64)) as f64;
    let reached = (ratio.max(1.0).log2() * 2.0) as usize;
    for level in LEVELS.iter().take(reached + 1) {
        level.store(1, Relaxed);
    }
}
