//! How many waited at the same time: what one moment did to one of them it may have done to all.

use super::ending::is_from_elsewhere;
use crate::base::{call::Timing, units::Tick};
use serde::Serialize;
use std::collections::VecDeque;
use std::time::Duration;

/// From when the first was admitted until it ran; nobody was there at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stay {
    since: Tick,
    until: Tick,
}

impl Default for Stay {
    fn default() -> Stay {
        Stay { since: Tick::NEVER, until: Tick::default() }
    }
}

impl Stay {
    pub(super) fn of(since: Tick, until: Tick) -> Stay {
        Stay { since, until }
    }

    /// Of a call: until it ran, or until it was answered where another server ran it, which tells nothing of that.
    ///
    /// When it ran is reckoned back from its answer. A host that stands still sees only as it goes on what it was sent
    /// meanwhile, and takes it for new: what it says of waiting leaves out all of that.
    pub(super) fn of_call(since: Tick, timing: &Timing, answered: Tick) -> Stay {
        if is_from_elsewhere(timing) {
            return Stay::of(since, answered);
        }
        // Parts of one that was cut may have run beside each other, and took less than all of them say: it has waited for
        // as long as is said, at least.
        let told = since.plus(Duration::from_nanos(timing.queue_ns));
        Stay::of(since, told.max(answered.minus(timing.run())))
    }

    /// One more was there, too.
    pub(super) fn with(self, other: Stay) -> Stay {
        Stay { since: self.since.min(other.since), until: self.until.max(other.until) }
    }
}

/// Some that were there at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Together {
    pub count: u32,
    /// From the first to come to the last of them.
    pub span_ns: u64,
}

impl Together {
    const ALONE: Together = Together { count: 1, span_ns: 0 };

    /// As many as the most of two, and of as many those that came faster: what is slow alone is met by somebody on its way,
    /// who came long after it.
    fn most(self, other: Together) -> Together {
        std::cmp::max_by_key(self, other, |one| (one.count, std::cmp::Reverse(one.span_ns)))
    }
}

/// Of those that are not looked at one by one any more, some that were all there from the last arrival until the first of
/// them ran. Nobody was there at any time.
#[derive(Clone, Copy, Debug)]
struct Crowd {
    count: u32,
    first: Tick,
    last: Tick,
    until: Tick,
}

impl Default for Crowd {
    fn default() -> Crowd {
        Crowd { count: 0, first: Tick::NEVER, last: Tick::default(), until: Tick::NEVER }
    }
}

impl Crowd {
    /// With one more; `None` where at no moment all would have been there.
    fn with(self, stay: Stay) -> Option<Crowd> {
        let (last, until) = (self.last.max(stay.since), self.until.min(stay.until));
        let (count, first) = (self.count.saturating_add(1), self.first.min(stay.since));
        (last < until).then_some(Crowd { count, first, last, until })
    }

    fn was_there(&self, moment: Tick) -> bool {
        self.last <= moment && moment < self.until
    }
}

/// As many stays are looked back at one by one: eight kilobytes.
const KEPT: usize = 512;

/// Who has waited, and the most of them that did so at one moment.
///
/// A process that stands still for half a second keeps all waiting who come meanwhile, and they are slow together. While
/// it does not, one waits while another one runs, and nearly each is by itself.
#[derive(Debug)]
pub(super) struct Stays {
    /// In the order in which they ran.
    over: VecDeque<Stay>,
    /// The latest of those before: behind a process that stands still thousands may wait, who all were there.
    before: Crowd,
    most: Together,
}

impl Default for Stays {
    fn default() -> Stays {
        Stays { over: VecDeque::new(), before: Crowd::default(), most: Together::ALONE }
    }
}

impl Stays {
    /// One is over, of the last so far.
    pub(super) fn ended(&mut self, stay: Stay) {
        // Of several that wait in turn the last to come saw all of them: those that had come, and did not run yet.
        let (mut count, mut first) = (1, stay.since);
        for other in self.over.iter().rev().take_while(|other| other.until > stay.since) {
            if other.since <= stay.since {
                count += 1;
                first = first.min(other.since);
            }
        }
        if self.before.was_there(stay.since) {
            count = self.before.count.saturating_add(count);
            first = first.min(self.before.first);
        }
        self.most = self.most.most(Together { count, span_ns: stay.since.nanos() - first.nanos() });
        if self.over.len() == KEPT
            && let Some(oldest) = self.over.pop_front()
        {
            let anew = || Crowd::default().with(oldest);
            self.before = self.before.with(oldest).or_else(anew).unwrap_or_default();
        }
        // One that ran for long, beside others, began before those that are over already.
        let before = self.over.iter().rposition(|other| other.until <= stay.until);
        self.over.insert(before.map_or(0, |at| at + 1), stay);
    }

