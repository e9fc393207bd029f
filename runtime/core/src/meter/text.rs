//! The Prometheus text exposition, format 0.0.4.
//!
//! Written by hand, because Triton's counters have no `_total` suffix and client libraries insist on one.

use super::histogram::Seen;
use super::process::Hosted;
use super::version::{FailureCounts, Totals};
use crate::base::{call::Sealed, fault::Kind, units::Version};
use compact_str::CompactString;
use std::borrow::Cow;
use std::fmt::{Display, Write};

/// Triton's word for why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Rejected,
    Canceled,
    Backend,
    Other,
}

impl Reason {
    const ALL: [Reason; 4] = [Reason::Rejected, Reason::Canceled, Reason::Backend, Reason::Other];

    const fn name(self) -> &'static str {
        match self {
            Reason::Rejected => "REJECTED",
            Reason::Canceled => "CANCELED",
            Reason::Backend => "BACKEND",
            Reason::Other => "OTHER",
        }
    }

    const fn of(kind: Kind) -> Reason {
        match kind {
            Kind::Overloaded | Kind::Expired | Kind::Unavailable => Reason::Rejected,
            Kind::Cancelled | Kind::Slow => Reason::Canceled,
            Kind::HostLost | Kind::ModelFailed | Kind::ModelHung => Reason::Backend,
            Kind::Invalid
            | Kind::NotFound
            | Kind::Forbidden
            | Kind::Unsupported
            | Kind::TooLarge
            | Kind::Internal => Reason::Other,
        }
    }

    fn count(self, failures: &FailureCounts) -> u64 {
        let of_kinds = Kind::ALL.iter().zip(failures).filter(|(kind, _)| Reason::of(**kind) == self);
        of_kinds.map(|(_, count)| count).sum()
    }
}

/// Name, help and value of a family with one sample a version.
type Plain = (&'static str, &'static str, fn(&Totals) -> u64);
type Spread = (&'static str, &'static str, fn(&Totals) -> &Seen);

/// Triton's names, which dashboards and autoscalers know.
const COUNTERS: &[Plain] = &[
    ("nv_inference_request_success", "Requests that succeeded", |sum| sum.total.count()),
    ("nv_inference_count", "Rows of the requests that succeeded", |sum| sum.rows),
    ("nv_inference_exec_count", "Runs of the model", |sum| sum.executions.rows.count()),
    ("nv_inference_request_duration_us", "Time from arrival to answer, successes only", |sum| {
        sum.total.sum / 1000
    }),
    ("nv_inference_queue_duration_us", "Time requests waited, successes only", |sum| sum.queue.sum / 1000),
    ("nv_inference_compute_input_duration_us", "Time requests spent on inputs", |sum| sum.input_ns / 1000),
    ("nv_inference_compute_infer_duration_us", "Time requests spent in the model", |sum| sum.infer_ns / 1000),
    ("nv_inference_compute_output_duration_us", "Time requests spent on outputs", |sum| sum.output_ns / 1000),
    ("headrace_padding_rows_total", "Rows that the model ran beside those of requests", |sum| {
        sum.executions.padding
    }),
    ("headrace_padding_bytes_total", "Bytes that filled the inputs of requests up to one size", |sum| {
        sum.executions.padding_bytes
    }),
    ("headrace_stream_parts_total", "Parts of answers that came in parts", |sum| sum.parts),
    ("headrace_executions_failed_total", "Runs of the model that failed", |sum| sum.executions.failed),
];

const GAUGES: &[Plain] = &[
    ("nv_inference_pending_request_count", "Requests that wait", Totals::pending),
    ("headrace_streams", "Answers in parts under way", Totals::streaming),
];

const HISTOGRAMS: &[Spread] = &[
    ("headrace_request_duration_seconds", "Time from arrival to answer, successes only", |sum| &sum.total),
    ("headrace_queue_duration_seconds", "Time requests waited for their batch, successes only", |sum| {
        &sum.queue
    }),
    ("headrace_first_part_seconds", "Time from arrival to the first part of an answer in parts", |sum| {
        &sum.first_part
    }),
    ("headrace_compute_duration_seconds", "Time of a batch: inputs, model, outputs", |sum| {
        &sum.executions.compute
    }),
    ("headrace_batch_rows", "Rows of a batch", |sum| &sum.executions.rows),
];

/// What is counted elsewhere.
#[derive(Debug)]
pub struct Family {
    pub name: Cow<'static, str>,
    pub kind: &'static str,
    pub help: Cow<'static, str>,
    /// Labels, each made by [`label`] and separated by commas, and values.
    pub rows: Vec<(String, String)>,
}

