//! Who goes first, and who is told at once that it would be too late.

use super::bench::*;
use crate::base::{
    call::{Execution, Outlet},
    clock,
    contract::{Batching, Contract, Term},
    fault::{Kind, Phase},
    inference::{Inference, Value},
};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

fn with_priorities() -> Contract {
    let plain = contract(1);
    Contract { batching: Batching { priorities: 2, ..plain.batching.clone() }, ..plain }
}

fn of_priority(priority: u64, fill: u8) -> Inference {
    Inference { parameters: vec![("priority".into(), Value::Uint(priority))], ..ask(1, fill) }
}

fn within(limit: Duration, fill: u8) -> Inference {
    Inference { deadline: clock::now().plus(limit), ..ask(1, fill) }
}

#[tokio::test(start_paused = true)]
async fn the_more_important_and_then_the_more_urgent_goes_first() {
    let gateway = gateway();
    let (_, host) = up(&gateway, with_priorities(), 1);
    let mut asked = vec![start(&gateway, ask(1, 0)).await];
    for inference in [of_priority(2, 1), of_priority(1, 2), ask(1, 3), within(500 * MS, 4), of_priority(1, 5)]
    {
        asked.push(start(&gateway, inference).await);
    }
    let mut order = Vec::new();
    for _ in 0..asked.len() {
        order.extend(host.fills());
        host.answer();
        settle_down().await;
    }
    assert_eq!(order, [0, 2, 5, 4, 1, 3]);
    for one in asked {
        one.await.unwrap().unwrap();
    }
    assert_all_over(&gateway, 6);
}

/// A gateway that has seen batches of 80 ms, and a host that has two of them.
#[tokio::test(start_paused = true)]
async fn who_would_be_late_is_told_before_and_who_has_become_late_is_not_sent() {
    let gateway = gateway();
    let (_, host) = up(&gateway, contract(1), 16);
    let runs = || gateway.executed(&contract(1), Execution { infer_ns: 80_000_000, ..execution(8) });
    (0..8).for_each(|_| runs());
    // Nothing is before it: it is sent, whatever is believed.
    let mut asked = vec![start(&gateway, within(50 * MS, 0)).await];
    host.answer();
    asked.push(start(&gateway, ask(8, 1)).await);
    asked.push(start(&gateway, ask(8, 2)).await);

    let refused = start(&gateway, within(150 * MS, 3)).await.await.unwrap().unwrap_err();
    assert_eq!(refused.kind, Kind::Overloaded);
    assert!(
        refused.note.contains("16 rows are before it, so that an answer would take some 240 ms"),
        "{refused}"
    );
    assert_eq!(refused.retry_after.as_millis(), 95);

    let waits = start(&gateway, within(250 * MS, 4)).await;
    tokio::time::advance(160 * MS).await;
    runs(); // and so the other has just begun
    host.answer();
    settle_down().await;
    assert_eq!(host.fills(), [2], "it would be late");
    let late = waits.await.unwrap().unwrap_err();
    assert!(late.kind == Kind::Expired && late.note.contains("was not begun"), "{late}");
    host.answer();
    for one in asked {
        one.await.unwrap().unwrap();
    }
    assert_all_over(&gateway, 5);
}

