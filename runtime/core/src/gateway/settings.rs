//! What a gateway is told once, before it starts, and what that means for a body on its way.

use super::{errors::Errors, files, labels::Desk, pins::Pins};
use crate::base::{
    fault::{Fault, Kind},
    units::Tick,
};
use crate::wire::prediction::PredictionKey;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Each level of JSON takes some of a thread's stack, and the process ends where that does.
const MOST_DEPTH: usize = 1000;

/// Refused before memory is spent. Sizes in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
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
    /// Served at once, on all connections.
    pub requests: usize,
    /// Of all bodies being read, waiting or running. Bodies over 64 KiB leave the last quarter to smaller ones.
    pub in_flight_bytes: usize,
    /// Of all answers that wait for their clients to read them.
    pub unread_bytes: usize,
    /// Of bodies over 64 KiB and unread answers of one connection.
    pub connection_bytes: usize,
    /// Without a complete request head.
    pub header_timeout_ms: u64,
    /// Between two parts of a body.
    pub body_timeout_ms: u64,
    /// What a body has to come at on average once it has taken `body_timeout_ms`: whoever sends a byte now and
    /// then would else hold all of `in_flight_bytes`.
    pub body_bytes_per_s: u64,
    /// A connection without a request, or a stream of requests without one.
    pub idle_timeout_ms: u64,
    /// How long calls may wait for a version whose last host was lost and is being replaced; a call's own
    /// deadline may end it earlier.
    pub park_ms: u64,
    /// Of requests that wait for one version that is being loaded because they asked for it.
    pub load_requests: usize,
    /// How long each of them may wait; a request's own deadline may end it earlier.
    pub load_wait_ms: u64,
    /// Regions of shared memory that clients may register, each an open file; 0 switches them off. Who may register one
    /// reads and writes what this process may in the system's shared memory.
    pub client_regions: usize,
}

impl Limits {
    pub(super) fn park(&self) -> Duration {
        Duration::from_millis(self.park_ms)
    }

    pub(super) fn load_wait(&self) -> Duration {
        Duration::from_millis(self.load_wait_ms)
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body_bytes: 64 << 20,
            header_bytes: 64 << 10,
            json_depth: 100,
            connections: 8192,
            streams: 1024,
            requests: 65_536,
            in_flight_bytes: 1 << 30,
            unread_bytes: 1 << 30,
            connection_bytes: 256 << 20,
            header_timeout_ms: 10_000,
            body_timeout_ms: 30_000,
            body_bytes_per_s: 64 << 10,
            idle_timeout_ms: 300_000,
            park_ms: 10_000,
            load_requests: 1024,
            load_wait_ms: 60_000,
            client_regions: 0,
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
    /// For calls of hosts: a path, or a name of the kernel's that begins with `@`.
    pub calls: Option<String>,
    /// Threads that read and write sockets; 0 takes half of the cores, one to four.
    pub io_threads: usize,
    /// Memory shared with hosts, for large bodies; 0 does without.
    pub arena_bytes: usize,
    /// Clients may have models loaded and unloaded.
    pub model_control: bool,
    /// What ids of predictions are signed with; without it no answer has one.
    pub prediction_key: Option<PredictionKey>,
    /// Who may name a version; without it anyone.
    pub pins: Option<Pins>,
    /// Who keeps labels; without it none are taken.
    pub labels: Option<Desk>,
    /// Where pairs are kept of shadows that are told to; without it none are.
    pub worst: Option<PathBuf>,
    pub limits: Limits,
}

impl GatewaySettings {
    pub fn parse(text: &str) -> Result<GatewaySettings, String> {
        let settings: GatewaySettings =
            serde_json::from_str(text).map_err(|e| format!("the gateway's settings do not parse: {e}"))?;
        let depth = settings.limits.json_depth;
        if depth > MOST_DEPTH {
            return Err(format!("limit json_depth may be {MOST_DEPTH} at most, not {depth}"));
        }
        Ok(settings)
    }

    /// No more regions and connections than there are files for; says so where it is fewer than were asked for.
    pub(super) fn fit(&mut self, allowed: Option<usize>, open: usize, errors: &Errors) {
        let listeners = [&self.http, &self.grpc].into_iter().flatten().count();
        let say = |what: std::fmt::Arguments<'_>| {
            let allowed = allowed.unwrap_or(usize::MAX);
            let note = format!(
                "this process may open {allowed} files: {what}; allow more files (ulimit -n) or ask for fewer"
            );
            errors.log(Fault::new(Kind::Unavailable, note), "", None);
        };
        let asked = self.limits.client_regions;
        let regions = files::regions(asked, allowed, open);
        if regions < asked {
            say(format_args!(
                "clients may register {regions} regions instead of {asked} (limit client_regions)"
            ));
        }
        self.limits.client_regions = regions;
        let asked = self.limits.connections;
        let most = files::connections(asked, allowed, open.saturating_add(regions), listeners);
        if most < asked {
            say(format_args!(
                "HTTP and gRPC take {most} connections each instead of {asked} (limit connections)"
            ));
        }
        self.limits.connections = most;
    }
}

/// How long one body is waited for, or one answer's reader. It is asked only where there is a wait for more: a body that
/// is there at once costs no look at the clock.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    limit: Duration,
    bytes_per_s: u64,
    /// When it was waited for first.
    began: Option<Tick>,
    came: u64,
}

impl Patience {
    pub(super) fn new(limits: &Limits) -> Patience {
        let limit = Duration::from_millis(limits.body_timeout_ms);
        Patience { limit, bytes_per_s: limits.body_bytes_per_s, began: None, came: 0 }
    }

    /// The next body begins, and `came` bytes of it are here.
    pub(super) fn restart(&mut self, came: usize) {
        (self.began, self.came) = (None, came as u64);
    }

    pub(super) fn came(&mut self, len: usize) {
        self.came = self.came.saturating_add(len as u64);
    }

    /// Until when to wait for the next part; a fault if the parts that came took too long. To be asked when there is
    /// nothing more and it is not whole. `is_short`: others need the memory that it holds.
    pub(super) fn wait(&mut self, now: Tick, is_short: bool) -> Result<Tick, Fault> {
        let took = now.since(*self.began.get_or_insert(now));
        if took <= self.limit {
            return Ok(now.plus(self.limit));
        }
        let (came, took, pace) = (self.came, took.as_millis(), self.bytes_per_s);
        if u128::from(came) < u128::from(pace).saturating_mul(took) / 1000 {
            let note = format!(
                "only {came} bytes of the request's body came within {took} ms: send at least {pace} bytes a second \
                 (limit body_bytes_per_s)"
            );
            return Err(Fault::new(Kind::Slow, note));
        }
        if is_short {
            let limit = self.limit.as_millis();
            let note = format!(
                "more than half of the memory for requests is in use, and this one's body took {took} ms already: \
                 send it within {limit} ms (limit body_timeout_ms), or try again later"
            );
            return Err(Fault::new(Kind::Overloaded, note));
        }
        Ok(now.plus(self.limit))
    }

    /// Nothing came until [`Patience::wait`] said.
    pub(super) fn stalled(&self) -> Fault {
        let limit = self.limit.as_millis();
        Fault::new(
            Kind::Slow,
            format!(
                "no part of the request's body came for {limit} ms: send it faster (limit body_timeout_ms)"
            ),
        )
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
