//! Where a sequence is that nobody remembers: rendezvous hashing (Thaler and Ravishankar, "Using name-based mappings to
//! increase hit rates", 1998), so that gateways agree on it without speaking to each other.

use crate::base::sequence::CorrelationId;
use rustc_hash::FxHasher;
use std::hash::{Hash, Hasher};

/// A host, as far as sequences are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<H> {
    pub host: H,
    /// The same for every gateway.
    pub key: u64,
    /// It may get what begins: it does not fail run after run.
    pub trusted: bool,
}

/// Where a sequence of this id is, if nobody knows better. When a host comes, it takes over only what is its own. One
/// that is not trusted has none while another is there; gateways may differ in that, and then a sequence that changes
/// gateways there has to begin anew, as it would have to after a failure.
pub fn home<H: Copy>(id: &CorrelationId, hosts: &[Place<H>]) -> Option<H> {
    hosts.iter().max_by_key(|place| (place.trusted, score(id, place.key))).map(|place| place.host)
}

/// Without a secret, so that gateways agree.
fn score(id: &CorrelationId, key: u64) -> u64 {
    let mut hasher = FxHasher::default();
    (id, key).hash(&mut hasher);
    // Its bits are not mixed well (SplitMix64).
    let mut z = hasher.finish();
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(all: &[u8]) -> Vec<Place<u8>> {
        all.iter().map(|host| Place { host: *host, key: u64::from(*host) + 100, trusted: true }).collect()
    }

    #[test]
    fn ids_are_spread_and_few_move_when_a_host_comes() {
        let count = |all: &[u8], host| {
            (0..3000).filter(|id| home(&CorrelationId::Number(*id), &hosts(all)) == Some(host)).count()
        };
        assert_eq!(home::<u8>(&CorrelationId::Number(1), &[]), None);
        for host in [1, 2, 3] {
            assert!((800..1200).contains(&count(&[1, 2, 3], host)), "{host}: {}", count(&[1, 2, 3], host));
        }
        for id in (0..3000).map(CorrelationId::Number) {
            let (before, after) = (home(&id, &hosts(&[1, 2])), home(&id, &hosts(&[1, 2, 3])));
            assert!(after == before || after == Some(3));
        }
    }

    #[test]
    fn what_begins_goes_to_no_host_that_fails_while_there_is_another() {
        let with = |trusted: [bool; 3]| {
            let mut places = hosts(&[1, 2, 3]);
            places.iter_mut().zip(trusted).for_each(|(place, trusted)| place.trusted = trusted);
            places
        };
        for id in (0..300).map(CorrelationId::Number) {
            assert_eq!(home(&id, &with([true, false, true])), home(&id, &hosts(&[1, 3])));
            assert_eq!(home(&id, &with([false, true, false])), Some(2));
            assert_eq!(home(&id, &with([false; 3])), home(&id, &hosts(&[1, 2, 3])), "nobody else is there");
        }
    }
}