/// A page of families under construction.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    pub(super) fn versions(&mut self, versions: &[(CompactString, Version, Totals)]) {
        let rows: Vec<_> =
            versions.iter().map(|(model, version, sum)| (labels(model, *version), sum)).collect();
        for (name, help, value) in COUNTERS {
            self.family(name, "counter", help);
            for (labels, sum) in &rows {
                self.sample(name, labels, value(sum));
            }
        }
        self.family("nv_inference_request_failure", "counter", "Requests that failed, by Triton's reasons");
        for (labels, sum) in &rows {
            for reason in Reason::ALL {
                let labels = format!("{labels},reason=\"{}\"", reason.name());
                self.sample("nv_inference_request_failure", &labels, reason.count(&sum.failures));
            }
        }
        self.family("headrace_request_failures_total", "counter", "Requests that failed, by kind of fault");
        for (labels, sum) in &rows {
            self.kinds("headrace_request_failures_total", &format!("{labels},"), &sum.failures);
        }
        let name = "headrace_batches_total";
        self.family(name, "counter", "Runs of the model, by why the batch went when it did (free: a lane was free and nobody else waited)");
        for (labels, sum) in &rows {
            for (why, count) in Sealed::ALL.iter().zip(sum.executions.sealed) {
                self.sample(name, &format!("{labels},sealed=\"{}\"", why.code()), count);
            }
        }
        for (name, help, value) in GAUGES {
            self.family(name, "gauge", help);
            for (labels, sum) in &rows {
                self.sample(name, labels, value(sum));
            }
        }
        for (name, help, seen) in HISTOGRAMS {
            self.family(name, "histogram", help);
            for (labels, sum) in &rows {
                self.histogram(name, labels, seen(sum));
            }
        }
    }

    /// A gauge of processes that carry versions.
    pub(super) fn hosts(&mut self, name: &str, help: &str, rows: &[(&Hosted, u64)]) {
        self.family(name, "gauge", help);
        for (host, value) in rows {
            let labels = format!("{},process=\"{}\"", labels(&host.model, host.version), host.pid);
            self.sample(name, &labels, *value);
        }
    }

    /// Requests that were refused before a version was known.
    pub(super) fn refused(&mut self, failures: &FailureCounts) {
        let name = "headrace_requests_refused_total";
        self.family(name, "counter", "Requests refused before their version was known, by kind of fault (slow: a body that did not keep its pace)");
        self.kinds(name, "", failures);
    }

    /// A family that has one sample and no labels.
    pub(super) fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.put(format_args!("{name} {value}\n"));
    }

    /// A family with a sample for each row, of its labels and its value; without rows it is left out.
    pub(super) fn labelled(&mut self, name: &str, kind: &str, help: &str, rows: &[(String, String)]) {
        if rows.is_empty() {
            return;
        }
        self.family(name, kind, help);
        for (labels, value) in rows {
            match labels.is_empty() {
                true => self.put(format_args!("{name} {value}\n")),
                false => self.put(format_args!("{name}{{{labels}}} {value}\n")),
            }
        }
    }

    pub(super) fn counted_elsewhere(&mut self, family: &Family) {
        self.labelled(&family.name, family.kind, &family.help, &family.rows);
    }

    pub(super) fn finish(self) -> String {
        self.0
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.put(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, name: &str, labels: &str, value: u64) {
        self.put(format_args!("{name}{{{labels}}} {value}\n"));
    }

    /// All kinds from the start: a series that appears with its first failure hides that failure from `rate()`.
    fn kinds(&mut self, name: &str, before: &str, failures: &FailureCounts) {
        for (kind, count) in Kind::ALL.iter().zip(failures) {
            self.put(format_args!("{name}{{{before}kind=\"{}\"}} {count}\n", kind.code()));
        }
    }

    fn histogram(&mut self, name: &str, labels: &str, seen: &Seen) {
        for (bound, below) in seen.cumulative() {
            self.put(format_args!("{name}_bucket{{{labels},le=\"{bound}\"}} {below}\n"));
        }
        let count = seen.count();
        self.put(format_args!("{name}_bucket{{{labels},le=\"+Inf\"}} {count}\n"));
        #[expect(clippy::cast_precision_loss, reason = "seconds are written with 15 digits")]
        let sum = seen.sum as f64 / f64::from(seen.scale.per_unit);
        self.put(format_args!("{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {count}\n"));
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = self.0.write_fmt(text); // a String takes whatever it is given
    }
}

fn labels(model: &str, version: Version) -> String {
    format!("{},version=\"{}\"", label("model", model), version.shown())
}

/// A label, its value escaped.
pub fn label(name: &str, value: &str) -> String {
    let mut out = format!("{name}=\"");
    for letter in value.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            plain => out.push(plain),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
