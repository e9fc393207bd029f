//! A histogram with fixed bounds: one search and two additions an observation.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Room for every scale below and its last bucket, the one without a bound.
const BUCKETS: usize = 20;

/// What a histogram's buckets are, and how its values are written.
#[derive(Debug)]
pub(super) struct Scale {
    /// Inclusive upper bounds in the unit that is observed, ascending, and as they are written.
    pub(super) bounds: &'static [(u64, &'static str)],
    /// How many observed units one written unit has.
    pub(super) per_unit: u32,
}

/// Observed in nanoseconds, written in seconds. From 25 µs, because a small model answers in less than 100 µs.
pub(super) static SECONDS: Scale = Scale {
    bounds: &[
        (25_000, "0.000025"),
        (50_000, "0.00005"),
        (100_000, "0.0001"),
        (250_000, "0.00025"),
        (500_000, "0.0005"),
        (1_000_000, "0.001"),
        (2_500_000, "0.0025"),
        (5_000_000, "0.005"),
        (10_000_000, "0.01"),
        (25_000_000, "0.025"),
        (50_000_000, "0.05"),
        (100_000_000, "0.1"),
        (250_000_000, "0.25"),
        (500_000_000, "0.5"),
        (1_000_000_000, "1"),
        (2_500_000_000, "2.5"),
        (5_000_000_000, "5"),
        (10_000_000_000, "10"),
        (60_000_000_000, "60"),
    ],
    per_unit: 1_000_000_000,
};

pub(super) static ROWS: Scale = Scale {
    bounds: &[
        (1, "1"),
        (2, "2"),
        (4, "4"),
        (8, "8"),
        (16, "16"),
        (32, "32"),
        (64, "64"),
        (128, "128"),
        (256, "256"),
        (512, "512"),
        (1024, "1024"),
    ],
    per_unit: 1,
};

/// Counted by many threads at once. The number of observations is the sum of the buckets, never a second count.
#[derive(Debug)]
pub(super) struct Histogram {
    scale: &'static Scale,
    counts: [AtomicU64; BUCKETS],
    sum: AtomicU64,
}

/// A histogram as it was read at one moment.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) scale: &'static Scale,
    counts: [u64; BUCKETS],
    pub(super) sum: u64,
}

impl Histogram {
    pub(super) fn new(scale: &'static Scale) -> Histogram {
        Histogram { scale, counts: Default::default(), sum: AtomicU64::new(0) }
    }

    pub(super) fn observe(&self, value: u64) {
        let at = self.scale.bounds.partition_point(|(bound, _)| *bound < value);
        if let Some(count) = self.counts.get(at) {
            count.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(value, Relaxed);
    }

    pub(super) fn seen(&self) -> Seen {
        let mut seen = Seen::none(self.scale);
        seen.add(self);
        seen
    }
}

impl Seen {
    pub(super) fn none(scale: &'static Scale) -> Seen {
        Seen { scale, counts: [0; BUCKETS], sum: 0 }
    }

    /// Adds what another part of the same histogram has counted.
    pub(super) fn add(&mut self, part: &Histogram) {
        for (total, count) in self.counts.iter_mut().zip(&part.counts) {
            *total += count.load(Relaxed);
        }
        self.sum += part.sum.load(Relaxed);
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Each bound as written, with how many observations are at or below it; without the last, `+Inf`.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.scale.bounds.iter().zip(&self.counts).scan(0, |below, ((_, written), count)| {
            *below += count;
            Some((*written, *below))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_ascend_fit_and_are_written_as_they_count() {
        for scale in [&SECONDS, &ROWS] {
            assert!(scale.bounds.len() < BUCKETS);
            assert!(scale.bounds.is_sorted_by(|low, high| low.0 < high.0));
            for (bound, written) in scale.bounds {
                let written = written.parse::<f64>().unwrap() * f64::from(scale.per_unit);
                assert_eq!(format!("{written:.0}"), bound.to_string());
            }
        }
    }

    #[test]
    fn a_bound_belongs_to_its_bucket_and_nothing_is_lost_above_the_last() {
        let histogram = Histogram::new(&ROWS);
        for rows in [1, 2, 3, 4, 5, 1024, 1025, u64::from(u32::MAX)] {
            histogram.observe(rows);
        }
        let seen = histogram.seen();
        let below: Vec<_> = seen.cumulative().take(4).collect();
        assert_eq!(below, [("1", 1), ("2", 2), ("4", 4), ("8", 5)]);
        assert_eq!(seen.cumulative().last(), Some(("1024", 6)));
        assert_eq!((seen.count(), seen.sum), (8, 1 + 2 + 3 + 4 + 5 + 1024 + 1025 + u64::from(u32::MAX)));
    }

    #[test]
    fn parts_add_up() {
        let parts = [Histogram::new(&SECONDS), Histogram::new(&SECONDS)];
        parts[0].observe(1_000);
        parts[1].observe(2_000_000);
        let mut seen = Seen::none(&SECONDS);
        parts.iter().for_each(|part| seen.add(part));
        assert_eq!((seen.count(), seen.sum), (2, 2_001_000));
    }
}
