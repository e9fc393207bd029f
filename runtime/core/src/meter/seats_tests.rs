use super::*;
use std::num::NonZeroU64;

type Two = Seats<2>;

const BAD: Said<2> = [Some(1.0), None];
const FINE: Said<2> = [Some(0.0), Some(1.0)];

fn who(number: u64) -> Option<User> {
    // Another seat and another bit for each.
    NonZeroU64::new(number << 32 | number).map(User)
}

fn at(seconds: u64) -> Tick {
    Tick::default().plus(Duration::from_secs(seconds))
}

#[test]
fn a_user_speaks_once_however_much_he_asks() {
    let mut seats = Two::default();
    let whole = |seats: &mut Two, said, second| seats.heard(who(1), &said, at(second)).whole;
    for _ in 1..REQUESTS {
        assert_eq!(whole(&mut seats, BAD, 0), None);
    }
    let share = Some([Some(0.95), Some(1.0)]);
    assert_eq!(whole(&mut seats, FINE, 1), share, "of those that say anything of it");
    for second in 0..500 {
        assert_eq!(seats.heard(who(1), &BAD, at(second)), Spoken { first: [None; 2], whole: None });
    }
    assert!(seats.overdue(at(1000)).is_empty());
}

#[test]
fn what_he_says_first_is_told_at_once_and_once_by_each_number() {
    let mut seats = Two::default();
    let mut first = |said| seats.heard(who(1), &said, at(0)).first;
    assert_eq!(
        [first([None; 2]), first(BAD), first(FINE), first(FINE)],
        [[None; 2], BAD, [None, Some(1.0)], [None; 2]]
    );
    assert_eq!(seats.heard(None, &BAD, at(0)), Spoken { first: BAD, whole: Some(BAD) });
}

#[test]
fn one_who_asks_seldom_has_said_it_after_a_minute() {
    let mut seats = Two::default();
    assert_eq!(seats.heard(who(1), &BAD, at(5)).whole, None);
    assert_eq!(seats.heard(who(2), &FINE, at(30)).whole, None);
    assert!(seats.overdue(at(64)).is_empty());
    assert_eq!(seats.overdue(at(65)), [BAD]);
    let late = Spoken { first: [None; 2], whole: Some(FINE) };
    assert_eq!(seats.heard(who(2), &BAD, at(90)), late, "what comes after that minute is not heard");
    assert!(seats.overdue(at(999)).is_empty());
}

/// Else heavy users would be heard more where there is less room.
#[test]
fn whom_there_is_no_seat_for_is_never_heard_however_often_he_asks() {
    let mut seats = Two::default();
    let crowd = |number: u64| NonZeroU64::new(number).map(User); // all of the first seats
    for number in 1..=6 {
        assert_eq!(seats.heard(crowd(number), &BAD, at(0)).whole, None);
    }
    assert_eq!(seats.overdue(at(60)).len(), CHOICE);
    for number in 1..=7 {
        for _ in 0..100 {
            assert_eq!(seats.heard(crowd(number), &FINE, at(61)).whole, None, "{number}");
            if number == 7 {
                break; // he is new
            }
        }
    }
    assert_eq!(seats.overdue(at(130)).len(), 1);
}

/// Whom a false hit leaves out is a matter of his hash: of two kinds of users as many are left out.
#[test]
fn of_a_million_users_most_are_heard_and_the_rate_is_theirs() {
    let mut seats = Two::default();
    let (mut heard, mut sum) = (0, 0.0);
    let mut add = |whole: &[Said<2>]| {
        heard += whole.len();
        sum += whole.iter().filter_map(|[share, _]| *share).sum::<f64>();
    };
    let mut state = 7_u64;
    for count in 0..1_000_000_u64 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let user = NonZeroU64::new(state ^ state >> 29).map(User);
        // One in a hundred always fails, and asks ten times as often.
        let (says, asks) = if count % 100 == 0 { (BAD, REQUESTS) } else { (FINE, 2) };
        for _ in 0..asks {
            add(seats.heard(user, &says, at(count / 25)).whole.as_slice());
        }
    }
    add(&seats.overdue(at(1_000_000)));
    assert!((800_000..1_000_000).contains(&heard), "{heard}");
    let rate = sum / f64::from(u32::try_from(heard).unwrap());
    assert!((0.0095..0.0105).contains(&rate), "{rate}");
}

/// As docs/rollouts.md says it: of requests by seven numbers, and of copies by one.
#[test]
fn what_both_tables_of_a_version_take() {
    fn bytes<const N: usize>() -> usize {
        SEATS * size_of::<Option<Heard<N>>>() + usize::try_from(BITS / 8).unwrap()
    }
    assert_eq!(bytes::<7>() + bytes::<1>(), 1_966_080);
}
