//! Inputs that a host died with. One such death is no proof, for others were in flight as well: until it is past, the
//! same input runs alone, or, where calls take long or are of sequences, with no other that is suspected. When a host
//! dies with it once more, it is not let in again for a while.
//!
//! So an input costs two hosts a minute at most, whether its callers are told at once or it is tried again for them.

use crate::base::{call::Tensors, device::OnDevice, units::Tick, units::Version};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{AcqRel, Acquire, Release},
};
use std::time::Duration;

/// How long an input is suspected, and then refused.
const QUARANTINE: Duration = Duration::from_secs(60);
/// The oldest leave when there are more, but for those that are proven. A crash brings what its host had: two batches,
/// as a rule, which may be of a thousand calls each. A look goes through all of them.
const MOST: usize = 4096;

/// Why an input is not let in.
pub(super) const REFUSED: &str =
    "two hosts were lost while they ran this very input: it is refused for a minute";

/// What an input is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Print(u64);

/// What follows for a call with an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway) enum Verdict {
    Clear,
    /// Until then.
    Alone(Tick),
    Refused,
}

#[derive(Clone, Copy, Debug)]
struct Suspect {
    print: Print,
    until: Tick,
    /// A second host died with it.
    proven: bool,
}

#[derive(Debug, Default)]
pub(in crate::gateway) struct Suspects {
    /// Of this gateway alone: an input that looks like another's cannot be made beforehand.
    keys: RandomState,
    known: Mutex<VecDeque<Suspect>>,
    /// Inputs are hashed (about 1 ns a byte) only while there is something to compare with.
    any: AtomicBool,
    /// Counts changes, so that nobody looks twice at the same.
    epoch: AtomicU64,
}

/// One call's look at what is held against its input.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Suspicion {
    print: Option<Print>,
    epoch: u64,
    /// What the last look found: until when it is suspected.
    until: Option<Tick>,
}

/// Whose input it is.
#[derive(Clone, Copy, Debug)]
pub(in crate::gateway) struct Of<'a> {
    pub(in crate::gateway) model: &'a str,
    pub(in crate::gateway) version: Version,
    pub(in crate::gateway) inputs: &'a Tensors,
    /// Where those are that are not here. What is there now is not known: the place alone is suspected.
    pub(in crate::gateway) on_device: Option<&'a OnDevice>,
}

impl Suspicion {
    /// `None`: nothing has changed since the last look, which is what a call usually finds, and no time is over.
    pub(in crate::gateway) fn look(&mut self, suspects: &Suspects, of: Of<'_>, now: Tick) -> Option<Verdict> {
        let epoch = suspects.epoch.load(Acquire);
        if self.epoch == epoch && self.until.is_none_or(|until| now < until) {
            return None;
        }
        self.epoch = epoch;
        let verdict = match suspects.any.load(Acquire) {
            true => suspects.verdict(self.print(suspects, of), now),
            false => Verdict::Clear,
        };
        self.until = if let Verdict::Alone(until) = verdict { Some(until) } else { None };
        Some(verdict)
    }

    /// Remembers what it is known by, before its inputs are let go.
    pub(super) fn know(&mut self, suspects: &Suspects, of: Of<'_>) {
        self.print(suspects, of);
    }

    /// Its input can be accused although its inputs are gone.
    pub(super) fn is_known(&self) -> bool {
        self.print.is_some()
    }

    /// It was suspected when it was looked at last.
    pub(super) fn is_held(&self) -> bool {
        self.until.is_some()
    }

    /// A host was lost with it.
    pub(super) fn accuse(&mut self, suspects: &Suspects, of: Of<'_>, alone: bool, now: Tick) {
        let print = self.print(suspects, of);
        suspects.accuse(print, alone, now);
    }

    /// Its host has answered. Cheap for who never was suspected.
    pub(super) fn acquit(&self, suspects: &Suspects) {
        if let Some(print) = self.print.filter(|_| suspects.any.load(Acquire)) {
            suspects.acquit(print);
        }
    }

    fn print(&mut self, suspects: &Suspects, of: Of<'_>) -> Print {
        *self.print.get_or_insert_with(|| {
            let mut hasher = suspects.keys.build_hasher();
            (of.model, of.version).hash(&mut hasher);
            for tensor in of.inputs {
                (tensor.datatype, &tensor.shape, tensor.data.as_ref()).hash(&mut hasher);
            }
            for span in of.on_device.iter().flat_map(|on_device| &on_device.inputs) {
                (span.region.number, span.offset).hash(&mut hasher);
            }
            Print(hasher.finish())
        })
    }
}

impl Suspects {
    fn accuse(&self, print: Print, alone: bool, now: Tick) {
        let mut known = self.known.lock();
        let before = known.iter().position(|one| one.print == print).and_then(|at| known.remove(at));
        if known.len() >= MOST {
            let oldest = known.iter().position(|one| !one.proven).unwrap_or(0);
            known.remove(oldest);
        }
        let proven = alone || before.is_some_and(|before| before.proven && before.until > now);
        known.push_back(Suspect { print, until: now.plus(QUARANTINE), proven });
        self.changed(&known);
    }

