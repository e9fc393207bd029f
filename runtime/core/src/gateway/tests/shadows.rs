//! Copies for shadows: who gets them, when, and what they cost callers.

use super::bench::*;
use crate::base::{
    call::{Call, Outcome, Produced, Timing},
    contract::{Contract, TensorSpec},
    datatype::Datatype,
    fault::{Fault, Kind, Phase},
    inference::{InRegion, Inference},
    tensor::Tensor,
};
use crate::gateway::Gateway;
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Version 1 serves; 2 is its shadow.
pub(super) fn table(sequence: u64, shadows: &str) -> String {
    format!(
        r#"{{"epoch": {{"term": 1, "sequence": {sequence}}}, "models": {{"m": {{
            "versions": [{{"version": 1, "state": "READY"}}, {{"version": 2, "state": "READY"}}],
            "weights": [{{"version": 1, "share": 10000}}], "shadows": [{shadows}]}}}}}}"#
    )
}

pub(super) const ALL: &str = r#"{"version": 2, "share": 10000}"#;

pub(super) fn both(shadows: &str) -> (Arc<Gateway>, Arc<Held>, Arc<Held>) {
    of(shadows, contract)
}

pub(super) fn of(shadows: &str, contract: impl Fn(u64) -> Contract) -> (Arc<Gateway>, Arc<Held>, Arc<Held>) {
    let gateway = Gateway::new(crate::gateway::GatewaySettings::default()).unwrap();
    gateway.apply_policy(&table(2, shadows)).unwrap();
    let ((_, primary), (_, shadow)) = (up(&gateway, contract(1), 64), up(&gateway, contract(2), 64));
    (gateway, primary, shadow)
}

pub(super) fn told(gateway: &Gateway) -> Value {
    let stats: Value = serde_json::from_str(&gateway.stats()).unwrap();
    stats["shadows"].clone()
}

