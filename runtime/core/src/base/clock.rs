//! The only reader of the clock. Everything else takes a [`Tick`] as an argument.

use super::units::Tick;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::time::Instant;

/// Of the system's time, a second before this process first asked: a runtime whose time is paused may live in an
/// earlier moment, and one whose time was moved on in a later one.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads time")]
static ZERO: LazyLock<Instant> = LazyLock::new(|| {
    let now = std::time::Instant::now();
    Instant::from_std(now.checked_sub(Duration::from_secs(1)).unwrap_or(now))
});

/// Nanoseconds since a moment before this process first asked. Stands still under tokio's paused time.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads time")]
pub fn now() -> Tick {
    let zero = *ZERO; // read first: the first caller must not see a moment before zero
    Tick::default().plus(Instant::now().saturating_duration_since(zero))
}

/// The same moment as tokio's timers want it.
pub fn instant(at: Tick) -> Instant {
    // A century is beyond any deadline and within what `Instant` can hold.
    let span = at.since(Tick::default()).min(Duration::from_secs(3_000_000_000));
    *ZERO + span
}

/// Milliseconds since 1970, for what people and other programs read.
pub fn unix_ms() -> u64 {
    u64::try_from(since_1970().as_millis()).unwrap_or(u64::MAX)
}

/// The same in nanoseconds: no two processes of a machine begin in the same one.
pub fn unix_ns() -> u64 {
    u64::try_from(since_1970().as_nanos()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads time")]
fn since_1970() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}
