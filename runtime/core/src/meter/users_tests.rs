use super::*;
use std::num::NonZeroU64;

const FAILED: usize = 0;
const SLOW: usize = 4;

fn who(number: u64) -> Option<User> {
    // Another seat and another bit for each.
    NonZeroU64::new(number << 32 | number).map(User)
}

fn at(seconds: u64) -> Tick {
    Tick::default().plus(Duration::from_secs(seconds))
}

fn failing() -> Shares {
    said(Says::Failed, None)
}

fn fine() -> Shares {
    said(Says::Answered, Some([true, false, false, false]))
}

/// Units so far, of failures.
#[derive(Default)]
struct Sum(u32, f64);

impl Sum {
    fn add(&mut self, whole: impl IntoIterator<Item = Shares>) {
        for share in whole.into_iter().filter_map(|shares| shares[FAILED]) {
            *self = Sum(self.0 + 1, self.1 + share);
        }
    }
}

#[test]
fn what_a_request_says_of_each_number() {
    let none = None;
    let table = [
        (Says::Answered, [Some(0.0), Some(0.0), Some(0.0)]),
        (Says::Failed, [Some(1.0), Some(0.0), none]),
        (Says::Missed, [none, Some(1.0), none]),
        (Says::Refused, [none, none, Some(1.0)]),
        (Says::Nothing, [none, none, none]),
    ];
    for (says, want) in table {
        let shares = said(says, None);
        assert_eq!((&shares[..3], &shares[3..]), (&want[..], &[none; 5][..]), "{says:?}");
    }
    assert_eq!(fine()[SLOW..], [Some(1.0), Some(0.0), Some(0.0), Some(0.0)]);
    assert_eq!(disagreed(0.25), [none, none, none, Some(0.25), none, none, none, none]);
}

#[test]
fn a_user_speaks_once_however_much_he_asks() {
    let mut users = Users::default();
    for _ in 1..REQUESTS {
        assert_eq!(users.heard(who(1), &failing(), at(0)), None);
    }
    let whole = users.heard(who(1), &fine(), at(1)).unwrap();
    assert_eq!((whole[FAILED], whole[SLOW]), (Some(0.95), Some(1.0)), "of those that say anything of it");
    for second in 0..500 {
        assert_eq!(users.heard(who(1), &failing(), at(second)), None);
    }
    assert!(users.overdue(at(1000)).is_empty());
}

#[test]
fn one_who_asks_seldom_has_said_it_after_a_minute() {
    let mut users = Users::default();
    assert_eq!(users.heard(who(1), &failing(), at(5)), None);
    assert_eq!(users.heard(who(2), &fine(), at(30)), None);
    assert!(users.overdue(at(64)).is_empty());
    let [whole] = users.overdue(at(65)).try_into().unwrap();
    assert_eq!(whole[FAILED], Some(1.0));
    let whole = users.heard(who(2), &failing(), at(90)).unwrap();
    assert_eq!(whole[FAILED], Some(0.0), "what comes after that minute is not heard");
    assert!(users.overdue(at(999)).is_empty());
}

/// The product's own simulation has no bursts among users; these are such.
#[test]
fn what_one_run_breaks_is_one_unit_at_most_whomever_it_hit() {
    let mut users = Users::default();
    let mut sum = Sum::default();
    users.ran(16);
    for number in 1..=160 {
        let says = if number <= 16 { failing() } else { fine() };
        assert_eq!(users.heard(who(number), &says, at(0)), None);
    }
    sum.add(users.overdue(at(60)));
    assert_eq!(sum.0, 10);
    assert!((sum.1 - 1.0).abs() < 1e-9, "{}", sum.1);
}

/// Else a version that has not failed yet would be heard by another rule than one that has.
#[test]
fn how_many_units_there_are_is_no_matter_of_how_runs_end() {
    let counted = |fails: &dyn Fn(u64) -> bool| {
        let (mut users, mut sum) = (Users::default(), Sum::default());
        for run in 0..40 {
            users.ran(16);
            let says = if fails(run) { failing() } else { fine() };
            (0..16).for_each(|one| sum.add(users.heard(who(1 + 16 * run + one), &says, at(run))));
        }
        sum.add(users.overdue(at(600)));
        sum
    };
    let (none, late, all) = (counted(&|_| false), counted(&|run| run > 35), counted(&|_| true));
    assert_eq!(((none.0, none.1), (late.0, late.1), (all.0, all.1)), ((40, 0.0), (40, 4.0), (40, 40.0)));
}

