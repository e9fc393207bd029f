//! Which requests are copied to a shadow.

use super::{
    policy::{Shadow, Share},
    sticky::Key,
};
use crate::base::numbered::numbered;

numbered! {
    /// Why there is no copy of a request, or why it was not sent.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    Cause:
    /// Too many wait.
    Full = 1 "full",
    /// The bytes that shadows may hold are taken, or callers need them.
    Memory = 2 "memory",
    /// It waited for a moment without callers, or for those before it, for too long.
    NoSlack = 3 "no_slack",
    /// The shadow's queue had no room.
    Busy = 4 "busy",
    /// The shadow has no host that serves.
    NotReady = 5 "not_ready",
    /// The request may not run twice: neither the contract nor the operator says so.
    NotRepeatable = 6 "not_repeatable",
    /// The request does not fit the shadow's contract.
    Unfit = 7 "unfit",
    /// It is answered in parts, or was asked in a stream.
    Stream = 8 "stream",
    /// It is of a sequence.
    Sequence = 9 "sequence",
    /// Its tensors are in a client's shared memory.
    SharedMemory = 10 "shared_memory",
    /// It was cut into several.
    Cut = 11 "cut",
    /// It was answered, and whoever compares was too far behind.
    NotCompared = 12 "not_compared",
}

/// Whether a request is in a shadow's share. One that has a `key` is so on every gateway or on none, and stays in it when
/// the share grows; of the others each is drawn (`draw`: any number).
pub fn is_copied(shadow: &Shadow, key: Option<Key>, draw: impl FnOnce() -> u64) -> bool {
    let full = u64::from(Share::FULL);
    if shadow.share >= Share::FULL {
        return true;
    }
    let point = match key {
        Some(key) => {
            u64::try_from((u128::from(key.hash(shadow.version)) * u128::from(full)) >> 64).unwrap_or(0)
        }
        None => draw() % full,
    };
    point < u64::from(shadow.share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::units::Version;

    fn shadow(version: u64, share: u32) -> Shadow {
        Shadow {
            version: Version(version),
            share,
            repeatable: false,
            apart: false,
            keep_worst: 0,
            noise_of_each: false,
        }
    }

    #[test]
    fn who_has_a_key_is_in_the_share_or_is_not() {
        let users: Vec<_> = (0..2000).map(|user| Key::new("shadow", &format!("user-{user}"))).collect();
        let copied = |shadow: &Shadow| -> Vec<bool> {
            users.iter().map(|key| is_copied(shadow, Some(*key), || unreachable!("it has a key"))).collect()
        };
        for share in [100, 1000, 5000, 9000] {
            let count = copied(&shadow(2, share)).iter().filter(|is| **is).count();
            let want = usize::try_from(share / 5).unwrap();
            assert!(count.abs_diff(want) < 80, "{share}: {count}");
        }
        let (few, many) = (copied(&shadow(2, 1000)), copied(&shadow(2, 3000)));
        assert!(few.iter().zip(&many).all(|(few, many)| *many || !few), "whoever is in it stays");
        assert_ne!(few, copied(&shadow(3, 1000)), "each shadow has others");
    }

    #[test]
    fn who_has_none_is_drawn() {
        for (share, draw, want) in [(1, 0, true), (1, 1, false), (5000, 14_999, true), (5000, 5000, false)] {
            assert_eq!(is_copied(&shadow(2, share), None, || draw), want, "{share} {draw}");
        }
        assert!(is_copied(&shadow(2, 10_000), None, || unreachable!("all are")));
    }
}
