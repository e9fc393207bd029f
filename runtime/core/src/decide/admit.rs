//! Whether a request that comes now can be answered in time.

use crate::base::units::Rows;
use std::time::Duration;

/// What one is told that was not begun, for it would have been late.
pub const TOO_LATE: &str =
    "the deadline would pass before the model is through with the request, so that it was not begun";

/// What a version has to do before it comes to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Rows that wait, of those that go before it.
    pub ahead: u64,
    /// Rows that hosts have.
    pub in_flight: u64,
    /// Batches that run at once, in all hosts together.
    pub devices: u32,
    pub max_rows: Rows,
}

/// How long the answer takes, as far as the times of the last batches tell: full batches of all that is before it,
/// those that run being half done, then one with itself. Nothing if nothing is before it: whoever finds the device
/// idle is served, whatever is believed.
pub fn wait(load: Load, rows: Rows, time: impl Fn(Rows) -> Duration) -> Duration {
    if load.ahead + load.in_flight == 0 {
        return Duration::ZERO;
    }
    let full = as_float(load.max_rows.get().into()).max(1.0);
    let devices = f64::from(load.devices.max(1));
    let running = (as_float(load.in_flight) / full).min(devices);
    let batches = as_float(load.ahead.saturating_add(load.in_flight)) / full - running / 2.0;
    let before = time(load.max_rows).as_secs_f64() * batches / devices;
    Duration::try_from_secs_f64(before).unwrap_or(Duration::MAX).saturating_add(time(rows))
}

/// Rows are far below 2^53, where a float knows each number.
#[allow(clippy::cast_precision_loss, reason = "see above")]
fn as_float(rows: u64) -> f64 {
    rows as f64
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
        let load = |ahead, in_flight, devices| Load { ahead, in_flight, devices, max_rows: Rows::new(8) };
        let table = [
            ("nothing before it", load(0, 0, 1), 0),
            ("behind the one that runs", load(0, 8, 1), 9 + 11),
            ("and one that waits", load(8, 8, 1), 27 + 11),
            ("half a batch", load(4, 8, 1), 18 + 11),
            ("on two devices", load(16, 16, 2), 27 + 11),
            ("nobody said how many devices", load(8, 8, 0), 27 + 11),
        ];
        for (name, load, want) in table {
            assert_eq!(wait(load, Rows::new(1), time), Duration::from_nanos(want), "{name}");
        }
    }

    proptest! {
        #[test]
        fn more_before_it_is_never_a_shorter_wait(
            ahead in 1..u64::MAX / 4, more in 0..u64::MAX / 4, in_flight: u32, devices: u32, max_rows: u32,
            nanos: u64,
        ) {
            let load = |ahead| Load { ahead, in_flight: in_flight.into(), devices, max_rows: Rows::new(max_rows) };
            let time = |_| Duration::from_nanos(nanos);
            let (less, more) = (load(ahead), load(ahead + more));
            prop_assert!(wait(less, Rows::new(1), time) <= wait(more, Rows::new(1), time));
        }
    }
}