/// What was found of version 2 beside version 1, once `is_so`: another thread compares.
pub(super) async fn found(gateway: &Gateway, is_so: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..5000 {
        settle_down().await;
        let seen = told(gateway)[0].clone();
        if is_so(&seen) {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("never: {}", told(gateway));
}

pub(super) fn compared(seen: &Value) -> u64 {
    seen["against"][0]["found"]["compared"].as_u64().unwrap_or(0)
}

/// Asks, has it answered, and lets what follows from that happen.
pub(super) async fn served(gateway: &Arc<Gateway>, primary: &Held, inference: Inference) {
    let asked = start(gateway, inference).await;
    primary.answer();
    asked.await.unwrap().unwrap();
    settle_down().await;
}

pub(super) fn settle(call: Call, result: Result<Tensor, Fault>) {
    let result =
        result.map(|output| Produced { outputs: [output].into_iter().collect(), ..Produced::default() });
    call.reply.settle(Outcome {
        result,
        timing: Timing { infer_ns: 5_000_000, batch_rows: 1, ..Timing::default() },
    });
}

pub(super) fn take(held: &Held) -> Call {
    held.calls.lock().remove(0)
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_sent_when_its_caller_has_the_answer_and_nobody_is_served() {
    let (gateway, primary, shadow) = both(ALL);
    let (first, second) = (start(&gateway, ask(1, 1)).await, start(&gateway, ask(1, 2)).await);
    assert_eq!((primary.len(), shadow.len()), (2, 0));
    primary.answer();
    first.await.unwrap().unwrap();
    settle_down().await;
    assert_eq!(shadow.len(), 0, "another is served");
    primary.answer();
    second.await.unwrap().unwrap();
    settle_down().await;
    assert_eq!(shadow.fills(), [1, 2]);
    assert_eq!(primary.fills(), [1, 2], "those for the noise");
    (0..2).for_each(|_| shadow.answer());
    (0..2).for_each(|_| primary.answer());
    let seen = found(&gateway, |seen| compared(seen) == 2).await;
    assert_eq!(seen["against"][0]["found"]["outputs"][0]["same"], 2, "{seen}");
    let seen = found(&gateway, |seen| seen["against"][0]["noise"]["compared"] == 2).await;
    assert_eq!((&seen["copied"], &seen["dropped"]), (&json!(2), &json!({})), "{seen}");
    assert_all_over(&gateway, 2);
    assert!(gateway.metrics().contains("headrace_shadow_copies_total{model=\"m\",version=\"2\"} 2\n"));
}

pub(super) fn floats(version: u64) -> Contract {
    let spec = |name: &str| TensorSpec::new(name, Datatype::Fp32, [1]);
    Contract { inputs: vec![spec("x")], outputs: vec![spec("y")], ..contract(version) }
}

pub(super) fn number(value: f32) -> Inference {
    let mut inference = ask(1, 0);
    let data = Bytes::from(value.to_le_bytes().to_vec());
    inference.inputs[0].tensor =
        Tensor { datatype: Datatype::Fp32, shape: [1, 1].into_iter().collect(), data };
    inference
}

#[tokio::test(start_paused = true)]
async fn a_change_is_found_and_sized_beside_the_noise() {
    let (gateway, primary, shadow) = of(ALL, floats);
    for at in 1..=20_u8 {
        served(&gateway, &primary, number(f32::from(at))).await;
        let call = take(&shadow);
        let mut output = call.inputs[0].clone();
        output.data = Bytes::from((f32::from(at) * 1.01).to_le_bytes().to_vec());
        settle(call, Ok(output));
        while primary.len() > 0 {
            primary.answer();
        }
        found(&gateway, |seen| compared(seen) == u64::from(at)).await;
    }
    let seen = found(&gateway, |seen| seen["against"][0]["noise"]["compared"] == 16).await;
    let sizes = &seen["against"][0]["found"]["outputs"][0]["sizes"];
    let rel = sizes["max_rel"].as_f64().unwrap();
    assert!((rel - 0.01).abs() < 1e-6, "{seen}");
    let noise = &seen["against"][0]["noise"]["outputs"][0];
    assert_eq!((&noise["compared"], &noise["same"]), (&json!(16), &json!(16)), "{seen}");
    assert_eq!(seen["against"][0]["found"]["shadow_ms"], 5.0);
    assert_all_over(&gateway, 20);
}

#[tokio::test(start_paused = true)]
async fn what_a_shadow_fails_with_is_counted_and_tried_once() {
    let (gateway, primary, mut shadow) = both(ALL);
    let faults = [
        (Kind::ModelFailed, Phase::Started),
        (Kind::ModelHung, Phase::Final),
        (Kind::HostLost, Phase::Started),
    ];
    for (kind, phase) in faults {
        served(&gateway, &primary, ask(1, 1)).await;
        shadow.fail(kind, phase);
        primary.answer();
        settle_down().await;
        assert_eq!((shadow.len(), primary.len()), (0, 0), "{kind:?} is not tried again");
    }
    shadow = up(&gateway, contract(2), 64).1; // the other was lost
    served(&gateway, &primary, ask(1, 1)).await;
    shadow.answer_with(2);
    primary.answer();
    let seen = found(&gateway, |seen| seen["against"][0]["found"]["failed"]["internal"] == 1).await;
    let failed = json!({"model_failed": 1, "host_lost": 1, "model_hung": 1, "internal": 1});
    assert_eq!(seen["against"][0]["found"]["failed"], failed);
    // Nobody is accused of what a copy cost.
    served(&gateway, &primary, ask(1, 1)).await;
    assert_eq!((shadow.attempts(), primary.attempts()), (vec![0], vec![0]));
    shadow.answer();
    primary.answer();
    let failing = start(&gateway, ask(1, 3)).await;
    primary.fail(Kind::ModelFailed, Phase::Started);
    assert!(failing.await.unwrap().is_err());
    settle_down().await;
    shadow.answer();
    found(&gateway, |seen| seen["against"][0]["found"]["primary_failed"] == 1).await;
    settle_down().await;
    assert_all_over(&gateway, 6);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_copied_is_counted_by_its_cause() {
    let (gateway, primary, shadow) = both(ALL);
    let mut elsewhere = ask(1, 1);
    let region = InRegion { region: "r".into(), offset: 0, len: 1, device: None };
    elsewhere.inputs[0].region = Some(Box::new(region));
    served(&gateway, &primary, elsewhere).await;
    let client = crate::gateway::Client::new(Arc::clone(&gateway));
    let reserved = gateway.ledger.take(1).unwrap();
    let mut answers = gateway.open(Box::new(ask(1, 1)), reserved, &client).await.unwrap();
    primary.answer();
    answers.next().await.unwrap().unwrap();
    answers.delivered();
    drop(answers);
    assert_eq!(told(&gateway)[0]["dropped"], json!({"shared_memory": 1, "stream": 1}));
    let gone = start(&gateway, ask(1, 1)).await;
    gone.abort();
    primary.answer();
    settle_down().await;
    assert_eq!((shadow.len(), &told(&gateway)[0]["copied"]), (0, &json!(0)), "its caller left");

    let once = |version| Contract { repeatable: false, ..contract(version) };
    let (gateway, primary, shadow) = of(ALL, once);
    served(&gateway, &primary, ask(1, 1)).await;
    assert_eq!((shadow.len(), told(&gateway)[0]["dropped"].clone()), (0, json!({"not_repeatable": 1})));
    gateway.apply_policy(&table(3, r#"{"version": 2, "share": 10000, "repeatable": true}"#)).unwrap();
    served(&gateway, &primary, ask(1, 1)).await;
    assert_eq!((shadow.len(), primary.len()), (1, 1), "the operator says so");

    let other = |version| Contract {
        inputs: if version == 2 { Vec::new() } else { contract(1).inputs },
        ..contract(version)
    };
    let (gateway, primary, _) = of(ALL, other);
    served(&gateway, &primary, ask(1, 1)).await;
    assert_eq!(told(&gateway)[0]["dropped"], json!({"unfit": 1}));
}

/// Also behind the first, of which noise is measured anyway.
#[tokio::test(start_paused = true)]
async fn where_it_is_asked_who_answered_answers_each_copy_again_and_is_judged_by_that() {
    let of_each = r#"{"version": 2, "share": 10000, "noise_of_each": true}"#;
    let judged = r#""judged": [{"version": 1}, {"version": 2}], "shadows""#;
    let gateway = Gateway::new(crate::gateway::GatewaySettings::default()).unwrap();
    gateway.apply_policy(&table(2, of_each).replace("\"shadows\"", judged)).unwrap();
    let ((_, primary), (_, shadow)) = (up(&gateway, contract(1), 64), up(&gateway, contract(2), 64));
    for pair in 1..=20 {
        served(&gateway, &primary, ask(2, 1)).await;
        assert_eq!((primary.len(), shadow.len()), (1, 1), "{pair}");
        shadow.answer();
        let again = take(&primary);
        let mut output = again.inputs[0].clone();
        if pair % 10 == 0 {
            output.data = Bytes::from_static(&[1, 9]);
        }
        settle(again, Ok(output));
        let both = |seen: &Value| {
            [&seen["against"][0]["found"], &seen["against"][0]["noise"]].map(|one| one["compared"] == pair)
        };
        found(&gateway, |seen| both(seen) == [true, true]).await;
    }
    let seen: Value = serde_json::from_str(&gateway.evidence()).unwrap();
    let agreement = |at: usize| &seen["versions"][at]["agreement"];
    assert_eq!(agreement(0), &json!({"count": 20, "bad": 1.0}));
    assert_eq!(agreement(1), &json!({"count": 20, "bad": 0.0}));
}
