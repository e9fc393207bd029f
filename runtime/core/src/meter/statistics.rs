//! A version's numbers as the protocol's statistics extension has them.

use super::version::Totals;
use crate::base::units::Version;
use compact_str::CompactString;
use std::collections::BTreeMap;

/// `count` and nanoseconds, as the statistics extension pairs them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub count: u64,
    pub ns: u64,
}

impl Span {
    fn add(&mut self, more: Span) {
        self.count += more.count;
        self.ns += more.ns;
    }
}

/// One row of ModelStatistics. Spans are of requests, those of `batches` of executions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    pub model: CompactString,
    pub version: Version,
    /// Milliseconds since 1970 of the last inference; 0 before the first.
    pub last_inference_ms: u64,
    /// Rows of the requests that succeeded.
    pub inference_count: u64,
    /// Runs of the model, those that failed too.
    pub execution_count: u64,
    /// From arrival to answer.
    pub success: Span,
    pub fail: Span,
    /// Of requests that succeeded, as are the three below: each has the time of the batch it ran in.
    pub queue: Span,
    pub compute_input: Span,
    pub compute_infer: Span,
    pub compute_output: Span,
    /// By rows of the executed batch: input, infer, output.
    pub batches: BTreeMap<u32, [Span; 3]>,
}

impl Statistics {
    pub(super) fn of(model: CompactString, version: Version, sum: &Totals) -> Statistics {
        let successes = sum.total.count();
        let each = |ns| Span { count: successes, ns };
        let sizes = sum.executions.sizes.iter().map(|size| {
            let each = |ns| Span { count: size.count, ns };
            (size.rows, [each(size.input_ns), each(size.infer_ns), each(size.output_ns)])
        });
        Statistics {
            model,
            version,
            last_inference_ms: sum.executions.last_ms,
            inference_count: sum.rows,
            execution_count: sum.executions.rows.count(),
            success: each(sum.total.sum),
            fail: Span { count: sum.failures.iter().sum(), ns: sum.failed_ns },
            queue: each(sum.queue.sum),
            compute_input: each(sum.input_ns),
            compute_infer: each(sum.infer_ns),
            compute_output: each(sum.output_ns),
            batches: sizes.collect(),
        }
    }

    /// With what another row of the same version has.
    pub(super) fn add(&mut self, more: Statistics) {
        self.last_inference_ms = self.last_inference_ms.max(more.last_inference_ms);
        self.inference_count += more.inference_count;
        self.execution_count += more.execution_count;
        self.success.add(more.success);
        self.fail.add(more.fail);
        self.queue.add(more.queue);
        self.compute_input.add(more.compute_input);
        self.compute_infer.add(more.compute_infer);
        self.compute_output.add(more.compute_output);
        for (size, spans) in more.batches {
            let sums = self.batches.entry(size).or_default();
            sums.iter_mut().zip(spans).for_each(|(sum, span)| sum.add(span));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Ended, VersionMeter};
    use super::*;
    use crate::base::{
        call::{Execution, Sealed, Timing},
        fault::Kind,
        units::{Rows, Tick},
    };
    use std::time::Duration;

    #[test]
    fn rows_requests_and_runs_are_told_apart() {
        let meter = VersionMeter::default();
        let run = Execution {
            rows: 3,
            padding: 0,
            padding_bytes: 0,
            between_ns: 0,
            cost: 0,
            sealed: Sealed::Free,
            input_ns: 1,
            infer_ns: 20,
            output_ns: 4,
            failed: false,
        };
        meter.executed(run);
        meter.executed(Execution { rows: 1, failed: true, ..run });
        let timing = Timing {
            queue_ns: 5,
            input_ns: 1,
            infer_ns: 20,
            output_ns: 4,
            batch_rows: 3,
            ..Timing::default()
        };
        for rows in [1, 2] {
            let (total, inside) = (Duration::from_nanos(40), Duration::from_nanos(38));
            meter.settled(
                &Ended {
                    rows: Rows::new(rows),
                    fault: None,
                    total,
                    inside,
                    timing,
                    in_parts: false,
                    user: None,
                },
                Tick::default(),
            );
        }
        let fault = Some(Kind::ModelFailed);
        meter.settled(
            &Ended {
                rows: Rows::new(1),
                fault,
                total: Duration::from_nanos(7),
                inside: Duration::from_nanos(6),
                timing,
                in_parts: false,
                user: None,
            },
            Tick::default(),
        );

        let mut seen = Statistics::of("m".into(), Version(3), &meter.totals());
        assert!(seen.last_inference_ms > 1_600_000_000_000, "not milliseconds since 1970");
        seen.last_inference_ms = 0;
        let of_each = |count| [1, 20, 4].map(|ns| Span { count, ns: ns * count });
        let [compute_input, compute_infer, compute_output] = of_each(2);
        let expected = Statistics {
            model: "m".into(),
            version: Version(3),
            last_inference_ms: 0,
            inference_count: 3,
            execution_count: 2,
            success: Span { count: 2, ns: 80 },
            fail: Span { count: 1, ns: 7 },
            queue: Span { count: 2, ns: 10 },
            compute_input,
            compute_infer,
            compute_output,
            batches: BTreeMap::from([(1, of_each(1)), (3, of_each(1))]),
        };
        assert_eq!(seen, expected);
    }
}