/// What `headrace why` shows.
#[tokio::test(start_paused = true)]
async fn how_requests_went_is_kept_of_those_that_asked_and_of_those_that_failed() {
    let gateway = gateway();
    let (_, held) = up(&gateway, contract(1), 8);
    let named = |id: &str, traced| Inference { id: id.into(), traced, ..ask(2, 1) };
    let asked = start(&gateway, named("slow", true)).await;
    tokio::time::advance(Duration::from_millis(40)).await;
    held.answer();
    asked.await.unwrap().unwrap();
    for _ in 0..3 {
        let asked = start(&gateway, named("usual", false)).await;
        held.answer();
        asked.await.unwrap().unwrap();
    }
    let late = Inference { deadline: clock::now().plus(Duration::from_millis(5)), ..named("late", false) };
    let late = start(&gateway, late).await;
    tokio::time::advance(Duration::from_millis(6)).await;
    assert_eq!(late.await.unwrap().unwrap_err().kind, Kind::Expired);
    let told: serde_json::Value = serde_json::from_str(&gateway.recent()).unwrap();
    let mut told: Vec<_> = told.as_array().unwrap().iter().collect();
    told.sort_by_key(|one| one["id"].to_string());
    let of = |at: usize, key: &str| told[at][key].clone();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!((of(0, "id"), of(0, "end"), of(0, "tries")), ("late".into(), "expired".into(), 1.into()));
    assert_eq!((of(0, "deadline_ms"), of(0, "sealed")), (5.0.into(), "".into()));
    assert_eq!((of(1, "id"), of(1, "end"), of(1, "rows")), ("slow".into(), "answered".into(), 2.into()));
    assert_eq!((of(1, "total_ms"), of(1, "sealed")), (40.0.into(), "full".into()));
    held.answer();
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_is_bounded() {
    let gateway = gateway();
    let (_, held) = up(&gateway, contract(1), 8);
    for number in 0..600 {
        let asked = Inference { id: format!("{number:09999}").into(), traced: number < 300, ..ask(1, 1) };
        let asked = start(&gateway, asked).await;
        match number < 300 {
            true => held.answer(),
            false => held.fail(Kind::ModelFailed, Phase::Started),
        }
        let _ = asked.await.unwrap();
        // Of those that fail in one millisecond one is kept.
        tokio::time::advance(Duration::from_micros(500)).await;
    }
    let told: serde_json::Value = serde_json::from_str(&gateway.recent()).unwrap();
    assert!(told.as_array().unwrap().iter().all(|one| one["id"].as_str().unwrap().len() == 128));
    let ends = |end: &str| told.as_array().unwrap().iter().filter(|one| one["end"] == end).count();
    assert_eq!((ends("answered"), ends("model_failed")), (256, 150));
}

/// A model whose time is in what its requests cost: a millisecond for each byte of theirs.
#[tokio::test(start_paused = true)]
async fn who_costs_much_is_late_where_who_costs_little_is_not() {
    let gateway = gateway();
    let plain = contract(1);
    let cost = vec![Term::Value("x".into())];
    let counting =
        Contract { batching: Batching { cost, max_cost: Some(200), ..plain.batching.clone() }, ..plain };
    let (_, host) = up(&gateway, counting.clone(), 16);
    for cost in [10, 30, 50].into_iter().cycle().take(60) {
        let run = Execution { infer_ns: cost * 1_000_000, cost, ..execution(1) };
        gateway.executed(&counting, run);
    }
    let runs = start(&gateway, ask(1, 30)).await;
    let small = start(&gateway, within(100 * MS, 20)).await;
    let large = start(&gateway, within(100 * MS, 150)).await.await.unwrap().unwrap_err();
    assert!(large.kind == Kind::Overloaded && large.note.contains("is busy"), "{large}");
    while host.len() > 0 {
        host.answer();
        settle_down().await;
    }
    assert!(runs.await.unwrap().is_ok() && small.await.unwrap().is_ok());
    assert_all_over(&gateway, 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_told_of_requests_fits_a_line() {
    let gateway = gateway();
    let (_, held) = up(&gateway, contract(1), 8);
    for _ in 0..300 {
        let asked = Inference { id: "\u{1f980}".repeat(128).into(), traced: true, ..ask(1, 1) };
        let asked = start(&gateway, asked).await;
        held.answer();
        asked.await.unwrap().unwrap();
        tokio::time::advance(MS).await;
    }
    let told = gateway.recent();
    let all: Vec<serde_json::Value> = serde_json::from_str(&told).unwrap();
    assert!((200..256).contains(&all.len()) || all.len() == 256, "{}", all.len());
    let escaped: usize = told.chars().map(|c| if c.is_ascii() { 1 } else { 12 }).sum();
    assert!(escaped < 1 << 20, "{escaped}");
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_of_who_was_late_is_what_its_caller_was_told() {
    for window in [8, 0] {
        let gateway = gateway();
        let (_, _held) = up(&gateway, contract(1), window);
        let deadline = clock::now().plus(Duration::from_millis(5));
        let asked = start(&gateway, Inference { deadline, ..ask(1, 1) }).await;
        tokio::time::advance(Duration::from_millis(6)).await;
        let told = asked.await.unwrap().unwrap_err();
        assert_eq!(told.kind, Kind::Expired);
        let kept = gateway.recent();
        assert!(told.note.contains("the deadline of 5.0 ms passed before"), "{told}");
        assert!(kept.contains("the deadline of 5.0 ms passed before"), "{window} rows: {kept}");
    }
}
