//! Inputs that two hosts died with: not let in again for a while.

use crate::base::{call::Tensors, units::Tick, units::Version};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// How long an input is refused.
const QUARANTINE: Duration = Duration::from_secs(60);
/// The oldest leave when there are more: each cost two hosts, so there are never many.
const MOST: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// Inputs are hashed (about 1 ns a byte) only while there is something to compare with.
    any: AtomicBool,
    known: Mutex<VecDeque<(u64, Tick)>>,
}

impl Suspects {
    pub(super) fn add(&self, model: &str, version: Version, inputs: &Tensors, now: Tick) {
        let mut known = self.known.lock();
        if known.len() >= MOST {
            known.pop_front();
        }
        known.push_back((fingerprint(model, version, inputs), now.plus(QUARANTINE)));
        self.any.store(true, Relaxed);
    }

    pub(super) fn has(&self, model: &str, version: Version, inputs: &Tensors, now: Tick) -> bool {
        if !self.any.load(Relaxed) {
            return false;
        }
        let print = fingerprint(model, version, inputs);
        let mut known = self.known.lock();
        known.retain(|(_, until)| *until > now);
        self.any.store(!known.is_empty(), Relaxed);
        known.iter().any(|(other, _)| *other == print)
    }
}

fn fingerprint(model: &str, version: Version, inputs: &Tensors) -> u64 {
    let mut hasher = DefaultHasher::new();
    (model, version).hash(&mut hasher);
    for tensor in inputs {
        (tensor.datatype, &tensor.shape, tensor.data.as_ref()).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{datatype::Datatype, tensor::Tensor};

    fn inputs(data: &'static [u8]) -> Tensors {
        let shape = [1, 4].into_iter().collect();
        Tensors::from_iter([Tensor { datatype: Datatype::Uint8, shape, data: data.into() }])
    }

    #[test]
    fn the_same_input_is_known_for_a_while() {
        let suspects = Suspects::default();
        let (then, one) = (Tick::default(), Version(1));
        assert!(!suspects.has("m", one, &inputs(b"boom"), then));
        suspects.add("m", one, &inputs(b"boom"), then);
        assert!(suspects.has("m", one, &inputs(b"boom"), then));
        assert!(!suspects.has("m", one, &inputs(b"fine"), then));
        assert!(!suspects.has("m", Version(2), &inputs(b"boom"), then));
        assert!(!suspects.has("m", one, &inputs(b"boom"), then.plus(QUARANTINE)));
        assert!(!suspects.any.load(Relaxed), "nothing is hashed any more");
    }

    #[test]
    fn the_oldest_makes_room() {
        let suspects = Suspects::default();
        for version in 0..=u64::try_from(MOST).unwrap() {
            suspects.add("m", Version(version), &inputs(b"boom"), Tick::default());
        }
        assert!(!suspects.has("m", Version(0), &inputs(b"boom"), Tick::default()));
        assert!(suspects.has("m", Version(1), &inputs(b"boom"), Tick::default()));
    }
}
