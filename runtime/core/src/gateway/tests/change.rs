//! Tables, contracts and drains that come while calls wait.

use super::bench::*;
use crate::base::{
    call::{Call, Carrier, Outcome, Produced, Window},
    fault::Kind,
    inference::Inference,
    named::Named,
    roster::Roster,
    units::{CallId, Rows, Version},
};
use crate::decide::policy::BadPolicy;
use std::sync::Arc;
use std::time::Duration;

fn table(sequence: u64, two: u32, first: &str) -> String {
    format!(
        r#"{{"epoch": {{"term": 1, "sequence": {sequence}}}, "models": {{"m": {{
        "versions": [{{"version": 1, "state": "{first}", "reason": "why"}}, {{"version": 2, "state": "READY"}}],
        "weights": [{{"version": 1, "share": {}}}, {{"version": 2, "share": {two}}}]}}}}}}"#,
        10_000 - two
    )
}

#[tokio::test(start_paused = true)]
async fn traffic_follows_the_table_and_calls_keep_their_version() {
    let gateway = gateway();
    let (_, one) = up(&gateway, contract(1), 1);
    let (_, two) = up(&gateway, contract(2), 8);
    let (first, waits) = (start(&gateway, ask(1, 1)).await, start(&gateway, ask(1, 2)).await);
    gateway.apply_policy(&table(2, 10_000, "READY")).unwrap();
    let moved = start(&gateway, ask(1, 3)).await;
    let mut pinned = ask(1, 4);
    pinned.version = Some(Version(1).into());
    let pinned = start(&gateway, pinned).await;
    assert_eq!((one.fills(), two.fills()), (vec![1], vec![3]));
    two.answer();
    assert_eq!(moved.await.unwrap().unwrap().contract.version, Version(2));
    for asked in [first, waits, pinned] {
        one.answer();
        assert_eq!(asked.await.unwrap().unwrap().contract.version, Version(1));
    }
    assert_all_over(&gateway, 4);
}

