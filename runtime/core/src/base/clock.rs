//! The only reader of the clock. Everything else takes a [`Tick`] as an argument.

use super::units::Tick;
use std::sync::LazyLock;
use tokio::time::Instant;

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads time")]
static ZERO: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds since this process first asked. Stands still under tokio's paused time.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads time")]
pub fn now() -> Tick {
    let zero = *ZERO; // read first: the first caller must not see a moment before zero
    Tick::default().plus(Instant::now().saturating_duration_since(zero))
}

/// The same moment as tokio's timers want it.
pub fn instant(at: Tick) -> Instant {
    // A century is beyond any deadline and within what `Instant` can hold.
    let span = at.since(Tick::default()).min(std::time::Duration::from_secs(3_000_000_000));
    *ZERO + span
}

/// Milliseconds since 1970, for what people and other programs read.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads time")]
pub fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
