//! Runs of a model, counted by how many rows they had.

use super::histogram::{Histogram, ROWS, SECONDS, Seen};
use crate::base::call::{Execution, Sealed};
use arc_swap::ArcSwap;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// All runs of one number of rows.
#[derive(Debug, Default)]
struct Size {
    count: AtomicU64,
    input_ns: AtomicU64,
    infer_ns: AtomicU64,
    output_ns: AtomicU64,
}

#[derive(Debug)]
pub(super) struct Executions {
    failed: AtomicU64,
    last_ms: AtomicU64,
    padding: AtomicU64,
    padding_bytes: AtomicU64,
    /// By the number of why they went.
    sealed: [AtomicU64; Sealed::ALL.len()],
    rows: Histogram,
    compute: Histogram,
    /// Replaced when a number of rows is seen for the first time, so that finding one takes no lock.
    sizes: ArcSwap<BTreeMap<u32, Arc<Size>>>,
}

/// One number of rows, as read at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SizeTotals {
    pub(super) rows: u32,
    pub(super) count: u64,
    pub(super) input_ns: u64,
    pub(super) infer_ns: u64,
    pub(super) output_ns: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Totals {
    pub(super) failed: u64,
    pub(super) last_ms: u64,
    pub(super) padding: u64,
    pub(super) padding_bytes: u64,
    pub(super) sealed: [u64; Sealed::ALL.len()],
    pub(super) rows: Seen,
    pub(super) compute: Seen,
    pub(super) sizes: Vec<SizeTotals>,
}

impl Default for Executions {
    fn default() -> Executions {
        Executions {
            failed: AtomicU64::new(0),
            last_ms: AtomicU64::new(0),
            padding: AtomicU64::new(0),
            padding_bytes: AtomicU64::new(0),
            sealed: Default::default(),
            rows: Histogram::new(&ROWS),
            compute: Histogram::new(&SECONDS),
            sizes: ArcSwap::default(),
        }
    }
}

impl Executions {
    /// A failed run is a run: the device was busy with it.
    pub(super) fn add(&self, execution: Execution, unix_ms: u64) {
        let Execution { rows, padding, padding_bytes, sealed, input_ns, infer_ns, output_ns, failed, .. } =
            execution;
        self.padding.fetch_add(padding.into(), Relaxed);
        self.padding_bytes.fetch_add(padding_bytes, Relaxed);
        if let Some(count) = self.sealed.get(usize::from(sealed.number())) {
            count.fetch_add(1, Relaxed);
        }
        self.rows.observe(u64::from(rows));
        self.compute.observe(input_ns.saturating_add(infer_ns).saturating_add(output_ns));
        self.failed.fetch_add(u64::from(failed), Relaxed);
        self.last_ms.fetch_max(unix_ms, Relaxed);
        let size = self.size(rows);
        size.count.fetch_add(1, Relaxed);
        size.input_ns.fetch_add(input_ns, Relaxed);
        size.infer_ns.fetch_add(infer_ns, Relaxed);
        size.output_ns.fetch_add(output_ns, Relaxed);
    }

    fn size(&self, rows: u32) -> Arc<Size> {
        if let Some(size) = self.sizes.load().get(&rows) {
            return Arc::clone(size);
        }
        let new = Arc::new(Size::default());
        self.sizes.rcu(|sizes| {
            let mut sizes = BTreeMap::clone(sizes);
            sizes.entry(rows).or_insert_with(|| Arc::clone(&new)); // another thread may have been first
            sizes
        });
        self.sizes.load().get(&rows).map_or(new, Arc::clone)
    }

    pub(super) fn totals(&self) -> Totals {
        let sizes = self.sizes.load();
        let sizes = sizes.iter().map(|(rows, size)| SizeTotals {
            rows: *rows,
            count: size.count.load(Relaxed),
            input_ns: size.input_ns.load(Relaxed),
            infer_ns: size.infer_ns.load(Relaxed),
            output_ns: size.output_ns.load(Relaxed),
        });
        Totals {
            failed: self.failed.load(Relaxed),
            last_ms: self.last_ms.load(Relaxed),
            padding: self.padding.load(Relaxed),
            padding_bytes: self.padding_bytes.load(Relaxed),
            sealed: self.sealed.each_ref().map(|count| count.load(Relaxed)),
            rows: self.rows.seen(),
            compute: self.compute.seen(),
            sizes: sizes.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_are_seen_first_by_many_threads_are_counted_in_full() {
        let executions = Executions::default();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let executions = &executions;
                scope.spawn(move || {
                    for rows in 1..=64 {
                        let failed = rows % 2 == 0;
                        let run = Execution {
                            rows,
                            padding: 0,
                            padding_bytes: 0,
                            between_ns: 0,
                            cost: 0,
                            sealed: Sealed::Free,
                            input_ns: 1,
                            infer_ns: 10,
                            output_ns: 2,
                            failed,
                        };
                        executions.add(run, u64::from(rows) + thread);
                    }
                });
            }
        });
        let sum = executions.totals();
        let expected = |rows| SizeTotals { rows, count: 4, input_ns: 4, infer_ns: 40, output_ns: 8 };
        assert_eq!(sum.sizes, (1..=64).map(expected).collect::<Vec<_>>());
        assert_eq!((sum.rows.count(), sum.rows.sum), (256, 4 * (1..=64).sum::<u64>()));
        assert_eq!((sum.compute.count(), sum.compute.sum, sum.failed, sum.last_ms), (256, 256 * 13, 128, 67));
    }
}
