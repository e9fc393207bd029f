//! Which version a value belongs to: weighted rendezvous hashing (Schindelhauer and Schomaker, "Weighted distributed hash
//! tables", 2005). Every gateway computes the same, on every machine: docs/traffic.md fixes the hash and the logarithm.

use super::policy::Share;
use crate::base::units::Version;
use siphasher::sip::SipHasher24;
use std::hash::Hasher;

/// Bits behind the point of a logarithm.
const FRACTION: u32 = 32;
/// Bits that a score has beyond those of a logarithm, so that dividing by a share loses nothing that matters.
const FINER: u32 = 24;

/// A salted value, hashed as far as it is the same for all versions.
#[derive(Clone, Copy, Debug)]
pub struct Key(SipHasher24);

impl Key {
    pub fn new(salt: &str, value: &str) -> Key {
        let mut hasher = SipHasher24::new_with_keys(0, 0);
        hasher.write(salt.as_bytes());
        hasher.write(&[0xff]); // in no text of UTF-8: where the salt ends is beyond doubt
        hasher.write(value.as_bytes());
        Key(hasher)
    }

    /// The version with the least has the value. It depends on that version's share alone, so a version that keeps
    /// its share keeps its score. A share of 0 has none.
    pub fn score(&self, share: &Share) -> Option<u64> {
        (distance(self.hash(share.version)) << FINER).checked_div(u64::from(share.share))
    }

    /// Of the value and a version.
    pub(super) fn hash(&self, version: Version) -> u64 {
        let mut hasher = self.0;
        hasher.write(&[0xff]);
        hasher.write(&version.0.to_le_bytes());
        hasher.finish()
    }
}

/// -log2 of a hash as a part of 2^64, in 2^-32: from 2 to 2^38. Whole numbers only, for libraries' logarithms differ.
fn distance(hash: u64) -> u64 {
    let hash = hash | 1; // no logarithm of zero
    let zeros = hash.leading_zeros();
    // From 1 to less than 2, in 2^-31.
    let mut mantissa = (hash << zeros) >> 32;
    let mut log = u64::from(63 - zeros);
    for _ in 0..FRACTION {
        let square = mantissa * mantissa;
        let carry = square >> 63;
        log = log << 1 | carry;
        mantissa = square >> (31 + carry);
    }
    (64 << FRACTION) - log
}

#[cfg(test)]
#[path = "sticky_tests.rs"]
mod tests;
