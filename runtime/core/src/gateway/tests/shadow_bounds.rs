//! What shadows may hold, and when they begin and end.

use super::bench::*;
use super::shadows::{ALL, both, compared, found, of, served, table, take, told};
use crate::base::{
    clock,
    contract::{Batching, Contract, TensorSpec},
    datatype::Datatype,
    inference::{Inference, Value as Parameter},
    tensor::Tensor,
};
use bytes::Bytes;
use serde_json::json;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_shadow_that_hangs_costs_callers_nothing_and_no_more_than_its_bounds() {
    let (gateway, primary, shadow) = both(ALL);
    for at in 0..200 {
        served(&gateway, &primary, ask(1, at)).await;
        while primary.len() > 0 {
            primary.answer();
        }
    }
    assert_eq!((shadow.len(), successes(&gateway)), (1, 200), "the first took what was there to take");
    let seen = told(&gateway)[0].clone();
    assert!(
        seen["copied"].as_u64().unwrap() <= 65 && seen["dropped"]["full"].as_u64().unwrap() >= 135,
        "{seen}"
    );
    tokio::time::sleep(Duration::from_secs(11)).await;
    served(&gateway, &primary, ask(1, 7)).await;
    let seen = found(&gateway, |seen| seen["against"][0]["found"]["failed"]["expired"] == 1).await;
    assert!(seen["dropped"]["no_slack"].as_u64().unwrap() > 0, "{seen}");
    assert_eq!(shadow.cancelled.lock().len(), 1);
    assert_eq!(shadow.len(), 2, "its host has the first still");
    while shadow.len() > 0 {
        shadow.answer();
    }
    while primary.len() > 0 {
        primary.answer();
    }
    found(&gateway, |seen| compared(seen) == 1).await;
    assert_all_over(&gateway, 201);
}

#[tokio::test(start_paused = true)]
async fn while_callers_come_without_a_pause_nothing_is_sent() {
    let (gateway, primary, shadow) = both(ALL);
    let mut last = start(&gateway, ask(1, 0)).await;
    for at in 1..=30 {
        let next = start(&gateway, ask(1, at)).await;
        primary.answer();
        last.await.unwrap().unwrap();
        last = next;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(shadow.len(), 0);
    let dropped = told(&gateway)[0]["dropped"]["no_slack"].as_u64().unwrap();
    assert!((19..=21).contains(&dropped), "each waits a second: {dropped}");
    primary.answer();
    last.await.unwrap().unwrap();
    settle_down().await;
    assert!(shadow.len() >= 8, "of one moment a batch: {}", shadow.len());
}

#[tokio::test(start_paused = true)]
async fn one_that_is_apart_waits_for_nobody() {
    let (gateway, primary, shadow) = both(r#"{"version": 2, "share": 10000, "apart": true}"#);
    let (first, second) = (start(&gateway, ask(1, 1)).await, start(&gateway, ask(1, 2)).await);
    primary.answer();
    first.await.unwrap().unwrap();
    settle_down().await;
    assert_eq!((shadow.fills(), primary.fills()), (vec![1], vec![2, 1]), "another is served still");
    primary.answer();
    second.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_bounded_and_of_the_lowest_priority() {
    let wide = |version| {
        let spec = |name: &str| TensorSpec::new(name, Datatype::Uint8, [-1]);
        let batching = Batching { priorities: 3, default_priority: Some(1), ..contract(1).batching };
        Contract { inputs: vec![spec("x")], outputs: vec![spec("y")], batching, ..contract(version) }
    };
    let (gateway, primary, shadow) = of(ALL, wide);
    let mut large = ask(1, 1);
    let len = 9 << 20;
    let data = Bytes::from(vec![1; len]);
    large.inputs[0].tensor = Tensor {
        datatype: Datatype::Uint8,
        shape: [1, i64::try_from(len).unwrap()].into_iter().collect(),
        data,
    };
    served(&gateway, &primary, large).await;
    assert_eq!((shadow.len(), told(&gateway)[0]["dropped"].clone()), (0, json!({"memory": 1})));
    let mut small = ask(1, 1);
    small.parameters.push(("priority".into(), Parameter::Int(1)));
    served(&gateway, &primary, small).await;
    let call = take(&shadow);
    assert_eq!((call.level, call.deadline.since(clock::now()) <= Duration::from_secs(10)), (3, true));
}

#[tokio::test(start_paused = true)]
async fn a_table_without_a_shadow_ends_it_and_one_with_it_begins_anew() {
    let (gateway, primary, shadow) = both(ALL);
    served(&gateway, &primary, ask(1, 1)).await;
    assert_eq!(shadow.len(), 1);
    gateway.apply_policy(&table(3, "")).unwrap();
    settle_down().await;
    assert_eq!((told(&gateway), shadow.cancelled.lock().len()), (json!([]), 1));
    shadow.answer();
    primary.answer();
    served(&gateway, &primary, ask(1, 1)).await;
    assert_eq!(shadow.len(), 0);
    gateway.apply_policy(&table(4, ALL)).unwrap();
    served(&gateway, &primary, ask(1, 1)).await;
    assert_eq!((shadow.len(), &told(&gateway)[0]["copied"]), (1, &json!(1)));
    gateway.apply_policy(&table(5, r#"{"version": 2, "share": 1}"#)).unwrap();
    assert_eq!(
        (&told(&gateway)[0]["copied"], &told(&gateway)[0]["share"]),
        (&json!(1), &json!(1)),
        "it goes on"
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_was_ended_gets_nothing_of_who_was_being_served() {
    let (gateway, primary, shadow) = both(ALL);
    let asked = start(&gateway, ask(1, 1)).await;
    gateway.apply_policy(&table(3, "")).unwrap();
    primary.answer();
    asked.await.unwrap().unwrap();
    settle_down().await;
    assert_eq!((shadow.len(), told(&gateway)), (0, json!([])));
}

#[tokio::test(start_paused = true)]
async fn of_requests_with_an_id_a_share_is_copied_and_it_is_the_same_one() {
    let copied = || async {
        let (gateway, primary, shadow) = both(r#"{"version": 2, "share": 5000}"#);
        for at in 0..40_u8 {
            let inference = Inference { id: format!("request-{at}").into(), ..ask(1, at) };
            served(&gateway, &primary, inference).await;
            while primary.len() > 0 {
                primary.answer();
            }
            settle_down().await;
        }
        let fills = shadow.fills();
        assert_eq!(fills.len(), 1, "one that is under way keeps the others waiting");
        told(&gateway)[0]["copied"].as_u64().unwrap()
    };
    let (one, other) = (copied().await, copied().await);
    assert!(one == other && (10..=30).contains(&one), "{one} {other}");
}
