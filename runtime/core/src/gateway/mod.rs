//! The gateway: admits, routes, lets wait, sends to hosts, answers, counts.
#![expect(clippy::todo, reason = "the seam, written before what stands behind it")]

use crate::base::{
    contract::Contract,
    fault::Fault,
    inference::{Answer, Inference},
    units::Version,
};
use crate::mem::body::BodyBuffer;
use crate::meter::Statistics;
use compact_str::CompactString;
use serde::Deserialize;
use std::sync::Arc;

/// Refused before memory is spent. Sizes in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Of one request's body, as sent and decompressed, on both protocols.
    pub body_bytes: usize,
    pub header_bytes: usize,
    pub json_depth: usize,
    /// Connections of one listener.
    pub connections: usize,
    /// Streams of one HTTP/2 connection.
    pub streams: u32,
    /// Of all bodies being read, waiting or running.
    pub in_flight_bytes: usize,
    /// Without a complete request head.
    pub header_timeout_ms: u64,
    /// Between two parts of a body.
    pub body_timeout_ms: u64,
    /// A connection without a request.
    pub idle_timeout_ms: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body_bytes: 64 << 20,
            header_bytes: 64 << 10,
            json_depth: 100,
            connections: 16_384,
            streams: 1024,
            in_flight_bytes: 1 << 30,
            header_timeout_ms: 10_000,
            body_timeout_ms: 30_000,
            idle_timeout_ms: 300_000,
        }
    }
}

/// One row of the repository index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexRow {
    pub model: CompactString,
    pub version: Option<Version>,
    /// READY, UNAVAILABLE, LOADING, UNLOADING or UNKNOWN.
    pub state: CompactString,
    pub reason: String,
}

/// Bytes of a body, counted against [`Limits::in_flight_bytes`] until dropped.
#[derive(Debug)]
pub struct Reserved;

#[derive(Debug)]
pub struct Gateway;

impl Gateway {
    pub fn limits(&self) -> &Limits {
        todo!()
    }

    /// Room for a body of `len` bytes; a fault (TooLarge, Overloaded) before any memory is taken.
    pub fn reserve(&self, _len: usize) -> Result<(Reserved, BodyBuffer), Fault> {
        todo!()
    }

    /// Routes, checks against the contract, waits, and answers. Dropping the future cancels the call.
    pub async fn infer(
        self: &Arc<Gateway>,
        _inference: Inference,
        _reserved: Reserved,
    ) -> Result<Answer, Fault> {
        todo!()
    }

    /// True once there is a table and every model that should serve has a ready version.
    pub fn is_ready(&self) -> bool {
        todo!()
    }

    /// False for an unknown model or version too.
    pub fn is_model_ready(&self, _model: &str, _version: Option<Version>) -> bool {
        todo!()
    }

    /// The contract of this version, or of the one that takes most of the model's traffic, and all versions.
    pub fn describe(
        &self,
        _model: &str,
        _version: Option<Version>,
    ) -> Result<(Arc<Contract>, Vec<Version>), Fault> {
        todo!()
    }

    pub fn statistics(
        &self,
        _model: Option<&str>,
        _version: Option<Version>,
    ) -> Result<Vec<Statistics>, Fault> {
        todo!()
    }

    pub fn index(&self, _ready_only: bool) -> Vec<IndexRow> {
        todo!()
    }

    /// Header or metadata names (lower case) whose values the routing table looks at.
    pub fn routing_headers(&self) -> Arc<[CompactString]> {
        todo!()
    }
}
