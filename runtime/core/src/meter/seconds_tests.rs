use super::*;
use proptest::prelude::*;

fn at(ms: u64) -> Tick {
    Tick::from_nanos(ms * 1_000_000)
}

#[test]
fn a_second_begins_with_its_first_request_and_is_told_once_it_is_over() {
    let mut second = Second::default();
    assert_eq!(second.over(at(9000)), None, "nobody came");
    let steps = [
        (5_000, Some(true), None),
        (5_400, Some(false), None),
        (5_999, None, None),
        (5_999, Some(false), None),
        (6_000, Some(true), Some(1.0 / 3.0)),
        (6_000, None, None),
        (6_999, Some(true), None),
        (7_000, None, Some(1.0)),
        (7_000, None, None),
        (60_000, Some(false), None),
        (61_500, Some(true), Some(0.0)),
        (90_000, None, Some(1.0)),
    ];
    for (ms, missed, want) in steps {
        let seen = match missed {
            Some(missed) => second.ended(missed, at(ms)),
            None => second.over(at(ms)),
        };
        assert_eq!(seen, want, "{missed:?} after {ms} ms");
    }
}

/// How many seconds an arm has, and how bad they are together.
#[derive(Debug, Default)]
struct Arm {
    second: Second,
    count: f64,
    bad: f64,
}

impl Arm {
    fn takes(&mut self, share: Option<f64>) {
        if let Some(share) = share {
            assert!((0.0..=1.0).contains(&share));
            self.count += 1.0;
            self.bad += share;
        }
    }
}

const SECONDS: u32 = 1000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The same version twice: whether a request is missed is a matter of the second that it ends in.
    #[test]
    fn arms_of_any_size_are_as_bad_in_the_mean(
        seed: u64, of_100 in 3_u32..50, most_requests in 2_u32..80, worst in 0.0..1.0_f64,
    ) {
        let mut dice = fastrand::Rng::with_seed(seed);
        let (mut small, mut large) = (Arm::default(), Arm::default());
        for second in 0..SECONDS {
            let missed = if dice.u32(0..4) == 0 { worst * dice.f64() } else { worst * 0.01 };
            let mut times: Vec<_> = (0..dice.u32(1..most_requests)).map(|_| dice.u64(0..1000)).collect();
            times.sort_unstable();
            for ms in times {
                let arm = if dice.u32(0..100) < of_100 { &mut small } else { &mut large };
                let over = arm.second.ended(dice.f64() < missed, at(u64::from(second) * 1000 + ms));
                arm.takes(over);
            }
        }
        for arm in [&mut small, &mut large] {
            let over = arm.second.over(at(u64::from(SECONDS + 1) * 1000));
            arm.takes(over);
            prop_assert!(arm.count <= f64::from(SECONDS), "{} in {} s", arm.count, SECONDS);
        }
        let mean = (small.bad / small.count, large.bad / large.count);
        // No number from 0 to 1 is further from its mean than a half, in the mean square.
        let deviation = 0.5 * (1.0 / small.count + 1.0 / large.count).sqrt();
        prop_assert!((mean.0 - mean.1).abs() <= 5.0 * deviation, "{:?} of {:?} and {:?}", mean, small, large);
    }
}
