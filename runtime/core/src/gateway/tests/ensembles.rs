//! Requests that other versions answer together.

use super::bench::*;
use crate::base::{
    clock,
    contract::{Contract, TensorSpec},
    fault::{Fault, Kind, Phase},
    inference::{Answer, Inference, Value},
    roster::Roster,
    units::{Tick, Version},
};
use crate::gateway::{Gateway, GatewaySettings, Limits};
use crate::link::kept::{Kept, Standing};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

fn names(side: &str) -> Json {
    let each = side.split_whitespace().map(|one| one.split_once(':').unwrap());
    each.map(|(name, tensor)| (name.to_owned(), json!(tensor))).collect::<serde_json::Map<_, _>>().into()
}

/// Version 1 of `model`, with steps as `model inputs -> outputs`, each `name:tensor`.
fn written(model: &str, steps: &[&str]) -> String {
    let spec = |name| json!([{"name": name, "datatype": "UINT8", "shape": [1]}]);
    let step = |text: &&str| {
        let (step, rest) = text.split_once(' ').unwrap();
        let (name, version) =
            step.split_once('/').map_or((step, None), |(name, version)| (name, Some(version)));
        let (inputs, outputs) = rest.split_once("->").unwrap();
        json!({"model": name, "version": version.map(|one| one.parse::<u64>().unwrap()),
            "inputs": names(inputs), "outputs": names(outputs)})
    };
    json!({"model": model, "version": 1, "max_rows": 8, "inputs": spec("x"), "outputs": spec("y"),
        "steps": steps.iter().map(step).collect::<Vec<_>>()})
    .to_string()
}

/// Of each model version 1 has all traffic.
fn table(sequence: u64, models: &[&str]) -> String {
    let model =
        json!({"versions": [{"version": 1, "state": "READY"}], "weights": [{"version": 1, "share": 10000}]});
    let models: serde_json::Map<_, _> =
        models.iter().map(|name| ((*name).to_owned(), model.clone())).collect();
    json!({"epoch": {"term": 1, "sequence": sequence}, "models": models}).to_string()
}

/// `m` is the ensemble.
fn world(limits: Limits) -> Arc<Gateway> {
    let gateway = Gateway::new(GatewaySettings { limits, ..GatewaySettings::default() }).unwrap();
    gateway.apply_policy(&table(1, &["m", "a", "b", "c"])).unwrap();
    gateway.timers.get_or_init(Handle::current);
    gateway
}

fn host(gateway: &Arc<Gateway>, model: &str) -> Arc<Held> {
    up(gateway, Contract { model: model.into(), ..contract(1) }, 16).1
}

async fn composed(gateway: &Arc<Gateway>, steps: &[&str]) -> Kept {
    let kept = gateway.compose(&written("m", steps)).unwrap();
    settle_down().await;
    kept
}

fn reason(kept: &Kept) -> String {
    match &*kept.standing().borrow() {
        Standing::Down(why) | Standing::Refused(why) => why.clone(),
        Standing::Up(_) => "up".to_owned(),
        Standing::Over => "over".to_owned(),
    }
}

const CHAIN: [&str; 2] = ["a x:x -> y:t", "b x:t -> y:y"];
const FORK: [&str; 3] = ["a x:x -> y:t", "b x:x -> y:u", "c x:t w:u -> y:y"];

fn fault(asked: Result<Answer, Fault>) -> Fault {
    let mut fault = asked.unwrap_err();
    fault.note = fault.note.split(" [error id").next().unwrap().to_owned().into();
    fault
}

#[tokio::test(start_paused = true)]
async fn each_step_is_a_request_of_its_own() {
    let gateway = world(Limits::default());
    let (a, b) = (host(&gateway, "a"), host(&gateway, "b"));
    let kept = composed(&gateway, &CHAIN).await;
    assert_eq!(reason(&kept), "up");
    let parameters = vec![("note".into(), Value::Text("kept".into()))];
    let asked = start(&gateway, Inference { parameters: parameters.clone(), ..ask(2, 7) }).await;
    assert_eq!((a.rows(), b.rows(), a.calls.lock()[0].parameters.clone()), (2, 0, parameters));
    let sent = a.calls.lock()[0].inputs[0].data.clone();
    a.answer();
    settle_down().await;
    assert_eq!(b.fills(), [7]);
    assert_eq!(b.calls.lock()[0].inputs[0].data.as_ptr(), sent.as_ptr(), "by reference");
    assert_eq!(gateway.ledger.taken(), 1 + 2, "the request, and what its last step has");
    b.answer();
    let answer = asked.await.unwrap().unwrap();
    assert_eq!((answer.id.as_str(), answer.outputs[0].1.data.as_ref()), ("7", &[7, 7][..]));
    assert_eq!(answer.contract.platform, "ensemble");
    for model in ["m", "a", "b"] {
        let row = &gateway.statistics(Some(model), None).unwrap()[0];
        assert_eq!((row.success.count, row.fail.count, row.inference_count), (1, 0, 2), "{model}");
    }
    assert_all_over(&gateway, 1);
}

