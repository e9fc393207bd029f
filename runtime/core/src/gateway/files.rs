//! Files that the process may have open, and how many of them its connections get.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Left to what is no request's connection: metrics (64), the console (32), hosts, models, logs.
const KEPT: usize = 256;

/// As many as this process may have: a shell's thousand would be fewer connections than the limits allow. `None`: there
/// is no bound.
pub(super) fn allow_many() -> Option<usize> {
    let mut allowed = getrlimit(Resource::Nofile);
    if allowed.current != allowed.maximum {
        allowed.current = allowed.maximum;
        // Refused, it stays as it is.
        let _ = setrlimit(Resource::Nofile, allowed);
    }
    usize::try_from(getrlimit(Resource::Nofile).current?).ok()
}

/// How many are open now, as far as the system tells.
pub(super) fn open() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// The regions that clients may register, of so many that are `asked` for. Nobody closes one to make room, and without a
/// file left no connection is taken: they get a quarter at most.
pub(super) fn regions(asked: usize, allowed: Option<usize>, open: usize) -> usize {
    allowed.map_or(asked, |allowed| asked.min(allowed.saturating_sub(open) / 4))
}

/// The connections of each of `listeners`, where so many are `asked` for: who takes all of them leaves files for others.
pub(super) fn connections(asked: usize, allowed: Option<usize>, open: usize, listeners: usize) -> usize {
    let Some(free) = allowed.map(|allowed| allowed.saturating_sub(open)) else { return asked };
    let rest = free - KEPT.min(free / 2);
    rest.checked_div(listeners).map_or(asked, |most| asked.min(most.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_others() {
        let table = [
            ((16_384, None, 30, 2), 16_384),
            ((16_384, Some(1 << 20), 30, 2), 16_384),
            ((16_384, Some(20_000), 30, 2), 9857),
            ((16_384, Some(20_000), 30, 1), 16_384),
            ((300, Some(20_000), 30, 2), 300),
            ((16_384, Some(1024), 30, 2), 369),
            ((16_384, Some(256), 30, 2), 56),
            ((16_384, Some(256), 30, 0), 16_384),
            ((16_384, Some(30), 30, 2), 1),
            ((0, Some(256), 30, 2), 0),
        ];
        for ((asked, allowed, open, listeners), want) in table {
            let got = connections(asked, allowed, open, listeners);
            assert_eq!(got, want, "{asked} of {allowed:?}, {open} open, {listeners} listeners");
        }
    }

    #[test]
    fn regions_leave_files_for_connections() {
        let table = [
            ((4000, None, 30), 4000),
            ((4000, Some(20_000), 30), 4000),
            ((4000, Some(1024), 30), 248),
            ((64, Some(1024), 30), 64),
            ((0, Some(1024), 30), 0),
            ((4000, Some(30), 40), 0),
        ];
        for ((asked, allowed, open), want) in table {
            assert_eq!(regions(asked, allowed, open), want, "{asked} of {allowed:?}, {open} open");
        }
    }

    #[test]
    fn fewer_are_open_than_may_be() {
        let (allowed, open) = (allow_many(), open());
        assert!(open > 2 && allowed.is_none_or(|allowed| allowed > open), "{open} of {allowed:?}");
        let raised = getrlimit(Resource::Nofile);
        assert_eq!(raised.current, raised.maximum);
    }
}
