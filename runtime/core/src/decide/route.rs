//! Which version answers: the pinned one, one that a rule names, the one that a value belongs to, or one by weight. The
//! dice are an argument.

use super::facts::Facts;
use super::policy::{ModelPolicy, Share};
use super::sticky::Key;
use crate::base::units::Version;

/// What is known of a version's carriers at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A carrier takes calls.
    Up,
    /// The last carrier was lost a moment ago and is being replaced: calls may wait for it.
    Returning,
    /// It is loaded because somebody asks for it: its calls wait, and go to no other.
    OnDemand,
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Pinned,
    /// A rule of the table names its version.
    Ruled,
    /// Its version has all requests with this value.
    Sticky,
    Weighted,
    /// The version that it should have cannot answer; another that has a share does.
    Fallback,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    pub version: Version,
    pub why: Why,
}

/// Among the versions that have a share, who comes first.
enum Order {
    /// By what a value scores with each.
    Key(Key),
    /// Who was drawn, and then the table's order.
    Drawn(Option<Version>),
}

impl Order {
    fn first(&self, shares: &[Share], may: impl Fn(Version) -> bool) -> Option<Version> {
        match self {
            Order::Drawn(Some(version)) if may(*version) => return Some(*version),
            Order::Drawn(_) | Order::Key(_) => {}
        }
        let mut open = shares.iter().filter(|share| share.share > 0 && may(share.version));
        let first = match self {
            Order::Drawn(_) => open.next(),
            Order::Key(key) => open.min_by_key(|share| (key.score(share), share.version)),
        };
        first.map(|share| share.version)
    }
}

/// `None`: nobody can answer. A pinned version is never replaced by another; otherwise a rule goes before what is
/// sticky, and that before the weights. `draw` is any number; only its remainder by 10000 matters, and it is asked for
/// only when there is a choice.
pub fn pick(
    policy: &ModelPolicy,
    pinned: Option<Version>,
    facts: &Facts<'_>,
    draw: impl FnOnce() -> u64,
    standing: impl Fn(Version) -> Standing,
) -> Option<Pick> {
    if let Some(version) = pinned {
        return (standing(version) != Standing::Down).then_some(Pick { version, why: Why::Pinned });
    }
    let shares = policy.shares();
    let ruled = policy.ruled(facts).map(|version| Pick { version, why: Why::Ruled });
    if ruled.is_some_and(|pick| matches!(standing(pick.version), Standing::Up | Standing::OnDemand)) {
        return ruled;
    }
    let (order, why) = match (shares, policy.sticky(facts)) {
        ([only], _) => (Order::Drawn(Some(only.version)), Why::Weighted),
        (_, Some(key)) => (Order::Key(key), Why::Sticky),
        (_, None) => (Order::Drawn(owner(shares, draw() % u64::from(Share::FULL))), Why::Weighted),
    };
    let meant = || order.first(shares, |_| true).map(|version| Pick { version, why });
    let first = ruled.or_else(meant)?;
    let fallback = |wanted| {
        let version = order.first(shares, |one| one != first.version && standing(one) == wanted)?;
        Some(Pick { version, why: Why::Fallback })
    };
    match standing(first.version) {
        Standing::Up | Standing::OnDemand => Some(first),
        // Whoever can answer now is better than waiting for who should.
        Standing::Returning => fallback(Standing::Up).or(Some(first)),
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
#[path = "route_tests.rs"]
mod tests;
