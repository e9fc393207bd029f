//! Counters and histograms per version, statistics as the protocol has them, and the Prometheus text.

use crate::base::{
    call::{Execution, Timing},
    contract::Contract,
    fault::Kind,
    units::{Rows, Version},
};
use compact_str::CompactString;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How a request ended, as its one owner (the gateway) saw it.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    pub rows: Rows,
    /// `None`: success.
    pub fault: Option<Kind>,
    /// From arrival to answer.
    pub total: Duration,
    pub timing: Timing,
}

/// `count` and nanoseconds, as the statistics extension pairs them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub count: u64,
    pub ns: u64,
}

/// One row of ModelStatistics.
#[derive(Clone, Debug)]
pub struct Statistics {
    pub model: CompactString,
    pub version: Version,
    /// Milliseconds since 1970 of the last inference; 0 before the first.
    pub last_inference_ms: u64,
    pub inference_count: u64,
    pub execution_count: u64,
    pub success: Span,
    pub fail: Span,
    pub queue: Span,
    pub compute_input: Span,
    pub compute_infer: Span,
    pub compute_output: Span,
    /// By rows of the executed batch: input, infer, output.
    pub batches: BTreeMap<u32, [Span; 3]>,
}

/// All numbers of one gateway.
#[derive(Debug, Default)]
pub struct Meter;

/// The numbers of one version; held by whoever counts, so that no look-up happens per request.
#[derive(Debug, Default)]
pub struct VersionMeter;

impl Meter {
    pub fn version(&self, _contract: &Contract) -> Arc<VersionMeter> {
        Arc::default()
    }

    /// Of all versions, or of one model, or of one version.
    pub fn statistics(&self, _model: Option<&str>, _version: Option<Version>) -> Vec<Statistics> {
        Vec::new()
    }

    /// The Prometheus text exposition.
    pub fn render(&self) -> String {
        String::new()
    }
}

impl VersionMeter {
    /// A request was admitted and waits.
    pub fn admitted(&self) {}

    /// A request left the waiting room, for a host or for nowhere.
    pub fn left_queue(&self) {}

    pub fn settled(&self, _ended: &Ended) {}

    pub fn executed(&self, _execution: Execution) {}
}
