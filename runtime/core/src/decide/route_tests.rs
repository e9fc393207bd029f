use super::*;
use crate::decide::policy::{Fact, Rule, Sticky};

const ONE: Version = Version(1);
const TWO: Version = Version(2);
const OFF: Version = Version(3);

fn policy(shares: &[(Version, u32)]) -> ModelPolicy {
    ModelPolicy::of(shares)
}

#[test]
fn picks() {
    use Standing::{Down, OnDemand, Returning, Up};
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
        ("on demand, nobody takes its traffic", None, 9_000, [Up, OnDemand, Up], got(TWO, Why::Weighted)),
        ("nor asks for it without need", None, 9_000, [OnDemand, Down, Up], None),
        ("pinned, on demand", Some(TWO), 0, [Up, OnDemand, Up], got(TWO, Why::Pinned)),
        ("no share, no traffic", None, 0, [Down, Down, Up], None),
        ("pinned without a share", Some(OFF), 0, [Up, Up, Up], got(OFF, Why::Pinned)),
        ("pinned, coming back", Some(TWO), 0, [Up, Returning, Up], got(TWO, Why::Pinned)),
        ("pinned and down", Some(TWO), 0, [Up, Down, Up], None),
    ];
    for (name, pinned, draw, up, want) in cases {
        let standing = |version: Version| up[usize::try_from(version.0).unwrap() - 1];
        assert_eq!(pick(&policy, pinned, &Facts::default(), || draw, standing), want, "{name}");
    }
}

/// All draws, so there is no tolerance to argue about.
#[test]
fn shares_are_exact() {
    let policy = policy(&[(ONE, 9_000), (TWO, 1_000)]);
    let two = |draw: &u64| {
        pick(&policy, None, &Facts::default(), || *draw, |_| Standing::Up).unwrap().version == TWO
    };
    assert_eq!((0..u64::from(Share::FULL)).filter(two).count(), 1_000);
}

#[test]
fn one_version_needs_no_dice() {
    let policy = policy(&[(ONE, 10_000)]);
    let picked = pick(&policy, None, &Facts::default(), || panic!("nothing to draw for"), |_| Standing::Up);
    assert_eq!(picked.unwrap().version, ONE);
    assert_eq!(pick(&ModelPolicy::of(&[]), None, &Facts::default(), || 0, |_| Standing::Up), None);
}

/// Rules for versions one and four of four, and values of `user` that stick to one and two.
fn deciding() -> ModelPolicy {
    let mut policy = policy(&[(ONE, 5_000), (TWO, 5_000), (OFF, 0), (FOUR, 0)]);
    let rule = |name: &str, value: &str, version| Rule {
        fact: Fact::Header(name.into()),
        value: value.into(),
        version,
    };
    policy.rules = vec![rule("team", "red", FOUR), rule("beta", "yes", ONE), rule("team", "blue", OFF)];
    policy.sticky = Some(Sticky { fact: Fact::Header("user".into()), salt: "s".into() });
    policy
}

const FOUR: Version = Version(4);

