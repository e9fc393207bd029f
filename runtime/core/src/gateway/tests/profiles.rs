//! What versions' tensors are like, from the policy table to what is told.

use super::bench::*;
use super::shadows::served;
use crate::base::fault::{Kind, Phase};
use crate::gateway::{Gateway, GatewaySettings};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

fn table(sequence: u64, profiled: &str) -> String {
    format!(
        r#"{{"epoch": {{"term": 1, "sequence": {sequence}}}, "models": {{"m": {{
            "versions": [{{"version": 1, "state": "READY"}}],
            "weights": [{{"version": 1, "share": 10000}}], "profiled": [{profiled}]}}}}}}"#
    )
}

const BOTH: &str = r#"{"version": 1, "inputs": ["x"], "outputs": ["y"], "per_second": 10}"#;
/// Longer than between two that are chosen.
const PAUSE: Duration = Duration::from_millis(101);

fn profiled(profiled: &str) -> (Arc<Gateway>, Arc<Held>) {
    let gateway = Gateway::new(GatewaySettings::default()).unwrap();
    gateway.apply_policy(&table(1, profiled)).unwrap();
    let (_, host) = up(&gateway, contract(1), 64);
    (gateway, host)
}

fn told(gateway: &Gateway) -> Value {
    serde_json::from_str(&gateway.profiles("[]").unwrap()).unwrap()
}

/// Once so many rows were looked at, by a thread of its own.
fn after(gateway: &Gateway, rows: u64) -> Value {
    for _ in 0..30_000 {
        let seen = told(gateway)["versions"][0].clone();
        if seen["rows"] == rows {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("{rows} rows were not looked at: {}", told(gateway));
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_and_goes_out_is_counted_once_its_caller_has_the_answer() {
    let (gateway, host) = profiled(BOTH);
    for fill in [5, 5, 7] {
        served(&gateway, &host, ask(1, fill)).await;
        tokio::time::advance(PAUSE).await;
    }
    let seen = after(&gateway, 3);
    let (five, seven) = (crate::decide::profile::place(5.0), crate::decide::profile::place(7.0));
    assert_eq!(
        seen["tensors"],
        json!([
            {"name": "x", "role": "input", "features": [{"name": "value", "counts": [[five, 2], [seven, 1]]}]},
            {"name": "y", "role": "output", "features": [{"name": "class", "counts": [[5, 2], [7, 1]]}]},
        ])
    );
    assert_eq!(
        (&seen["model"], &seen["version"], &seen["since"], &seen["missed"]),
        (&json!("m"), &json!(1), &json!(1), &json!(0))
    );
    assert!(gateway.metrics().contains("headrace_profiled_rows_total{model=\"m\",version=\"1\"} 3"));
    assert_eq!(gateway.profiles.held(), 0);
    assert_all_over(&gateway, 3);
}

#[tokio::test(start_paused = true)]
async fn no_more_are_chosen_than_are_wished_for_and_a_request_counts_for_one() {
    let (gateway, host) = profiled(BOTH);
    for fill in 1..=20 {
        served(&gateway, &host, ask(8, fill)).await; // two in each tenth of a second
        tokio::time::advance(Duration::from_millis(50)).await;
    }
    let seen = after(&gateway, 10);
    let counts = seen["tensors"][0]["features"][0]["counts"].as_array().unwrap().clone();
    assert_eq!(counts.iter().map(|pair| pair[1].as_u64().unwrap()).sum::<u64>(), 10);
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_not_looked_at() {
    let (gateway, host) = profiled(BOTH);
    let asked = start(&gateway, ask(1, 1)).await;
    host.fail(Kind::ModelFailed, Phase::Started);
    asked.await.unwrap().unwrap_err();
    tokio::time::advance(PAUSE).await;
    served(&gateway, &host, ask(1, 2)).await;
    assert_eq!(after(&gateway, 1)["tensors"][1]["features"][0]["counts"], json!([[2, 1]]));
}

#[tokio::test(start_paused = true)]
async fn a_count_goes_on_as_long_as_it_is_asked_for_in_the_same_way() {
    let (gateway, host) = profiled(BOTH);
    served(&gateway, &host, ask(1, 1)).await;
    after(&gateway, 1);
    gateway.apply_policy(&table(2, BOTH)).unwrap();
    assert_eq!(after(&gateway, 1)["since"], 1);
    gateway.apply_policy(&table(3, &BOTH.replace("10}", "20}"))).unwrap();
    assert_eq!(after(&gateway, 0)["since"], 2);
    gateway.apply_policy(&table(4, "")).unwrap();
    assert_eq!(told(&gateway)["versions"], json!([]));
    assert!(!gateway.metrics().contains("headrace_profiled"));
}

#[tokio::test(start_paused = true)]
async fn the_metrics_page_shows_the_scores_that_were_said_last() {
    let (gateway, _host) = profiled(BOTH);
    let score = |version: u64, alarm: bool| json!({"model": "m", "version": version, "tensor": "x", "feature": "mean", "score": 0.25, "alarm": alarm});
    gateway.profiles(&json!([score(1, true), score(2, true)]).to_string()).unwrap();
    let page = gateway.metrics();
    let labels = "{model=\"m\",tensor=\"x\",feature=\"mean\",version=\"1\"}";
    assert!(page.contains(&format!("headrace_drift_score{labels} 0.25\n")), "{page}");
    assert!(page.contains(&format!("headrace_drift_alarm{labels} 1\n")));
    assert!(!page.contains("version=\"2\""), "it is not profiled");
    gateway.profiles(&json!([score(1, false)]).to_string()).unwrap();
    assert!(gateway.metrics().contains(&format!("headrace_drift_alarm{labels} 0\n")));
    assert!(gateway.profiles("{").unwrap_err().contains("do not parse"));
}
