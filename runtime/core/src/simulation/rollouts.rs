//! Rollouts through the real batcher: a node whose every second a program outside asks for, and judges.

use super::{
    arms::{Ended, Node},
    crowd::Nature,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

/// What a second is asked for with; the first of a node says what it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    begins: Option<Begins>,
    /// A policy table that is to be in force.
    table: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Begins {
    seed: u64,
    candidate: Nature,
}

/// What is told of it; both only grow.
#[derive(Debug, Serialize)]
struct Told<'a> {
    /// As [`crate::gateway::Gateway::evidence`] has it.
    evidence: String,
    /// Requests, by version.
    ended: &'a BTreeMap<u64, Ended>,
}

#[test]
#[ignore = "`python -m tests.rollouts.node` drives it"]
fn a_node_has_its_seconds_asked_for() {
    let path = std::env::var("HEADRACE_ROLLOUTS").expect("a socket's path in HEADRACE_ROLLOUTS");
    let mut socket = UnixStream::connect(path).unwrap();
    let asked = BufReader::new(socket.try_clone().unwrap());
    let mut node = None;
    for line in asked.lines() {
        let Asked { begins, table } = serde_json::from_str(&line.unwrap()).unwrap();
        if let Some(Begins { seed, candidate }) = begins {
            node = Some(Node::new(seed, candidate));
        }
        let node = node.as_mut().expect("a node begins first");
        if let Some(table) = table {
            node.table(&table);
        }
        node.second();
        let told = Told { evidence: node.evidence(), ended: &node.ended };
        let told = format!("{}\n", serde_json::to_string(&told).unwrap());
        socket.write_all(told.as_bytes()).unwrap();
    }
}

const TABLE: &str = r#"{"epoch": {"term": 1, "sequence": 1}, "models": {"m": {
    "versions": [{"version": 1, "state": "READY"}, {"version": 2, "state": "READY"}],
    "weights": [{"version": 1, "share": 8000}, {"version": 2, "share": 2000}],
    "shadows": [{"version": 2, "share": 5000, "repeatable": true, "apart": false, "keep_worst": 0}],
    "judged": [{"version": 1, "slow_ns": [30000000]}, {"version": 2, "slow_ns": [30000000]}]}}}"#;

#[test]
fn what_a_node_runs_is_what_is_counted_as_evidence() {
    let mut node = Node::new(1, Nature::BASELINE);
    node.table(TABLE);
    (0..60).for_each(|_| node.second());
    let told: serde_json::Value = serde_json::from_str(&node.evidence()).unwrap();
    for one in told["versions"].as_array().unwrap() {
        let version = one["version"].as_u64().unwrap();
        let (runs, begun) = (one["runs"]["count"].as_u64().unwrap(), node.begun[&version]);
        assert!(runs <= begun && begun <= runs + 1, "version {version}: {runs} of {begun}");
        let Ended { all, failed } = node.ended[&version];
        let answers: u64 =
            one["latency"].as_array().unwrap().iter().map(|place| place[1].as_u64().unwrap()).sum();
        assert_eq!(answers, all - failed, "version {version}");
    }
    let [baseline, candidate] = [1, 2].map(|version| (node.begun[&version], node.ended[&version].all));
    assert!(baseline.0 < baseline.1, "batches of several: {baseline:?}");
    assert!(candidate.0 > candidate.1, "it has copies, too: {candidate:?}");
    assert!(told["versions"][1]["agreement"]["count"].as_u64() > Some(100), "{told}");
}
