//! What is counted of versions that are judged, from the policy table to what is told.

use super::bench::*;
use super::shadows::{compared, found, served, take};
use crate::base::{
    call::{Call, Execution, Outcome, Outlet, Produced, Sealed, Timing},
    contract::Contract,
    fault::{Fault, Kind, Phase},
    inference::Inference,
    units::Version,
};
use crate::gateway::{Gateway, GatewaySettings};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Versions 1 and 2 of m, all traffic to the first.
fn table(sequence: u64, judged: &str) -> String {
    format!(
        r#"{{"epoch": {{"term": 1, "sequence": {sequence}}}, "models": {{"m": {{
            "versions": [{{"version": 1, "state": "READY"}}, {{"version": 2, "state": "READY"}}],
            "weights": [{{"version": 1, "share": 10000}}], "judged": [{judged}]}}}}}}"#
    )
}

const FIRST: &str = r#"{"version": 1, "slow_ns": [1000000, 50000000]}"#;
const SECOND: &str = r#"{"version": 2, "slow_ns": []}"#;

fn judged(judged: &str) -> (Arc<Gateway>, Arc<Held>) {
    let gateway = Gateway::new(GatewaySettings::default()).unwrap();
    gateway.apply_policy(&table(1, judged)).unwrap();
    let (_, host) = up(&gateway, Contract { repeatable: false, ..contract(1) }, 64);
    (gateway, host)
}

fn evidence(gateway: &Gateway) -> Vec<Value> {
    let all: Value = serde_json::from_str(&gateway.evidence()).unwrap();
    assert!(all["began"].as_u64() > Some(1_600_000_000_000_000_000), "not nanoseconds since 1970: {all}");
    all["versions"].as_array().unwrap().clone()
}

fn only(gateway: &Gateway) -> Value {
    let [one] = evidence(gateway).try_into().unwrap();
    one
}

fn units(count: u64, bad: f64) -> Value {
    json!({"count": count, "bad": bad})
}

/// One unit, of which so many thirds are bad.
fn thirds(bad: u32) -> Value {
    units(1, f64::from(bad) / 3.0)
}

/// Has the host run all that it holds as one batch.
fn run(gateway: &Gateway, host: &Held, sealed: Sealed, end: impl Fn(&Call) -> Option<Fault>) {
    let calls = std::mem::take(&mut *host.calls.lock());
    let rows = calls.iter().map(|call| call.rows.get()).sum();
    let ends: Vec<_> = calls.iter().map(&end).collect();
    let failed = ends.iter().flatten().any(|fault| fault.kind == Kind::ModelFailed);
    gateway.executed(&contract(1), Execution { sealed, failed, ..execution(rows) });
    for (call, fault) in calls.into_iter().zip(ends) {
        let timing = Timing {
            queue_ns: call.id.0,
            input_ns: 1,
            infer_ns: 1000,
            output_ns: 3,
            batch_rows: rows,
            sealed,
        };
        let outputs = call.inputs.clone();
        let result = fault.map_or(Ok(Produced { outputs, ..Produced::default() }), Err);
        call.reply.settle(Outcome { result, timing });
    }
}