#[test]
fn rules_go_before_what_is_sticky_and_that_before_the_weights() {
    use Standing::{Down, Returning, Up};
    let policy = deciding();
    let got = |version, why| Some(Pick { version, why });
    let home = |user: &str| {
        let headers = [("user".into(), user.into())];
        pick(&policy, None, &Facts { headers: &headers, parameters: &[] }, || panic!("no dice"), |_| Up)
    };
    // Values that belong to one and to two.
    let of = |version| {
        (0..64).map(|at| at.to_string()).find(|user| home(user) == got(version, Why::Sticky)).unwrap()
    };
    let (mine, yours) = (of(ONE), of(TWO));
    let (mine, yours) = (mine.as_str(), yours.as_str());
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], [Standing; 4], Option<Pick>);
    let cases: &[Case<'_>] = &[
        ("nothing", &[], [Up; 4], got(TWO, Why::Weighted)),
        ("another value", &[("team", "green")], [Up; 4], got(TWO, Why::Weighted)),
        ("a rule", &[("team", "red")], [Up; 4], got(FOUR, Why::Ruled)),
        ("the last rule", &[("team", "blue")], [Up; 4], got(OFF, Why::Ruled)),
        ("two rules, the first", &[("beta", "yes"), ("team", "red")], [Up; 4], got(FOUR, Why::Ruled)),
        ("two rules, the first", &[("team", "blue"), ("beta", "yes")], [Up; 4], got(ONE, Why::Ruled)),
        ("a rule before sticky", &[("user", yours), ("beta", "yes")], [Up; 4], got(ONE, Why::Ruled)),
        ("sticky before weights", &[("user", mine)], [Up; 4], got(ONE, Why::Sticky)),
        ("its owner is down", &[("user", mine)], [Down, Up, Up, Up], got(TWO, Why::Fallback)),
        ("and comes back", &[("user", mine)], [Returning, Down, Up, Up], got(ONE, Why::Sticky)),
        ("a rule's is down: drawn", &[("team", "red")], [Up, Up, Up, Down], got(TWO, Why::Fallback)),
        ("and the drawn one too", &[("team", "red")], [Up, Down, Up, Down], got(ONE, Why::Fallback)),
        (
            "a rule's is down: sticky",
            &[("team", "red"), ("user", mine)],
            [Up, Up, Up, Down],
            got(ONE, Why::Fallback),
        ),
        ("a rule's comes back", &[("team", "red")], [Up, Up, Up, Returning], got(TWO, Why::Fallback)),
        ("and is the only one", &[("team", "red")], [Down, Down, Up, Returning], got(FOUR, Why::Ruled)),
        ("a share comes back", &[("team", "red")], [Down, Returning, Up, Down], got(TWO, Why::Fallback)),
        ("nobody with a share", &[("team", "red")], [Down, Down, Up, Down], None),
    ];
    for (name, headers, up, want) in cases {
        let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let facts = Facts { headers: &headers, parameters: &[] };
        let standing = |version: Version| up[usize::try_from(version.0).unwrap() - 1];
        assert_eq!(pick(&policy, None, &facts, || 5_000, standing), *want, "{name}");
    }
    let headers = [("team".into(), "red".into())];
    let facts = Facts { headers: &headers, parameters: &[] };
    let pinned = pick(&policy, Some(OFF), &facts, || 0, |_| Up);
    assert_eq!(pinned, got(OFF, Why::Pinned), "who is pinned is asked nothing");
}

/// The next best of a value is the one that it would belong to without its owner.
#[test]
fn a_value_whose_owner_is_down_goes_where_it_would_be_without_it() {
    let facts = |user: usize| [("user".into(), user.to_string().into())];
    let mut with = policy(&[(ONE, 4_000), (TWO, 3_000), (FOUR, 3_000)]);
    with.sticky = deciding().sticky;
    let mut without = policy(&[(TWO, 3_000), (FOUR, 3_000)]);
    without.sticky = deciding().sticky;
    let mut moved = [0, 0];
    for user in 0..2_000 {
        let headers = facts(user);
        let facts = Facts { headers: &headers, parameters: &[] };
        let home = pick(&with, None, &facts, || 0, |_| Standing::Up).unwrap();
        let down = |version| if version == ONE { Standing::Down } else { Standing::Up };
        let now = pick(&with, None, &facts, || 0, down).unwrap();
        if home.version == ONE {
            assert_eq!(now.why, Why::Fallback);
            moved[usize::from(now.version == FOUR)] += 1;
        } else {
            assert_eq!(now, home, "user {user} has no reason to move");
        }
        let meant = pick(&without, None, &facts, || 0, |_| Standing::Up).unwrap();
        assert_eq!(now.version, meant.version, "user {user}");
    }
    assert!(moved.iter().all(|count| *count > 300), "both take some: {moved:?}");
}

#[test]
fn who_carries_no_value_is_drawn() {
    let policy = deciding();
    let drawn = pick(&policy, None, &Facts::default(), || 4_999, |_| Standing::Up);
    assert_eq!(drawn, Some(Pick { version: ONE, why: Why::Weighted }));
}
