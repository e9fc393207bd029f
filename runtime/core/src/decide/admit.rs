//! Whether a request that comes now can be answered in time.

use crate::base::units::{Rows, Tick};
use std::time::Duration;

/// What one is told that was not begun, for it would have been late.
pub const TOO_LATE: &str =
    "the deadline would pass before the model is through with the request, so that it was not begun";

/// A caller's clock and ours are some way apart: answers are planned for a twentieth of a request's time before its
/// deadline, and for no more than this.
const AHEAD: Duration = Duration::from_millis(5);

/// Of those who came lately and would overtake, so many are thought to come again: one who is refused too many leaves a
/// device idle, one too few waits in vain, which costs it nothing. Of the shares tried in virtual time, this loses no
/// goodput at any load.
const COME_AGAIN: f64 = 0.5;

/// They take at most so much of the time: what is believed must not turn everybody else away for ever.
const MOST_TAKEN: f64 = 0.75;

/// When an answer is planned to be there.
pub fn aim(arrived: Tick, deadline: Tick) -> Tick {
    if deadline == Tick::NEVER {
        return Tick::NEVER;
    }
    deadline.minus((deadline.since(arrived) / 20).min(AHEAD))
}

/// What a version has to do before it comes to a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Rows that wait in the gateway, of those that go before it.
    pub ahead: u64,
    /// Rows that hosts have.
    pub in_flight: u64,
    /// And of those, not of a lower priority. They are thought to be spread over what runs and what waits there.
    pub not_after: u64,
    /// Batches that run at once, in all hosts together.
    pub devices: u32,
    pub max_rows: Rows,
    /// Rows a second that will overtake it.
    pub overtaking: f64,
}

/// How long the answer takes, as far as the times of the last batches tell: what is left of the batch that runs, full
/// batches of all that waits before it and that overtakes it meanwhile, and its own, which will be full too where the one that runs is. `since`: how
/// long ago a batch ended. Nothing if nothing is before it: whoever finds the device idle is served, whatever is
/// believed.
pub fn wait(load: Load, rows: Rows, since: Duration, time: impl Fn(Rows) -> Duration) -> Duration {
    if load.ahead.saturating_add(load.in_flight) == 0 {
        return Duration::ZERO;
    }
    let devices = u64::from(load.devices.max(1));
    let full = u64::from(load.max_rows.get().max(1));
    let together = full.saturating_mul(devices);
    let running = load.in_flight.min(together);
    let in_hosts = share(load.not_after, load.in_flight - running, load.in_flight);
    let waiting = load.ahead.saturating_add(in_hosts);
    let own = match running == together {
        true => full,
        false => (waiting % full).saturating_add(rows.get().into()).min(full),
    };
    let of = |rows: u64| time(Rows::new(u32::try_from(rows).unwrap_or(u32::MAX)));
    let begun = of(running.div_ceil(devices));
    // Of several, some have just begun and some are through.
    let left = if devices == 1 { begun.saturating_sub(since) } else { begun / 2 };
    let batches = u32::try_from(waiting / together).unwrap_or(u32::MAX);
    let before = left.saturating_add(of(full).saturating_mul(batches));
    let overtaking = COME_AGAIN * load.overtaking;
    let taken = (overtaking * of(full).as_secs_f64() / as_float(together)).clamp(0.0, MOST_TAKEN);
    let before = before.as_secs_f64() / (1.0 - taken);
    Duration::try_from_secs_f64(before).unwrap_or(Duration::MAX).saturating_add(of(own))
}

/// Rows are few.
#[allow(clippy::cast_precision_loss, reason = "an estimate")]
fn as_float(rows: u64) -> f64 {
    rows as f64
}

/// `part` of `whole`, times `of`.
fn share(of: u64, part: u64, whole: u64) -> u64 {
    let share = u128::from(of) * u128::from(part) / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 10 for any batch, and 1 for each row.
    fn time(rows: Rows) -> Duration {
        Duration::from_nanos(10 + u64::from(rows.get()))
    }

    #[test]
    fn what_is_before_it_runs_in_full_batches() {
        let load = |ahead, in_flight, not_after, devices| Load {
            ahead,
            in_flight,
            not_after,
            devices,
            max_rows: Rows::new(8),
            overtaking: 0.0,
        };
        let table = [
            ("nothing before it", load(0, 0, 0, 1), 0, 0),
            ("one that runs by itself", load(0, 1, 1, 1), 4, 7 + 11),
            ("it runs for longer than was expected", load(0, 1, 1, 1), 40, 11),
            ("behind a full batch", load(0, 8, 8, 1), 4, 14 + 18),
            ("and one that waits", load(8, 8, 8, 1), 4, 14 + 18 + 18),
            ("half a batch waits", load(4, 8, 8, 1), 4, 14 + 18),
            ("a batch waits in the host", load(0, 16, 16, 1), 4, 14 + 18 + 18),
            ("of others that it overtakes", load(0, 16, 4, 1), 4, 14 + 18),
            ("on two devices", load(16, 16, 16, 2), 4, 9 + 18 + 18),
            ("nobody said how many devices", load(8, 8, 8, 0), 4, 14 + 18 + 18),
        ];
        for (name, load, since, want) in table {
            let wait = wait(load, Rows::new(1), Duration::from_nanos(since), time);
            assert_eq!(wait, Duration::from_nanos(want), "{name}");
        }
    }

    #[test]
    fn an_answer_is_planned_for_a_little_before_its_deadline() {
        let at = |ms: u64| Tick::from_nanos(ms * 1_000_000);
        let table =
            [(0, 40, 38), (60, 100, 98), (0, 100, 95), (0, 10_000, 9_995), (50, 50, 50), (60, 50, 50)];
        for (arrived, deadline, want) in table {
            assert_eq!(aim(at(arrived), at(deadline)), at(want), "{arrived} to {deadline}");
        }
        assert_eq!(aim(at(1), Tick::NEVER), Tick::NEVER);
    }

    #[test]
    fn who_is_overtaken_waits_longer() {
        let load = Load {
            ahead: 0,
            in_flight: 2,
            not_after: 2,
            devices: 1,
            max_rows: Rows::new(1),
            overtaking: 0.0,
        };
        let second = Duration::from_secs(1);
        let wait = |overtaking| wait(Load { overtaking, ..load }, Rows::new(1), Duration::ZERO, |_| second);
        let table = [(0.0, 3), (1.0, 5), (10.0, 9)];
        for (rate, seconds) in table {
            assert_eq!(wait(rate).as_secs_f64().round().to_bits(), f64::from(seconds).to_bits(), "{rate}");
        }
    }

    proptest! {
        #[test]
        fn more_before_it_is_never_a_shorter_wait(
            ahead in 1..u64::MAX / 4, more in 0..u64::MAX / 4, in_flight: u64, not_after: u64, devices: u32,
            max_rows: u32, since: u64, nanos: u64, overtaking: f64,
        ) {
            let load = |ahead| Load { ahead, in_flight, not_after, devices, max_rows: Rows::new(max_rows), overtaking };
            let wait = |ahead| wait(load(ahead), Rows::new(1), Duration::from_nanos(since), |_| Duration::from_nanos(nanos));
            prop_assert!(wait(ahead) <= wait(ahead + more));
        }
    }
}
