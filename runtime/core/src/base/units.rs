//! Numbers that cannot be mixed up.

use std::num::NonZeroU64;
use std::time::Duration;

/// Rows of one request or of one batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rows(u32);

impl Rows {
    pub const ZERO: Rows = Rows(0);

    pub const fn new(count: u32) -> Rows {
        Rows(count)
    }

    pub const fn get(self) -> u32 {
        self.0
    }

    /// `None` on overflow, so a hostile count cannot wrap into a small one.
    pub fn plus(self, other: Rows) -> Option<Rows> {
        self.0.checked_add(other.0).map(Rows)
    }

    /// Never below zero: a row that is given back twice must not open the window for others.
    pub fn minus(self, other: Rows) -> Rows {
        Rows(self.0.saturating_sub(other.0))
    }
}

/// A model's version: a positive integer, as the Open Inference Protocol's servers number them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

impl Version {
    /// Folders number versions below this. A number beyond it is the control of a rollout: the same version, in hosts of
    /// its own.
    const CONTROLS: u64 = 10_u64.pow(18);

    pub const fn is_control(self) -> bool {
        self.0 >= Version::CONTROLS
    }

    /// What callers are told, for whom both are one.
    pub const fn told(self) -> Version {
        Version(self.0 % Version::CONTROLS)
    }

    /// What operators are shown, as in `3` and `3+control`.
    pub fn shown(self) -> String {
        format!("{self}{}", if self.is_control() { "+control" } else { "" })
    }
}

/// As callers are told.
impl std::fmt::Display for Version {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.told().0.fmt(out)
    }
}

/// Who asks, by a hash of the value that sticks to a version; of use in one process alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct User(pub NonZeroU64);

/// A call's number: unique within the process that gave it out, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// A point on this process's monotonic clock, in nanoseconds. It means nothing to another process:
/// between processes travel durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(u64);

impl Tick {
    /// Later than any moment that is read from a clock: the deadline of who has none.
    pub const NEVER: Tick = Tick(u64::MAX);

    pub const fn from_nanos(nanos: u64) -> Tick {
        Tick(nanos)
    }

    pub const fn nanos(self) -> u64 {
        self.0
    }

    pub fn plus(self, span: Duration) -> Tick {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Tick(self.0.saturating_add(nanos))
    }

    /// Not before the first moment there is.
    pub fn minus(self, span: Duration) -> Tick {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Tick(self.0.saturating_sub(nanos))
    }

    /// Never negative: a reordered pair of stamps reads as zero, not as a panic.
    pub fn since(self, earlier: Tick) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_refuse_to_wrap() {
        assert_eq!(Rows::new(u32::MAX).plus(Rows::new(1)), None);
        assert_eq!(Rows::new(1).minus(Rows::new(2)), Rows::ZERO);
    }

    #[test]
    fn a_control_is_its_version_to_callers_and_never_to_operators() {
        for (number, told, shown) in [
            (3, "3", "3"),
            (999_999_999_999_999_999, "999999999999999999", "999999999999999999"),
            (1_000_000_000_000_000_003, "3", "3+control"),
        ] {
            assert_eq!(
                (Version(number).to_string().as_str(), Version(number).shown().as_str()),
                (told, shown)
            );
        }
    }

    #[test]
    fn ticks_saturate() {
        let early = Tick::from_nanos(5);
        let late = early.plus(Duration::from_nanos(7));
        assert_eq!(late.since(early), Duration::from_nanos(7));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(early.plus(Duration::MAX), Tick::NEVER);
    }
}
