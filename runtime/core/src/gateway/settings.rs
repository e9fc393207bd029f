//! What a gateway is told once, before it starts.

use serde::Deserialize;
use std::time::Duration;

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
    /// How long calls may wait for a version whose last host was lost and is being replaced; a call's own
    /// deadline may end it earlier.
    pub park_ms: u64,
}

impl Limits {
    pub(super) fn park(&self) -> Duration {
        Duration::from_millis(self.park_ms)
    }
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
            park_ms: 10_000,
        }
    }
}

/// Addresses are `host:port`; port 0 lets the system choose. `None` leaves that listener out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewaySettings {
    pub http: Option<String>,
    pub grpc: Option<String>,
    pub metrics: Option<String>,
    /// Threads that read and write sockets; 0 takes half of the cores, one to four.
    pub io_threads: usize,
    /// Memory shared with hosts, for large bodies; 0 does without.
    pub arena_bytes: usize,
    pub limits: Limits,
}

impl GatewaySettings {
    pub fn parse(text: &str) -> Result<GatewaySettings, String> {
        serde_json::from_str(text).map_err(|e| format!("the gateway's settings do not parse: {e}"))
    }
}