    fn acquit(&self, print: Print) {
        let mut known = self.known.lock();
        let before = known.len();
        known.retain(|one| one.print != print || one.proven);
        if known.len() < before {
            self.changed(&known);
        }
    }

    fn verdict(&self, print: Print, now: Tick) -> Verdict {
        let mut known = self.known.lock();
        known.retain(|one| one.until > now);
        if known.is_empty() {
            self.any.store(false, Release);
        }
        match known.iter().find(|one| one.print == print) {
            None => Verdict::Clear,
            Some(one) if one.proven => Verdict::Refused,
            Some(one) => Verdict::Alone(one.until),
        }
    }

    fn changed(&self, known: &VecDeque<Suspect>) {
        self.any.store(!known.is_empty(), Release);
        self.epoch.fetch_add(1, AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{datatype::Datatype, tensor::Tensor};

    const THEN: Tick = Tick::from_nanos(7);

    fn inputs(data: &'static [u8]) -> Tensors {
        let shape = [1, 4].into_iter().collect();
        Tensors::from_iter([Tensor { datatype: Datatype::Uint8, shape, data: data.into() }])
    }

    fn accuse(suspects: &Suspects, data: &'static [u8], alone: bool) {
        let of = Of { model: "m", version: Version(1), inputs: &inputs(data), on_device: None };
        Suspicion::default().accuse(suspects, of, alone, THEN);
    }

    fn verdict(suspects: &Suspects, version: u64, data: &'static [u8], now: Tick) -> Option<Verdict> {
        let of = Of { model: "m", version: Version(version), inputs: &inputs(data), on_device: None };
        Suspicion::default().look(suspects, of, now)
    }

    #[test]
    fn the_same_input_is_known_for_a_while() {
        let suspects = Suspects::default();
        assert_eq!(verdict(&suspects, 1, b"boom", THEN), None, "nobody looks while nothing happened");
        accuse(&suspects, b"boom", true);
        assert_eq!(verdict(&suspects, 1, b"boom", THEN), Some(Verdict::Refused));
        assert_eq!(verdict(&suspects, 1, b"fine", THEN), Some(Verdict::Clear));
        assert_eq!(verdict(&suspects, 2, b"boom", THEN), Some(Verdict::Clear));
        assert_eq!(verdict(&suspects, 1, b"boom", THEN.plus(QUARANTINE)), Some(Verdict::Clear));
        assert!(!suspects.any.load(Acquire), "nothing is hashed any more");
    }

    #[test]
    fn only_who_was_alone_is_refused_and_an_answer_clears_who_was_not() {
        let suspects = Suspects::default();
        accuse(&suspects, b"boom", false);
        accuse(&suspects, b"fine", false);
        let fine = inputs(b"fine");
        let of = Of { model: "m", version: Version(1), inputs: &fine, on_device: None };
        let mut suspicion = Suspicion::default();
        assert_eq!(suspicion.look(&suspects, of, THEN), Some(Verdict::Alone(THEN.plus(QUARANTINE))));
        assert_eq!(suspicion.look(&suspects, of, THEN), None, "once for each change");
        suspicion.acquit(&suspects);
        assert_eq!(suspicion.look(&suspects, of, THEN), Some(Verdict::Clear));
        accuse(&suspects, b"boom", true);
        accuse(&suspects, b"boom", false); // late news of the first death
        let boom = inputs(b"boom");
        let of = Of { inputs: &boom, ..of };
        let mut proven = Suspicion::default();
        assert_eq!(proven.look(&suspects, of, THEN), Some(Verdict::Refused));
        proven.acquit(&suspects);
        assert_eq!(verdict(&suspects, 1, b"boom", THEN), Some(Verdict::Refused));
    }

    #[test]
    fn no_two_gateways_know_an_input_by_the_same() {
        let (one, other, boom) = (Suspects::default(), Suspects::default(), inputs(b"boom"));
        let of = Of { model: "m", version: Version(1), inputs: &boom, on_device: None };
        let print = |suspects| Suspicion::default().print(suspects, of);
        assert_eq!(print(&one), print(&one));
        assert_ne!(print(&one), print(&other));
    }

    #[test]
    fn the_oldest_makes_room() {
        let suspects = Suspects::default();
        let inputs = inputs(b"boom");
        for version in 0..=u64::try_from(MOST).unwrap() {
            let of = Of { model: "m", version: Version(version), inputs: &inputs, on_device: None };
            Suspicion::default().accuse(&suspects, of, version == 0, THEN);
        }
        assert_eq!(verdict(&suspects, 0, b"boom", THEN), Some(Verdict::Refused), "but not who is proven");
        assert_eq!(verdict(&suspects, 1, b"boom", THEN), Some(Verdict::Clear));
        assert_eq!(verdict(&suspects, 2, b"boom", THEN), Some(Verdict::Alone(THEN.plus(QUARANTINE))));
    }
}