fn broken() -> Fault {
    Fault::new(Kind::ModelFailed, "it raised").at(Phase::Started)
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_one_unit_whoever_asked() {
    let (gateway, host) = judged(FIRST);
    let mut asked = Vec::new();
    for (rows, fill) in [(1, 1), (2, 2), (1, 3), (1, 4)] {
        asked.push(start(&gateway, ask(rows, fill)).await);
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    run(&gateway, &host, Sealed::Full, |_| None);
    for asked in asked {
        asked.await.unwrap().unwrap();
    }
    // They have waited for 4, 3, 2 and 1 ms; one is not beyond one.
    let expected = json!({"model": "m", "version": 1, "since": 1, "rollout": 0,
        "slow_ns": [1_000_000, 50_000_000],
        "runs": units(1, 0.0), "unserved": units(0, 0.0), "refused": units(1, 0.0), "slow": [units(1, 0.75), units(1, 0.0)], "agreement": units(0, 0.0),
        "together": {"count": 1, "span_ns": 0},
        "latency": [[63, 1], [79, 1], [87, 1], [95, 1]]});
    assert_eq!(only(&gateway), expected);
    assert_all_over(&gateway, 4);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_is_one_bad_run_and_its_reruns_are_none() {
    let (gateway, host) = judged(FIRST);
    let (one, other) = (start(&gateway, ask(1, 1)).await, start(&gateway, ask(1, 2)).await);
    gateway.executed(&contract(1), Execution { failed: true, sealed: Sealed::Full, ..execution(2) });
    // The host runs its halves again, without a word to us; the second is at fault.
    let second = host.calls.lock().split_off(1);
    tokio::time::advance(Duration::from_millis(80)).await;
    run(&gateway, &host, Sealed::Again, |_| None);
    host.calls.lock().extend(second);
    run(&gateway, &host, Sealed::Again, |_| Some(broken()));
    one.await.unwrap().unwrap();
    assert_eq!(other.await.unwrap().unwrap_err().kind, Kind::ModelFailed);
    let seen = only(&gateway);
    assert_eq!((&seen["runs"], &seen["slow"]), (&units(1, 1.0), &json!([units(0, 0.0), units(0, 0.0)])));
    assert_eq!(seen["refused"], units(0, 0.0));
    assert_eq!(seen["latency"].as_array().unwrap().len(), 1, "it is an answer, and a slow one");
}

#[tokio::test(start_paused = true)]
async fn what_callers_do_wrong_is_no_unit_and_spoils_none() {
    let (gateway, host) = judged(FIRST);
    let mut asked = Vec::new();
    for fill in 1..=4 {
        asked.push(start(&gateway, ask(1, fill)).await);
    }
    asked.remove(0).abort(); // it leaves
    settle_down().await;
    let refused = |call: &Call| (call.inputs[0].data[0] == 2).then(|| Fault::invalid("no picture"));
    run(&gateway, &host, Sealed::Full, refused);
    assert_eq!(asked.remove(0).await.unwrap().unwrap_err().kind, Kind::Invalid);
    for asked in asked {
        asked.await.unwrap().unwrap();
    }
    let seen = only(&gateway);
    assert_eq!(
        (&seen["runs"], &seen["slow"][0]),
        (&units(1, 0.0), &units(0, 0.0)),
        "one may yet be heard of"
    );
    tokio::time::advance(Duration::from_millis(2001)).await;
    let seen = only(&gateway);
    assert_eq!((&seen["slow"], &seen["refused"]), (&json!([units(1, 0.0), units(1, 0.0)]), &thirds(1)));
    let mut wrong = ask(9, 0);
    wrong.inputs[0].name = "z".into();
    start(&gateway, wrong).await.await.unwrap().unwrap_err();
    let lost = start(&gateway, ask(1, 0)).await;
    host.fail(Kind::HostLost, Phase::Started);
    assert_eq!(lost.await.unwrap().unwrap_err().kind, Kind::HostLost);
    assert_eq!(only(&gateway)["slow"], json!([units(1, 0.0), units(1, 0.0)]));
    assert_eq!((&only(&gateway)["runs"], &only(&gateway)["refused"]), (&units(1, 0.0), &thirds(1)));
}

/// No run fails, and nobody is slow.
#[tokio::test(start_paused = true)]
async fn a_version_that_answers_everybody_with_a_refusal_is_seen() {
    let (gateway, host) = judged(FIRST);
    for size in [1, 3] {
        let mut asked = Vec::new();
        for fill in 0..size {
            asked.push(start(&gateway, ask(1, fill)).await);
        }
        run(&gateway, &host, Sealed::Full, |_| Some(Fault::invalid("no picture")));
        for asked in asked {
            assert_eq!(asked.await.unwrap().unwrap_err().kind, Kind::Invalid);
        }
    }
    let seen = only(&gateway);
    assert_eq!((&seen["runs"], &seen["refused"]), (&units(2, 0.0), &units(2, 2.0)));
    assert_eq!((&seen["slow"], &seen["latency"]), (&json!([units(0, 0.0), units(0, 0.0)]), &json!([])));
}

#[tokio::test(start_paused = true)]
async fn callers_for_whom_there_is_no_room_or_no_time_are_a_share_of_their_second() {
    let (gateway, host) = judged(FIRST);
    let mut held = Vec::new();
    for fill in 0..10 {
        held.push(start(&gateway, ask(8, fill)).await); // 64 rows are with the host, and 16 wait
    }
    for _ in 0..20 {
        let full = start(&gateway, ask(1, 0)).await.await.unwrap().unwrap_err();
        assert_eq!(full.kind, Kind::Overloaded);
    }
    assert_eq!((&only(&gateway)["unserved"], failures(&gateway)), (&units(0, 0.0), 20), "it is not over");
    for ended in held.drain(..5) {
        host.answer();
        ended.await.unwrap().unwrap();
    }
    held.into_iter().for_each(|asked| asked.abort());
    settle_down().await;
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(only(&gateway)["unserved"], units(1, 0.8), "20 of 25; who leaves says nothing");
    let mut hurried = ask(1, 0);
    hurried.deadline = hurried.arrived.plus(Duration::from_millis(5));
    let asked = start(&gateway, hurried).await;
    tokio::time::advance(Duration::from_millis(6)).await;
    assert_eq!(asked.await.unwrap().unwrap_err().kind, Kind::Expired);
    tokio::time::advance(Duration::from_secs(1)).await;
    let seen = only(&gateway);
    assert_eq!((&seen["unserved"], &seen["runs"]), (&units(2, 1.8), &units(0, 0.0)));
    assert_eq!(seen["slow"][0]["bad"], 0.0);
}

#[tokio::test(start_paused = true)]
async fn tables_begin_go_on_with_and_end_the_counts_of_each_version() {
    let (gateway, host) = judged("");
    let serve = async |pinned: Option<u64>| {
        let inference = Inference { version: pinned.map(|number| Version(number).into()), ..ask(1, 1) };
        let asked = start(&gateway, inference).await;
        run(&gateway, &host, Sealed::Free, |_| None);
        asked.await.unwrap().unwrap();
    };
    let seen = || -> Vec<_> {
        let one = |row: &Value| {
            (
                row["version"].as_u64().unwrap(),
                row["since"].as_u64().unwrap(),
                row["runs"]["count"].as_u64().unwrap(),
            )
        };
        evidence(&gateway).iter().map(one).collect()
    };
    serve(None).await;
    assert_eq!(seen(), []);
    gateway.apply_policy(&table(2, FIRST)).unwrap();
    serve(None).await;
    assert_eq!(seen(), [(1, 1, 1)]);
    gateway.apply_policy(&table(3, &format!("{SECOND},{FIRST}"))).unwrap();
    serve(Some(1)).await;
    assert_eq!(seen(), [(1, 1, 2), (2, 1, 0)], "a version that has no host yet is waited for");
    gateway.apply_policy(&table(4, &format!("{},{SECOND}", FIRST.replace("50000000", "50000001")))).unwrap();
    serve(None).await;
    assert_eq!(seen(), [(1, 2, 1), (2, 1, 0)]);
    gateway.apply_policy(&table(5, SECOND)).unwrap();
    serve(None).await;
    let (_, second) = up(&gateway, contract(2), 8);
    let asked = start(&gateway, Inference { version: Some(Version(2).into()), ..ask(1, 1) }).await;
    gateway.executed(&contract(2), execution(1));
    second.answer();
    asked.await.unwrap().unwrap();
    assert_eq!(seen(), [(2, 1, 1)]);
    assert!(gateway.apply_policy(&table(6, &format!("{SECOND},{SECOND}"))).is_err());
    assert_eq!(seen(), [(2, 1, 1)], "a table that is refused changes nothing");
    gateway.apply_policy(&table(7, FIRST)).unwrap();
    assert_eq!(seen(), [(1, 3, 0)]);
    serve(None).await;
    let of = |rollout: u64| FIRST.replace("\"version\"", &format!("\"rollout\": {rollout}, \"version\""));
    gateway.apply_policy(&table(8, &of(0))).unwrap();
    assert_eq!(seen(), [(1, 3, 1)], "nobody's is that of none");
    gateway.apply_policy(&table(9, &of(12))).unwrap();
    assert_eq!((seen(), &only(&gateway)["rollout"]), (vec![(1, 4, 0)], &json!(12)), "by the same lines");
}

/// By rows that say something else than what callers had, where it had a say at all.
#[tokio::test(start_paused = true)]
async fn a_shadow_is_judged_by_what_it_answers_beside_callers() {
    let gateway = Gateway::new(GatewaySettings::default()).unwrap();
    let shadows = r#""shadows": [{"version": 2, "share": 10000}], "judged""#;
    let table = table(1, &format!("{FIRST},{SECOND}")).replace("\"judged\"", shadows);
    gateway.apply_policy(&table).unwrap();
    let ((_, primary), (_, shadow)) = (up(&gateway, contract(1), 64), up(&gateway, contract(2), 64));
    let agreements = || -> Vec<_> { evidence(&gateway).iter().map(|row| row["agreement"].clone()).collect() };
    let copied = async || {
        served(&gateway, &primary, ask(2, 1)).await;
        while primary.len() > 0 {
            primary.answer(); // for the noise, which is no evidence
        }
    };
    for (pairs, rows) in [(1, [1, 1]), (2, [1, 9])] {
        copied().await;
        let call = take(&shadow);
        let mut output = call.inputs[0].clone();
        output.data = rows.to_vec().into();
        let produced = Produced { outputs: [output].into_iter().collect(), ..Produced::default() };
        call.reply.settle(Outcome { result: Ok(produced), timing: Timing::default() });
        found(&gateway, |seen| compared(seen) == pairs).await;
    }
    assert_eq!(agreements(), [units(0, 0.0), units(2, 0.5)]);
    copied().await;
    shadow.fail(Kind::ModelFailed, Phase::Started);
    copied().await;
    shadow.fail(Kind::HostLost, Phase::Started);
    found(&gateway, |seen| seen["against"][0]["found"]["failed"]["host_lost"] == 1).await;
    assert_eq!(agreements(), [units(0, 0.0), units(3, 1.5)], "a lost host says nothing of its answer");
    let (_, shadow) = up(&gateway, contract(2), 64);
    let failing = start(&gateway, ask(1, 3)).await;
    primary.fail(Kind::ModelFailed, Phase::Started);
    assert!(failing.await.unwrap().is_err());
    settle_down().await;
    shadow.fail(Kind::ModelFailed, Phase::Started);
    found(&gateway, |seen| seen["against"][0]["found"]["both_failed"] == 1).await;
    assert_eq!(agreements(), [units(0, 0.0), units(3, 1.5)]);
}