#[tokio::test(start_paused = true)]
async fn an_alias_leads_where_the_table_in_force_says() {
    let gateway = gateway();
    let (_, one) = up(&gateway, contract(1), 1);
    let (_, two) = up(&gateway, contract(2), 8);
    let aliased = |sequence, version| {
        let aliases = format!(r#""aliases": [{{"name": "best", "version": {version}}}], "weights""#);
        table(sequence, 0, "READY").replace("\"weights\"", &aliases)
    };
    let named = |name, fill| Inference { version: Named::alias(name), ..ask(1, fill) };
    gateway.apply_policy(&aliased(2, 2)).unwrap();
    let first = start(&gateway, named("best", 1)).await;
    gateway.apply_policy(&aliased(3, 1)).unwrap();
    let moved = start(&gateway, named("best", 2)).await;
    assert_eq!((one.fills(), two.fills()), (vec![2], vec![1]));
    one.answer();
    two.answer();
    assert_eq!(first.await.unwrap().unwrap().contract.version, Version(2), "it keeps its version");
    assert_eq!(moved.await.unwrap().unwrap().contract.version, Version(1));
    let best = Named::alias("best");
    assert_eq!(gateway.describe("m", best.as_ref()).unwrap().0.version, Version(1));
    assert_eq!(gateway.statistics(Some("m"), best.as_ref()).unwrap().len(), 1);
    assert!(gateway.is_model_ready("m", best.as_ref()));
    gateway.apply_policy(&table(4, 0, "READY")).unwrap();
    assert!(!gateway.is_model_ready("m", best.as_ref()));
    let gone = start(&gateway, named("best", 3)).await.await.unwrap().unwrap_err();
    assert_eq!(
        (gone.kind, &*gone.note),
        (Kind::NotFound, "Request for unknown model: 'm' version 'best' is not found")
    );
    assert_all_over(&gateway, 2);
}

#[tokio::test(start_paused = true)]
async fn an_older_table_is_refused_and_changes_nothing() {
    let gateway = gateway();
    let _two = up(&gateway, contract(2), 8);
    gateway.apply_policy(&table(5, 10_000, "READY")).unwrap();
    let old = gateway.apply_policy(&table(4, 0, "READY")).unwrap_err();
    assert!(matches!(old, BadPolicy::Old { .. }), "{old}");
    assert!(gateway.apply_policy("{}").is_err());
    assert!(gateway.is_model_ready("m", None));
}

#[tokio::test(start_paused = true)]
async fn readiness_index_and_refusals_say_why() {
    let gateway = gateway();
    gateway.apply_policy(&table(2, 0, "LOADING")).unwrap();
    assert!(!gateway.is_ready());
    let (_, _two) = up(&gateway, contract(2), 8);
    let rows: Vec<_> =
        gateway.index(false).into_iter().map(|row| (row.version, row.state, row.reason)).collect();
    assert_eq!(
        rows,
        [
            (Some(Version(1)), "LOADING".into(), "why".to_owned()),
            (Some(Version(2)), "READY".into(), String::new())
        ]
    );
    assert_eq!(gateway.index(true).len(), 1);
    let fault = start(&gateway, ask(1, 1)).await.await.unwrap().unwrap_err();
    assert_eq!(fault.kind, Kind::Unavailable);
    assert!(fault.note.contains("version 1 is LOADING: why; version 2 gets no traffic"), "{fault}");
    let mut pinned = ask(1, 1);
    pinned.version = Some(Version(1).into());
    let fault = start(&gateway, pinned).await.await.unwrap().unwrap_err();
    assert!(fault.note.contains("'m' version 1 is not at ready state"), "{fault}");
    assert_eq!(gateway.describe("m", None).unwrap().1, [Version(2)]);
    assert_eq!(gateway.describe("m", Some(&Version(1).into())).unwrap_err().kind, Kind::Unavailable);
    assert_eq!(gateway.describe("n", None).unwrap_err().kind, Kind::NotFound);
    let unknown = gateway.statistics(Some("n"), None).unwrap_err();
    assert_eq!(
        (unknown.kind, unknown.note.as_ref()),
        (Kind::Invalid, "requested model 'n' is not available")
    );
}

#[tokio::test(start_paused = true)]
async fn hosts_of_one_version_agree_on_its_tensors() {
    let gateway = gateway();
    let (id, host) = up(&gateway, contract(1), 1);
    let mut other = contract(1);
    other.inputs[0].shape = vec![2];
    let window = Window { rows: Rows::new(8) };
    let fault = gateway.carrier_up(Arc::new(other.clone()), host.clone(), window).unwrap_err();
    assert!(fault.note.contains("x UINT8[2]") && fault.note.contains("x UINT8[1]"), "{fault}");
    assert!(gateway.next_error().unwrap().contains("other tensors"));

    let (flying, waiting) = (start(&gateway, ask(1, 1)).await, start(&gateway, ask(1, 2)).await);
    gateway.carrier_down(id);
    let _reloaded = up(&gateway, other, 8);
    let fault = waiting.await.unwrap().unwrap_err();
    assert!(fault.note.contains("replaced by one with other tensors"), "{fault}");
    host.answer();
    flying.await.unwrap().unwrap();
    assert_all_over(&gateway, 2);
}

#[tokio::test(start_paused = true)]
async fn a_drain_takes_nothing_new_and_finishes_what_it_has() {
    let gateway = gateway();
    let (_, host) = up(&gateway, contract(1), 1);
    let (flying, waiting) = (start(&gateway, ask(1, 1)).await, start(&gateway, ask(1, 2)).await);
    gateway.gate.shut();
    let late = start(&gateway, ask(1, 3)).await.await.unwrap().unwrap_err();
    assert_eq!(late.kind, Kind::Unavailable);
    assert!(late.note.starts_with("Server exiting"), "{late}");
    host.answer();
    host.answer();
    assert!(flying.await.unwrap().is_ok() && waiting.await.unwrap().is_ok());
    assert!(gateway.drain(Duration::ZERO));
    assert_all_over(&gateway, 2);
}

/// Settles from within `send`, as an intake that is closed does.
#[derive(Debug)]
struct Hasty;

impl Carrier for Hasty {
    fn send(&self, call: Call) {
        let produced = Produced { outputs: call.inputs.clone(), ..Produced::default() };
        call.reply.settle(Outcome { result: Ok(produced), timing: Default::default() });
    }

    fn cancel(&self, _: CallId) {}
}

/// On a stack that would not hold them if each were answered within the one before.
#[test]
fn a_carrier_that_answers_at_once_does_not_recurse_through_the_queue() {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let gateway = gateway();
            let mut deep = contract(1);
            deep.batching.queue_rows = 2_000;
            let window = |rows| Window { rows: Rows::new(rows) };
            let id = gateway.carrier_up(Arc::new(deep), Arc::new(Hasty), window(0)).unwrap();
            let mut asked = Vec::new();
            for _ in 0..2_000 {
                asked.push(start(&gateway, ask(1, 1)).await);
            }
            gateway.carrier_window(id, window(1));
            for asked in asked {
                asked.await.unwrap().unwrap();
            }
            assert_all_over(&gateway, 2_000);
        });
    };
    std::thread::Builder::new().stack_size(512 << 10).spawn(run).unwrap().join().unwrap();
}
