//! Evidence about versions that users stick to, counted by them: from what a request carries to what is told.

use super::bench::*;
use super::shadows::{ALL, compared, found, served};
use crate::base::{
    fault::{Kind, Phase},
    inference::{Inference, Value},
    roster::Roster,
};
use crate::gateway::{Gateway, GatewaySettings};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;

/// Both versions are judged by users; all traffic goes to the first.
fn table(sequence: u64, step: u32, shadows: &str) -> String {
    format!(
        r#"{{"epoch": {{"term": 1, "sequence": {sequence}}}, "models": {{"m": {{
            "versions": [{{"version": 1, "state": "READY"}}, {{"version": 2, "state": "READY"}}],
            "weights": [{{"version": 1, "share": 10000}}], "shadows": [{shadows}],
            "sticky": {{"fact": {{"parameter": "user"}}, "salt": "m"}},
            "judged": [{{"version": 1, "slow_ns": [1000000], "users_at_step": {step}}},
                {{"version": 2, "users_at_step": {step}}}]}}}}}}"#
    )
}

fn by(user: &str) -> Inference {
    Inference { parameters: vec![("user".into(), Value::Text(user.to_owned()))], ..ask(1, 1) }
}

/// What is told of both versions.
fn told(gateway: &Gateway) -> [Json; 2] {
    let all: Json = serde_json::from_str(&gateway.evidence()).unwrap();
    all["versions"].as_array().unwrap().clone().try_into().unwrap()
}

fn units(count: u64, bad: f64) -> Json {
    json!({"count": count, "bad": bad})
}

async fn fails(gateway: &Arc<Gateway>, host: &Held, inference: Inference) {
    let asked = start(gateway, inference).await;
    host.fail(Kind::ModelFailed, Phase::Started);
    assert!(asked.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn who_makes_most_requests_and_always_fails_is_one_user() {
    let gateway = Gateway::new(GatewaySettings::default()).unwrap();
    gateway.apply_policy(&table(1, 1, "")).unwrap();
    let (_, host) = up(&gateway, contract(1), 64);
    for _ in 0..200 {
        fails(&gateway, &host, by("ann")).await;
    }
    for user in ["bob", "cid", "dan"] {
        let asked = start(&gateway, by(user)).await;
        tokio::time::advance(Duration::from_millis(2)).await;
        host.answer();
        asked.await.unwrap().unwrap();
    }
    let [seen, _] = told(&gateway);
    assert_eq!((&seen["runs"], &seen["users_at_step"]), (&units(1, 1.0), &json!(1)), "others may say more");
    tokio::time::advance(Duration::from_secs(60)).await;
    let [seen, _] = told(&gateway);
    assert_eq!((&seen["runs"], &seen["slow"][0]), (&units(4, 1.0), &units(3, 3.0)));
    assert_eq!((&seen["unserved"], &seen["refused"]), (&units(1, 0.0), &units(3, 0.0)));
    // Whoever says not who he is may be anybody.
    fails(&gateway, &host, ask(1, 1)).await;
    fails(&gateway, &host, by("")).await;
    assert_eq!(told(&gateway)[0]["runs"], units(6, 3.0));
    gateway.apply_policy(&table(2, 2, "")).unwrap();
    for _ in 0..200 {
        fails(&gateway, &host, by("ann")).await;
    }
    let [seen, _] = told(&gateway);
    assert_eq!((&seen["runs"], &seen["since"]), (&units(1, 1.0), &json!(2)), "another step hears him anew");
    assert_all_over(&gateway, 405);
}

/// What is cut into several requests is one, and one of its parts is none.
#[tokio::test(start_paused = true)]
async fn a_request_that_is_cut_is_its_users() {
    let gateway = Gateway::new(GatewaySettings::default()).unwrap();
    gateway.apply_policy(&table(1, 1, "")).unwrap();
    let mut splitting = contract(1);
    splitting.batching.split_oversize = true;
    let (_, host) = up(&gateway, splitting, 64);
    // As many users are a unit as the larger part has rows.
    for user in (1..=20).flat_map(|_| 1..=8) {
        assert_eq!(told(&gateway)[0]["runs"], units(0, 0.0));
        let asked = Inference { parameters: by(&user.to_string()).parameters, ..ask(9, 1) };
        let asked = start(&gateway, asked).await;
        (0..2).for_each(|_| host.answer());
        asked.await.unwrap().unwrap();
    }
    assert_eq!(told(&gateway)[0]["runs"], units(1, 0.0));
}

/// It is one unit for the shadow, whoever answered him.
#[tokio::test(start_paused = true)]
async fn copies_of_one_users_requests_are_his() {
    let gateway = Gateway::new(GatewaySettings::default()).unwrap();
    gateway.apply_policy(&table(1, 1, ALL)).unwrap();
    let ((_, primary), (_, shadow)) = (up(&gateway, contract(1), 64), up(&gateway, contract(2), 64));
    for pair in 1..=20 {
        served(&gateway, &primary, by("ann")).await;
        while primary.len() > 0 {
            primary.answer(); // for the noise, which is no evidence
        }
        if pair <= 5 {
            shadow.fail(Kind::ModelFailed, Phase::Started);
            found(&gateway, |seen| seen["against"][0]["found"]["failed"]["model_failed"] == pair).await;
        } else {
            shadow.answer();
            found(&gateway, |seen| compared(seen) == pair - 5).await;
        }
    }
    let [of_primary, of_shadow] = told(&gateway);
    assert_eq!((&of_primary["runs"], &of_primary["agreement"]), (&units(1, 0.0), &units(0, 0.0)));
    assert_eq!((&of_shadow["agreement"], &of_shadow["runs"]), (&units(1, 0.25), &units(0, 0.0)));
}

/// What a request waited for while its version was loaded again is told neither at once nor with what else he says.
#[tokio::test(start_paused = true)]
async fn what_waited_for_a_host_is_no_evidence() {
    let gateway = Gateway::new(GatewaySettings::default()).unwrap();
    gateway.apply_policy(&table(1, 1, "")).unwrap();
    let (id, host) = up(&gateway, contract(1), 64);
    let eve = start(&gateway, by("eve")).await;
    host.answer();
    eve.await.unwrap().unwrap();
    gateway.carrier_down(id);
    let ann = start(&gateway, by("ann")).await;
    tokio::time::advance(Duration::from_secs(5)).await;
    let (_, host) = up(&gateway, contract(1), 64);
    host.answer();
    ann.await.unwrap().unwrap();
    let bob = start(&gateway, by("bob")).await;
    host.answer();
    bob.await.unwrap().unwrap();
    tokio::time::advance(Duration::from_secs(60)).await;
    let [seen, _] = told(&gateway);
    assert_eq!((&seen["runs"], &seen["slow"][0]), (&units(2, 0.0), &units(2, 0.0)));
}
