use super::*;
use crate::base::units::Version;
use proptest::prelude::*;

fn shares(all: &[(u64, u32)]) -> Vec<Share> {
    all.iter().map(|(version, share)| Share { version: Version(*version), share: *share }).collect()
}

fn owner(key: &Key, shares: &[Share]) -> usize {
    let open = (0..shares.len()).filter(|at| shares[*at].share > 0);
    open.min_by_key(|at| (key.score(&shares[*at]), shares[*at].version)).unwrap()
}

fn keys(count: u32) -> impl Iterator<Item = Key> {
    (0..count).map(|at| Key::new("spring", &format!("user-{at}")))
}

/// The paper's own vector: 15 bytes, with the key 00 01 .. 0f.
#[test]
fn the_hash_is_siphash_2_4() {
    let mut hasher = SipHasher24::new_with_keys(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);
    hasher.write(&[0, 1, 2, 3, 4, 5, 6]);
    hasher.write(&[7, 8, 9, 10, 11, 12, 13, 14]);
    assert_eq!(hasher.finish(), 0xa129_ca61_49be_45e5);
}

/// The table of docs/traffic.md, which the reference in Python is held to as well.
#[test]
fn the_worked_example_is_what_the_core_computes() {
    let page = include_str!("../../../../docs/traffic.md");
    let rows = page.lines().filter(|line| line.starts_with("| `user-"));
    let mut seen = 0;
    for row in rows {
        let cells: Vec<_> =
            row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let number = |at: usize| cells[at].parse::<u64>().unwrap();
        let share = Share { version: Version(number(1)), share: u32::try_from(number(2)).unwrap() };
        let hash = u64::from_str_radix(cells[3], 16).unwrap();
        assert_eq!(
            (distance(hash), Key::new("spring", cells[0]).score(&share)),
            (number(4), Some(number(5))),
            "{row}"
        );
        seen += 1;
    }
    assert_eq!(seen, 6);
}

#[test]
fn a_logarithm_is_close_to_that_of_a_library_and_falls() {
    for hash in [0, 1, 2, 3, 1 << 31, (1 << 32) + 5, u64::MAX / 3, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
        let (ours, theirs) =
            (distance(hash) as f64 / (1_u64 << 32) as f64, 64.0 - ((hash | 1) as f64).log2());
        assert!((ours - theirs).abs() < 2.0_f64.powi(-29), "{hash}: {ours} and {theirs}");
    }
    assert_eq!((distance(0), distance(u64::MAX)), (1 << 38, 2));
}

/// Pearson's statistic against the table's value for one in a thousand. The values are fixed, so it holds or does not.
#[test]
fn values_are_divided_by_weight() {
    let tables: &[(&[u32], f64)] = &[
        (&[5_000, 5_000], 10.83),
        (&[9_000, 1_000], 10.83),
        (&[100, 9_900], 10.83),
        (&[5_000, 3_000, 2_000], 13.82),
    ];
    const COUNT: u32 = 100_000;
    for (weights, limit) in tables {
        let all: Vec<_> = (1..).zip(weights.iter().copied()).collect();
        let shares = shares(&all);
        let mut found = vec![0_u32; shares.len()];
        keys(COUNT).for_each(|key| found[owner(&key, &shares)] += 1);
        let term = |(found, weight): (&u32, &u32)| {
            let want = f64::from(*weight) * f64::from(COUNT) / f64::from(Share::FULL);
            (f64::from(*found) - want).powi(2) / want
        };
        let chi_square: f64 = found.iter().zip(*weights).map(term).sum();
        assert!(chi_square < *limit, "{weights:?}: {found:?}, chi-square {chi_square}");
    }
}

/// With a new salt who had the tenth is independent of who has it: a tenth of a tenth has it again.
#[test]
fn a_new_salt_deals_anew() {
    let shares = shares(&[(1, 9_000), (2, 1_000)]);
    let has = |salt: &str, at: u32| owner(&Key::new(salt, &at.to_string()), &shares) == 1;
    let again = (0..20_000).filter(|at| has("one", *at) && has("two", *at)).count();
    assert!((140..260).contains(&again), "{again} of 20000");
    assert_ne!(Key::new("a", "b").score(&shares[0]), Key::new("", "ab").score(&shares[0]));
}

/// Three versions, twice.
fn tables() -> impl Strategy<Value = ([u32; 3], [u32; 3])> {
    let table = || {
        (0..=Share::FULL, 0..=Share::FULL).prop_map(|(a, b)| {
            let (low, high) = (a.min(b), a.max(b));
            [low, high - low, Share::FULL - high]
        })
    };
    (table(), table())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Of two versions, exactly those values move that have to, and all of them one way.
    #[test]
    fn of_two_versions_the_difference_moves_and_nothing_else(before in 0..=Share::FULL, after in 0..=Share::FULL) {
        let of = |share| shares(&[(1, share), (2, Share::FULL - share)]);
        let (was, is) = (of(before), of(after));
        let (mut left, mut came) = (0, 0);
        for key in keys(4_000) {
            match (owner(&key, &was), owner(&key, &is)) {
                (0, 1) => left += 1,
                (1, 0) => came += 1,
                _ => {}
            }
        }
        let back = if before <= after { left } else { came };
        prop_assert_eq!(back, 0);
        let moved = f64::from(before.abs_diff(after)) / f64::from(Share::FULL);
        let (want, spread) = (4_000.0 * moved, (4_000.0 * moved * (1.0 - moved)).sqrt());
        prop_assert!((f64::from(left + came) - want).abs() <= 5.0 * spread + 1.0, "{} of {want}", left + came);
    }

    /// A value moves only to a version whose share grew by a larger factor than that of the one it leaves.
    #[test]
    fn no_value_moves_against_the_weights((before, after) in tables()) {
        let of = |all: [u32; 3]| shares(&[(1, all[0]), (2, all[1]), (3, all[2])]);
        let (was, is) = (of(before), of(after));
        for key in keys(2_000) {
            let (from, to) = (owner(&key, &was), owner(&key, &is));
            let factor = |to: usize, from: usize| u64::from(after[to]) * u64::from(before[from]);
            prop_assert!(from == to || factor(to, from) > factor(from, to), "{from} to {to}: {before:?}, {after:?}");
        }
    }
}
