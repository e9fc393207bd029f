//! Which version answers: the pinned one, or one by weight. The dice are an argument.

use super::policy::{ModelPolicy, Share};
use crate::base::units::Version;

/// What is known of a version's carriers at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A carrier takes calls.
    Up,
    /// The last carrier was lost a moment ago and is being replaced: calls may wait for it.
    Returning,
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Pinned,
    Weighted,
    /// The drawn version cannot answer; another that has a share does.
    Fallback,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    pub version: Version,
    pub why: Why,
}

/// `None`: nobody can answer. A pinned version is never replaced by another. `draw` is any number; only its
/// remainder by 10000 matters, and it is asked for only when there is a choice.
pub fn pick(
    policy: &ModelPolicy,
    pinned: Option<Version>,
    draw: impl FnOnce() -> u64,
    standing: impl Fn(Version) -> Standing,
) -> Option<Pick> {
    if let Some(version) = pinned {
        return (standing(version) != Standing::Down).then_some(Pick { version, why: Why::Pinned });
    }
    let shares = policy.shares();
    let first = match shares {
        [only] => only.version,
        _ => owner(shares, draw() % u64::from(Share::FULL))?,
    };
    let others = || shares.iter().filter(|share| share.share > 0 && share.version != first);
    let fallback = |wanted| {
        let other = others().find(|share| standing(share.version) == wanted)?;
        Some(Pick { version: other.version, why: Why::Fallback })
    };
    let drawn = Pick { version: first, why: Why::Weighted };
    match standing(first) {
        Standing::Up => Some(drawn),
        // Whoever can answer now is better than waiting for who was drawn.
        Standing::Returning => fallback(Standing::Up).or(Some(drawn)),
        Standing::Down => fallback(Standing::Up).or_else(|| fallback(Standing::Returning)),
    }
}

/// The version whose share `point` falls into.
fn owner(shares: &[Share], point: u64) -> Option<Version> {
    let mut upto = 0;
    shares.iter().find_map(|share| {
        upto += u64::from(share.share);
        (point < upto).then_some(share.version)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Version = Version(1);
    const TWO: Version = Version(2);
    const OFF: Version = Version(3);

    fn policy(shares: &[(Version, u32)]) -> ModelPolicy {
        ModelPolicy::of(shares)
    }

    #[test]
    fn picks() {
        use Standing::{Down, Returning, Up};
        let policy = policy(&[(ONE, 9_000), (TWO, 1_000), (OFF, 0)]);
        let got = |version, why| Some(Pick { version, why });
        let cases = [
            ("low draw", None, 0, [Up, Up, Up], got(ONE, Why::Weighted)),
            ("last of one", None, 8_999, [Up, Up, Up], got(ONE, Why::Weighted)),
            ("first of two", None, 9_000, [Up, Up, Up], got(TWO, Why::Weighted)),
            ("the draw wraps", None, 19_000, [Up, Up, Up], got(TWO, Why::Weighted)),
            ("two is down", None, 9_000, [Up, Down, Up], got(ONE, Why::Fallback)),
            ("two comes back, one is there", None, 9_000, [Up, Returning, Up], got(ONE, Why::Fallback)),
            ("both come back", None, 9_000, [Returning, Returning, Up], got(TWO, Why::Weighted)),
            ("one comes back", None, 9_000, [Returning, Down, Up], got(ONE, Why::Fallback)),
            ("no share, no traffic", None, 0, [Down, Down, Up], None),
            ("pinned without a share", Some(OFF), 0, [Up, Up, Up], got(OFF, Why::Pinned)),
            ("pinned, coming back", Some(TWO), 0, [Up, Returning, Up], got(TWO, Why::Pinned)),
            ("pinned and down", Some(TWO), 0, [Up, Down, Up], None),
        ];
        for (name, pinned, draw, up, want) in cases {
            let standing = |version: Version| up[usize::try_from(version.0).unwrap() - 1];
            assert_eq!(pick(&policy, pinned, || draw, standing), want, "{name}");
        }
    }

    /// All draws, so there is no tolerance to argue about.
    #[test]
    fn shares_are_exact() {
        let policy = policy(&[(ONE, 9_000), (TWO, 1_000)]);
        let two = |draw: &u64| pick(&policy, None, || *draw, |_| Standing::Up).unwrap().version == TWO;
        assert_eq!((0..u64::from(Share::FULL)).filter(two).count(), 1_000);
    }

    #[test]
    fn one_version_needs_no_dice() {
        let policy = policy(&[(ONE, 10_000)]);
        let picked = pick(&policy, None, || panic!("nothing to draw for"), |_| Standing::Up);
        assert_eq!(picked.unwrap().version, ONE);
        assert_eq!(pick(&ModelPolicy::of(&[]), None, || 0, |_| Standing::Up), None);
    }
}