    /// The most so far: it never shrinks.
    pub(super) fn most(&self) -> Together {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn most(stays: &[(u64, u64)]) -> (u32, u64) {
        let mut held = Stays::default();
        for (since, until) in stays {
            held.ended(Stay::of(Tick::from_nanos(*since), Tick::from_nanos(*until)));
        }
        (held.most().count, held.most().span_ns)
    }

    #[test]
    fn those_who_wait_at_one_moment_are_together() {
        let cases: [(&str, &[_], _); 9] = [
            ("nobody yet", &[], (1, 0)),
            ("one after the other", &[(0, 5), (5, 9), (9, 20)], (1, 0)),
            ("the next comes while one waits", &[(0, 5), (4, 9), (8, 20)], (2, 4)),
            ("a process stands still", &[(0, 50), (10, 51), (20, 52), (30, 53), (60, 61)], (4, 30)),
            ("another process of it goes on", &[(10, 12), (20, 22), (30, 32), (0, 50)], (1, 0)),
            ("and somebody meets both ends", &[(40, 43), (42, 45), (0, 50), (49, 51)], (2, 2)),
            (
                "it had come first, and did not run meanwhile",
                &[(10, 42), (20, 43), (0, 50), (41, 51)],
                (4, 41),
            ),
            ("one ran for long, and is told late", &[(20, 30), (22, 31), (0, 1), (24, 32), (26, 33)], (4, 6)),
            ("an old moment is not forgotten", &[(0, 9), (1, 10), (2, 11), (20, 21), (30, 31)], (3, 2)),
        ];
        for (what, stays, want) in cases {
            assert_eq!(most(stays), want, "{what}");
        }
    }

    #[test]
    fn so_are_more_of_them_than_are_looked_at_one_by_one() {
        let alone = (0..2000).map(|at| (10 * at, 10 * at + 5));
        let stalled = (20_000..25_000).map(|at| (at, 10_000 + at));
        let queue = (20_000..30_000).map(|at| (at, 2000 + at));
        assert_eq!(most(&alone.clone().collect::<Vec<_>>()), (1, 0));
        assert_eq!(most(&alone.clone().chain(stalled).collect::<Vec<_>>()), (5000, 4999));
        assert_eq!(most(&alone.chain(queue).collect::<Vec<_>>()), (2000, 1999), "a queue that moves");
    }

    #[test]
    fn it_keeps_no_more_than_it_looks_at() {
        let mut held = Stays::default();
        for at in 0..5000 {
            held.ended(Stay::of(Tick::from_nanos(at), Tick::from_nanos(10_000 + at)));
        }
        assert_eq!(held.over.len(), KEPT);
    }

    #[test]
    fn a_call_waits_until_it_ran() {
        let ran = |queue_ns, infer_ns| Timing {
            queue_ns,
            input_ns: 1,
            infer_ns,
            output_ns: 2,
            ..Timing::default()
        };
        let away = Timing { infer_ns: 50, ..Timing::default() };
        // It came at 1000.
        let cases = [
            ("its host was there", ran(40, 57), 1100, 1040),
            ("it was on its way for long", ran(40, 57), 1300, 1240),
            ("its host stood still, and saw nothing of that", ran(0, 7), 1500, 1490),
            ("it was cut, and its parts ran beside each other", ran(40, 997), 1400, 1040),
            ("its run began before it came, by another clock", ran(0, 997), 1100, 1000),
            ("another server ran it", away, 1100, 1100),
        ];
        let at = Tick::from_nanos;
        for (what, timing, answered, until) in cases {
            assert_eq!(
                Stay::of_call(at(1000), &timing, at(answered)),
                Stay::of(at(1000), at(until)),
                "{what}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Also of more than are kept.
        #[test]
        fn it_is_no_more_than_the_most_of_any_moment(
            mut stays in prop::collection::vec((0_u64..600, 1_u64..300), 500..2000), in_turn in any::<bool>(),
        ) {
            stays.iter_mut().for_each(|(since, span)| *span += *since);
            if in_turn {
                stays.sort_unstable_by_key(|(_, until)| *until);
            }
            let at = |moment: u64| stays.iter().filter(|(since, until)| (*since..*until).contains(&moment)).count();
            let peak = u32::try_from((0..600).map(at).max().unwrap()).unwrap();
            let (most, _) = most(&stays);
            prop_assert!(most <= peak, "{} of {}", most, peak);
        }
    }

    proptest! {
        /// Never more than there were at any moment, and all of them where they end as they came.
        #[test]
        fn it_is_the_most_of_any_moment(
            mut stays in prop::collection::vec((0_u64..60, 1_u64..30), 1..80), in_turn in any::<bool>(),
        ) {
            stays.iter_mut().for_each(|(since, span)| *span += *since);
            if in_turn {
                stays.sort_unstable_by_key(|(_, until)| *until);
                let mut came: Vec<_> = stays.iter().map(|(since, _)| *since).collect();
                came.sort_unstable();
                stays.iter_mut().zip(came).for_each(|((since, _), came)| *since = came);
            }
            let at = |moment: u64| stays.iter().filter(|(since, until)| (*since..*until).contains(&moment)).count();
            let peak = u32::try_from((0..90).map(at).max().unwrap()).unwrap();
            let (most, span) = most(&stays);
            prop_assert!(most <= peak && (!in_turn || most == peak), "{} of {}", most, peak);
            prop_assert!(span < 30);
        }
    }
}