/// A dice throws who answers each of them, so that they are somebody else each time.
#[test]
fn who_says_not_who_he_is_is_a_user_of_one_request() {
    let mut users = Users::default();
    assert_eq!(users.heard(None, &failing(), at(0)).unwrap()[FAILED], Some(1.0));
    assert_eq!(users.heard(None, &fine(), at(0)).unwrap()[FAILED], Some(0.0));
    users.ran(2);
    assert_eq!(users.heard(None, &failing(), at(0)).unwrap()[FAILED], None);
    assert_eq!(users.heard(None, &fine(), at(0)).unwrap()[FAILED], Some(0.5));
}

/// Else heavy users would be heard more where there is less room.
#[test]
fn whom_there_is_no_seat_for_is_never_heard_however_often_he_asks() {
    let mut users = Users::default();
    let crowd = |number: u64| NonZeroU64::new(number).map(User); // all of the first seats
    for number in 1..=6 {
        assert_eq!(users.heard(crowd(number), &failing(), at(0)), None);
    }
    assert_eq!(users.overdue(at(60)).len(), CHOICE);
    for number in 1..=7 {
        for _ in 0..100 {
            assert!(users.heard(crowd(number), &fine(), at(61)).is_none(), "{number}");
            if number == 7 {
                break; // he is new
            }
        }
    }
    assert_eq!(users.overdue(at(130)).len(), 1);
}

/// Whom a false hit leaves out is a matter of his hash: of two kinds of users as many are left out.
#[test]
fn of_a_million_users_most_are_heard_and_the_rate_is_theirs() {
    let mut users = Users::default();
    let mut sum = Sum::default();
    let mut state = 7_u64;
    let mut bad = 0;
    for count in 0..1_000_000_u64 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let user = NonZeroU64::new(state ^ state >> 29).map(User);
        // One in a hundred always fails, and asks ten times as often.
        let (is_bad, asks) = if count % 100 == 0 { (true, REQUESTS) } else { (false, 2) };
        bad += u64::from(is_bad);
        let says = if is_bad { failing() } else { fine() };
        for _ in 0..asks {
            sum.add(users.heard(user, &says, at(count / 25)));
        }
    }
    sum.add(users.overdue(at(1_000_000)));
    assert!((800_000..1_000_000).contains(&sum.0), "{}", sum.0);
    let rate = sum.1 / f64::from(sum.0);
    assert!((0.0095..0.0105).contains(&rate), "{rate} of {bad}");
}

/// Of so many pairs of arms that are the same, how many differ by more than 1.96 deviations: one in twenty would by
/// chance. Each run has sixteen users who ask once, and one in twenty fails for all of them. `rows`: of which it is known
/// how many it has.
fn differing(pairs: u64, rows: u32) -> u64 {
    let arm = |dice: &mut fastrand::Rng| {
        let (mut users, mut sum) = (Users::default(), Sum::default());
        for run in 0..100 {
            users.ran(rows);
            let says = if dice.f64() < 0.05 { failing() } else { fine() };
            for _ in 0..16 {
                // Some have spoken before the first run fails.
                sum.add(users.heard(NonZeroU64::new(dice.u64(1..)).map(User), &says, at(10 * run)));
            }
        }
        sum.add(users.overdue(at(2000)));
        (f64::from(sum.0), sum.1)
    };
    let differs = |seed: &u64| {
        let mut dice = fastrand::Rng::with_seed(*seed);
        let ((n, x), (m, y)) = (arm(&mut dice), arm(&mut dice));
        let rate = (x + y) / (n + m);
        (x / n - y / m).abs() > 1.96 * (rate * (1.0 - rate) * (1.0 / n + 1.0 / m)).sqrt()
    };
    (0..pairs).filter(differs).count().try_into().unwrap()
}

#[test]
fn users_whom_one_run_broke_are_no_evidence_against_a_version_that_is_the_same() {
    let (told, untold) = (differing(200, 16), differing(200, 1));
    assert!(told <= 20, "{told} of 200");
    assert!(untold > 80, "{untold} of 200: each user was counted as if runs broke one alone");
}
