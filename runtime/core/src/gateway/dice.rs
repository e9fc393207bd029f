//! Numbers that nobody can foresee who has not seen others of the same dice: the mix can be turned back.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[derive(Debug)]
pub(super) struct Dice(AtomicU64);

impl Default for Dice {
    fn default() -> Dice {
        Dice(AtomicU64::new(RandomState::new().hash_one(())))
    }
}

impl Dice {
    /// One atomic addition and a mix (`SplitMix64`): no number comes twice before all have come.
    pub(super) fn draw(&self) -> u64 {
        let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// They fall as others that began so.
    #[cfg(test)]
    pub(super) fn seed(&self, number: u64) {
        self.0.store(number, Relaxed);
    }
}