/// `c` takes what both others made.
fn fork(gateway: &Arc<Gateway>) -> [Arc<Held>; 3] {
    let mut joins = Contract { model: "c".into(), ..contract(1) };
    joins.inputs.push(TensorSpec::new("w", joins.inputs[0].datatype, [1]));
    [host(gateway, "a"), host(gateway, "b"), up(gateway, joins, 16).1]
}

#[tokio::test(start_paused = true)]
async fn steps_that_need_nothing_of_each_other_run_beside_each_other() {
    let gateway = world(Limits::default());
    let [a, b, c] = fork(&gateway);
    let _kept = composed(&gateway, &FORK).await;
    let asked = start(&gateway, ask(1, 3)).await;
    assert_eq!((a.rows(), b.rows(), c.rows()), (1, 1, 0));
    b.answer();
    settle_down().await;
    assert_eq!(c.rows(), 0, "it waits for both");
    a.answer();
    settle_down().await;
    assert_eq!(c.calls.lock()[0].inputs.len(), 2);
    c.answer();
    assert_eq!(asked.await.unwrap().unwrap().outputs[0].1.data.as_ref(), [3]);
    assert_all_over(&gateway, 1);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_fails_is_the_answer_and_others_are_taken_back() {
    let gateway = world(Limits::default());
    let [a, b, _c] = fork(&gateway);
    let _kept = composed(&gateway, &FORK).await;
    let asked = start(&gateway, ask(1, 3)).await;
    a.fail(Kind::ModelFailed, Phase::Started);
    let fault = fault(asked.await.unwrap());
    assert_eq!((fault.kind, &*fault.note), (Kind::ModelFailed, "in ensemble 'm', model 'a': as told"));
    settle_down().await;
    assert_eq!((b.cancelled.lock().len(), b.len()), (1, 1));
    assert_eq!(gateway.ledger.taken(), 1, "a host has it yet");
    b.answer();
    assert_all_over(&gateway, 1);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_or_is_late_is_waited_for_by_no_step() {
    let gateway = world(Limits::default());
    let (a, _b) = (host(&gateway, "a"), host(&gateway, "b"));
    let _kept = composed(&gateway, &CHAIN).await;
    let leaves = start(&gateway, ask(1, 1)).await;
    leaves.abort();
    settle_down().await;
    assert_eq!(a.cancelled.lock().len(), 1);
    let late =
        start(&gateway, Inference { deadline: clock::now().plus(Duration::from_secs(5)), ..ask(1, 2) }).await;
    assert!(a.calls.lock().iter().any(|call| call.deadline < Tick::NEVER), "what is left is the step's, too");
    tokio::time::advance(Duration::from_secs(6)).await;
    let fault = fault(late.await.unwrap());
    assert_eq!(
        (fault.kind, &*fault.note),
        (Kind::Expired, "the deadline of 5000.0 ms passed before an answer was ready")
    );
    settle_down().await;
    assert_eq!(a.cancelled.lock().len(), 2);
    (0..2).for_each(|_| a.answer());
    settle_down().await;
    assert_all_over(&gateway, 2);
}

#[tokio::test(start_paused = true)]
async fn a_model_without_a_host_is_named_and_may_come_back() {
    let gateway = world(Limits { park_ms: 1000, ..Limits::default() });
    let (id, _) = up(&gateway, Contract { model: "a".into(), ..contract(1) }, 16);
    let _b = host(&gateway, "b");
    let _kept = composed(&gateway, &CHAIN).await;
    assert!(gateway.is_model_ready("m", None) && gateway.is_model_ready("m", Some(&Version(1).into())));
    gateway.carrier_down(id);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let asked = start(&gateway, ask(1, 1)).await;
    let fault = fault(asked.await.unwrap());
    assert_eq!(fault.kind, Kind::Unavailable);
    assert_eq!(fault.note, "in ensemble 'm', model 'a' cannot serve now: version 1 has no host");
    assert!(!gateway.is_model_ready("m", None) && !gateway.is_ready());
    let row = gateway.index(false).into_iter().find(|row| row.model == "m").unwrap();
    assert_eq!(
        (row.state.as_str(), row.reason.as_str()),
        ("UNAVAILABLE", "model 'a': version 1 has no host")
    );
    let a = host(&gateway, "a");
    assert!(gateway.is_model_ready("m", None));
    let asked = start(&gateway, ask(1, 1)).await;
    a.answer();
    settle_down().await;
    _b.answer();
    assert!(asked.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn it_is_carried_once_its_models_are_there_and_fit() {
    let gateway = world(Limits::default());
    let kept = composed(&gateway, &CHAIN).await;
    assert_eq!(reason(&kept), "model 'a': version 1 has no host; model 'b': version 1 has no host");
    assert!(!gateway.is_model_ready("m", None));
    let _a = host(&gateway, "a");
    settle_down().await;
    assert_eq!(reason(&kept), "model 'b': version 1 has no host");
    let _b = host(&gateway, "b");
    settle_down().await;
    assert_eq!(reason(&kept), "up");
    drop(kept);
    let pinned = composed(&gateway, &["a/2 x:x -> y:y"]).await;
    assert_eq!(reason(&pinned), "model 'a': there is no version 2");
    let unfit = composed(&gateway, &["a x:x z:x -> y:y"]).await;
    assert_eq!(reason(&unfit), "step 1 (model 'a' version 1) has no input 'z'");
    let wrong = gateway.compose(&written("m", &["a x:q -> y:y"])).unwrap_err();
    assert!(wrong.starts_with("step 1 (model 'a') reads tensor 'q'"), "{wrong}");
}

#[tokio::test(start_paused = true)]
async fn a_ring_of_new_ones_is_refused_and_keeps_nobody_waiting() {
    let gateway = world(Limits::default());
    let one = gateway.compose(&written("b", &["m x:x -> y:y"])).unwrap();
    let other = composed(&gateway, &["b x:x -> y:y"]).await;
    settle_down().await;
    assert_eq!(reason(&one), "the ensemble contains itself: it asks m, which asks b");
    assert_eq!(reason(&other), "the ensemble contains itself: it asks b, which asks m");
}

#[tokio::test(start_paused = true)]
async fn one_may_ask_another_but_not_itself() {
    let gateway = world(Limits::default());
    let a = host(&gateway, "a");
    let inner = gateway.compose(&written("b", &["a x:x -> y:y"])).unwrap();
    settle_down().await;
    let outer = composed(&gateway, &["b x:x -> y:y"]).await;
    assert_eq!((reason(&inner), reason(&outer)), ("up".to_owned(), "up".to_owned()));
    let asked = start(&gateway, ask(1, 5)).await;
    a.answer();
    assert_eq!(asked.await.unwrap().unwrap().outputs[0].1.data.as_ref(), [5]);
    // Another version of the innermost model, which would ask the outermost.
    let again: Json = serde_json::from_str(&written("a", &["m x:x -> y:y"])).unwrap();
    let mut again = again;
    again["version"] = json!(2);
    let again = gateway.compose(&again.to_string()).unwrap();
    settle_down().await;
    assert_eq!(reason(&again), "the ensemble contains itself: it asks m, which asks b, which asks a");
}

#[tokio::test(start_paused = true)]
async fn what_steps_hold_is_counted() {
    let gateway = world(Limits { in_flight_bytes: 8, ..Limits::default() });
    let (a, b) = (host(&gateway, "a"), host(&gateway, "b"));
    let _kept = composed(&gateway, &CHAIN).await;
    let asked = start(&gateway, ask(4, 1)).await;
    a.answer();
    settle_down().await;
    let fault = fault(asked.await.unwrap());
    assert_eq!((fault.kind, b.len()), (Kind::Overloaded, 0));
    assert!(fault.note.contains("limit in_flight_bytes"), "{fault}");
    assert_all_over(&gateway, 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_before_a_drain_has_its_steps() {
    let gateway = world(Limits::default());
    let (a, b) = (host(&gateway, "a"), host(&gateway, "b"));
    let _kept = composed(&gateway, &CHAIN).await;
    let asked = start(&gateway, ask(1, 1)).await;
    gateway.gate.shut();
    a.answer();
    settle_down().await;
    b.answer();
    assert!(asked.await.unwrap().is_ok());
    let late = start(&gateway, ask(1, 1)).await;
    assert_eq!(late.await.unwrap().unwrap_err().kind, Kind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn its_end_lets_what_it_has_be_answered() {
    let gateway = world(Limits { park_ms: 0, ..Limits::default() });
    let (a, b) = (host(&gateway, "a"), host(&gateway, "b"));
    let kept = composed(&gateway, &CHAIN).await;
    let mut standing = kept.standing();
    let asked = start(&gateway, ask(1, 1)).await;
    kept.unwant();
    settle_down().await;
    assert!(matches!(&*standing.borrow_and_update(), Standing::Up(_)), "one is under way");
    a.answer();
    settle_down().await;
    b.answer();
    assert!(asked.await.unwrap().is_ok());
    settle_down().await;
    assert_eq!(reason(&kept), "over");
}
