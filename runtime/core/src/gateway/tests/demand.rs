//! Versions that are loaded when somebody asks for them.

use super::bench::*;
use crate::base::{
    clock,
    fault::Kind,
    named::Named,
    roster::Roster,
    units::{Tick, Version},
};
use crate::gateway::{Gateway, GatewaySettings, Limits};
use std::sync::Arc;
use std::time::Duration;

const TOLD: &str = r#"{"model":"m","version":1}"#;

fn table(sequence: u64, state: &str, on_demand: bool) -> String {
    format!(
        r#"{{"epoch": {{"term": 1, "sequence": {sequence}}}, "models": {{"m": {{
            "versions": [{{"version": 1, "state": "{state}", "on_demand": {on_demand}, "reason": "so it is"}}],
            "weights": [{{"version": 1, "share": 10000}}]}}}}}}"#
    )
}

fn sleeping(limits: Limits) -> Arc<Gateway> {
    let gateway = Gateway::new(GatewaySettings { limits, ..GatewaySettings::default() }).unwrap();
    gateway.apply_policy(&table(1, "UNAVAILABLE", true)).unwrap();
    gateway
}

async fn next(gateway: &Arc<Gateway>) -> Option<String> {
    let gateway = Arc::clone(gateway);
    tokio::task::spawn_blocking(move || gateway.next_demand()).await.unwrap()
}

fn waiting(gateway: &Gateway) -> u64 {
    let stats: serde_json::Value = serde_json::from_str(&gateway.stats()).unwrap();
    stats["models"]["m"]["versions"]["1"]["waiting"].as_u64().unwrap()
}

#[tokio::test]
async fn who_asks_for_it_waits_and_is_answered_once_it_is_loaded() {
    let gateway = sleeping(Limits::default());
    assert!(
        gateway.is_ready() && gateway.is_model_ready("m", Some(&Version(1).into())),
        "it would be answered"
    );
    let asked = [start(&gateway, ask(1, 1)).await, start(&gateway, ask(1, 2)).await];
    assert_eq!((next(&gateway).await.as_deref(), waiting(&gateway)), (Some(TOLD), 2), "said once");
    gateway.apply_policy(&table(2, "LOADING", true)).unwrap();
    gateway.apply_policy(&table(3, "READY", true)).unwrap();
    let (id, host) = up(&gateway, contract(1), 8);
    for _ in &asked {
        while host.len() == 0 {
            tokio::task::yield_now().await;
        }
        host.answer();
    }
    for one in asked {
        one.await.unwrap().unwrap();
    }
    assert_eq!(waiting(&gateway), 0);
    // It is to go: who comes now waits for the next time, though its host is there.
    gateway.apply_policy(&table(4, "UNAVAILABLE", true)).unwrap();
    let late = start(&gateway, ask(1, 3)).await;
    assert_eq!((next(&gateway).await.as_deref(), host.len()), (Some(TOLD), 0));
    gateway.carrier_down(id);
    gateway.apply_policy(&table(5, "READY", true)).unwrap();
    let (_, host) = up(&gateway, contract(1), 8);
    while host.len() == 0 {
        tokio::task::yield_now().await;
    }
    host.answer();
    late.await.unwrap().unwrap();
    assert_all_over(&gateway, 3);
}

#[tokio::test]
async fn a_table_that_has_it_not_on_its_way_is_told_who_waits_once_more() {
    let gateway = sleeping(Limits::default());
    let asked = start(&gateway, ask(1, 1)).await;
    assert_eq!(next(&gateway).await.as_deref(), Some(TOLD));
    gateway.apply_policy(&table(2, "UNAVAILABLE", true)).unwrap();
    assert_eq!(next(&gateway).await.as_deref(), Some(TOLD));
    // It failed to load, and is not tried again for every request.
    gateway.apply_policy(&table(3, "UNAVAILABLE", false)).unwrap();
    let fault = asked.await.unwrap().unwrap_err();
    assert!(fault.kind == Kind::Unavailable && fault.note.contains("so it is"), "{fault}");
}

#[tokio::test(start_paused = true)]
async fn no_more_wait_than_may_and_none_for_longer_than_it_may() {
    let limits = Limits { load_requests: 1, load_wait_ms: 5000, ..Limits::default() };
    let gateway = sleeping(limits);
    let asked = start(&gateway, ask(1, 1)).await;
    let full = start(&gateway, ask(1, 2)).await.await.unwrap().unwrap_err();
    assert!(full.kind == Kind::Overloaded && full.note.contains("limit load_requests"), "{full}");
    tokio::time::advance(Duration::from_millis(5001)).await;
    let late = asked.await.unwrap().unwrap_err();
    assert!(late.kind == Kind::Unavailable && late.note.contains("limit load_wait_ms"), "{late}");
    assert_eq!(waiting(&gateway), 0);
}

#[tokio::test]
async fn who_waits_while_the_gateway_ends_is_told_so() {
    let gateway = sleeping(Limits::default());
    let asked = start(&gateway, ask(1, 1)).await;
    let ending = Arc::clone(&gateway);
    // Nothing was started whose threads it could wait for, so that it may look before who waits has left.
    let _clean = tokio::task::spawn_blocking(move || ending.drain(Duration::from_secs(5))).await.unwrap();
    assert_eq!(asked.await.unwrap().unwrap_err().kind, Kind::Unavailable);
    assert_eq!(gateway.next_demand(), None);
}

#[tokio::test]
async fn who_asks_what_it_takes_waits_for_it_as_a_request_does() {
    let gateway = sleeping(Limits::default());
    let row = gateway.index(true).pop().unwrap();
    assert_eq!((&*row.state, &*row.reason), ("READY", "so it is"), "for a request would be answered");
    let asks = |named: Option<Named>| {
        let gateway = Arc::clone(&gateway);
        async move { gateway.describe_later("m", named.as_ref(), (clock::now(), Tick::NEVER)).await }
    };
    let asked = [tokio::spawn(asks(None)), tokio::spawn(asks(Some(Version(1).into())))];
    assert_eq!(next(&gateway).await.as_deref(), Some(TOLD));
    gateway.apply_policy(&table(2, "READY", true)).unwrap();
    let (id, _) = up(&gateway, contract(1), 8);
    for one in asked {
        let (told, versions) = one.await.unwrap().unwrap();
        assert_eq!((told.version, versions), (Version(1), vec![Version(1)]));
    }
    // From then on that is known, whether it is loaded or not.
    gateway.apply_policy(&table(3, "UNAVAILABLE", true)).unwrap();
    gateway.carrier_down(id);
    assert_eq!(gateway.describe("m", None).unwrap().1, [Version(1)]);
    let unknown = asks(Some(Version(2).into())).await.unwrap_err();
    assert_eq!(unknown.kind, Kind::NotFound);
    assert_eq!(waiting(&gateway), 0);
}

#[tokio::test(start_paused = true)]
async fn who_asks_what_it_takes_waits_no_longer_than_he_would_for_an_answer() {
    let gateway = sleeping(Limits { load_wait_ms: 5000, ..Limits::default() });
    let at = clock::now();
    let late = gateway.describe_later("m", None, (at, Tick::NEVER)).await.unwrap_err();
    assert!(late.kind == Kind::Unavailable && late.note.contains("limit load_wait_ms"), "{late}");
    let at = clock::now();
    let late = gateway.describe_later("m", None, (at, at.plus(Duration::from_secs(1)))).await.unwrap_err();
    assert_eq!(late.kind, Kind::Expired);
    assert_eq!(waiting(&gateway), 0);
}
