//! How many are inside, and whether the door is shut, in one atomic word.

use crate::base::primitive::atomic::{AtomicUsize, Ordering};

/// The top bit: shut. The rest counts.
const SHUT: usize = !(usize::MAX >> 1);

#[derive(Debug, Default)]
pub(super) struct Turnstile {
    word: AtomicUsize,
}

impl Turnstile {
    /// False once shut. Flag and count change in one step: nobody gets in between looking and counting.
    pub(super) fn enter(&self) -> bool {
        let one_more = |word: usize| (word & SHUT == 0).then_some(word + 1);
        self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_ok()
    }

    /// The same, and once shut for as long as somebody is inside.
    pub(super) fn enter_behind(&self) -> bool {
        let one_more = |word: usize| (word != SHUT).then_some(word + 1);
        self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_ok()
    }

    /// True for exactly one caller: the last to leave a place that is shut.
    pub(super) fn leave(&self) -> bool {
        self.word.fetch_sub(1, Ordering::AcqRel) == SHUT + 1
    }

    /// Lets nobody in any more. Returns how many are inside at that moment.
    pub(super) fn shut(&self) -> usize {
        self.word.fetch_or(SHUT, Ordering::AcqRel) & !SHUT
    }

    pub(super) fn is_shut(&self) -> bool {
        self.word.load(Ordering::Acquire) & SHUT != 0
    }

    pub(super) fn inside(&self) -> usize {
        self.word.load(Ordering::Acquire) & !SHUT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// Two threads race for the same word; whoever got in is seen out, and one side only sees the end.
    #[test]
    fn one_side_sees_the_end() {
        for _ in 0..2_000 {
            let door = Arc::new(Turnstile::default());
            let guest = std::thread::spawn({
                let door = Arc::clone(&door);
                move || door.enter().then(|| door.leave())
            });
            let empty_at_shut = door.shut() == 0;
            let last_out = guest.join().unwrap() == Some(true);
            assert!(empty_at_shut != last_out);
            assert!(!door.enter() && door.inside() == 0 && door.is_shut());
        }
    }

    #[test]
    fn only_the_last_out_of_a_shut_place_is_told() {
        let door = Turnstile::default();
        assert!(door.enter() && door.enter());
        assert!(!door.leave(), "not shut yet");
        assert!(door.enter());
        door.shut();
        assert!(!door.leave());
        assert!(door.enter_behind(), "for who is inside");
        assert!(!door.leave());
        assert!(door.leave());
        assert!(!door.enter_behind());
    }
}
