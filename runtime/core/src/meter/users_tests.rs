use super::*;
use std::num::NonZeroU64;
use std::time::Duration;

const FAILED: usize = 0;

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
        (Says::Failed, [Some(1.0), none, Some(0.0)]),
        (Says::Missed, [none, none, Some(1.0)]),
        (Says::Refused, [none, Some(1.0), none]),
        (Says::Nothing, [none, none, none]),
    ];
    for (says, [failed, refused, missed]) in table {
        let shares = said(says, None);
        assert_eq!(shares, [failed, refused, none, none, none, none, missed], "{says:?}");
    }
    assert_eq!(fine()[2..6], [Some(1.0), Some(0.0), Some(0.0), Some(0.0)]);
}

/// The product's own simulation has no bursts among users; these are such.
#[test]
fn what_one_run_breaks_is_one_unit_at_most_whomever_it_hit() {
    let mut users = Users::default();
    let mut sum = Sum::default();
    users.ran(16);
    for number in 1..=160 {
        let says = if number <= 16 { failing() } else { fine() };
        assert_eq!(users.heard(who(number), &says, at(0)).whole, None);
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
            (0..16).for_each(|one| sum.add(users.heard(who(1 + 16 * run + one), &says, at(run)).whole));
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
    let mut fails = |says| users.heard(None, &says, at(0)).whole.unwrap()[FAILED];
    assert_eq!((fails(failing()), fails(fine())), (Some(1.0), Some(0.0)));
    users.ran(2);
    let mut fails = |says| users.heard(None, &says, at(0)).whole.unwrap()[FAILED];
    assert_eq!((fails(failing()), fails(fine())), (None, Some(0.5)));
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
                let user = NonZeroU64::new(dice.u64(1..)).map(User);
                sum.add(users.heard(user, &says, at(10 * run)).whole);
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
