//! Callers that give up, by themselves or by their deadline, wherever their call is.

use super::bench::*;
use crate::base::{
    clock,
    fault::{Kind, Phase},
    roster::Roster,
};
use std::time::Duration;

const SOON: Duration = Duration::from_millis(50);

/// A second call waits behind the first, whose host holds it.
#[tokio::test(start_paused = true)]
async fn who_leaves_the_queue_makes_room_at_once() {
    let gateway = gateway();
    let (_, host) = up(&gateway, contract(1), 8);
    let first = start(&gateway, ask(8, 1)).await;
    let second = start(&gateway, ask(8, 2)).await;
    let third = start(&gateway, ask(4, 3)).await;
    second.abort();
    settle_down().await;
    assert_eq!(failures(&gateway), 1, "counted when it left, not when its turn came");
    let fourth = start(&gateway, ask(8, 4)).await;
    for asked in [first, third, fourth] {
        host.answer();
        asked.await.unwrap().unwrap();
    }
    assert!(host.cancelled.lock().is_empty(), "the host never heard of it");
    assert_all_over(&gateway, 4);
}

#[tokio::test(start_paused = true)]
async fn a_large_head_that_leaves_lets_the_small_ones_go() {
    let gateway = gateway();
    let (_, host) = up(&gateway, contract(1), 8);
    let running = start(&gateway, ask(6, 1)).await;
    let large = start(&gateway, ask(8, 2)).await;
    let small = start(&gateway, ask(2, 3)).await;
    assert_eq!(host.fills(), [1], "nobody overtakes");
    large.abort();
    settle_down().await;
    assert_eq!(host.fills(), [1, 3]);
    host.answer();
    host.answer();
    assert!(running.await.unwrap().is_ok() && small.await.unwrap().is_ok());
    assert_all_over(&gateway, 3);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_in_flight_keeps_its_rows_until_the_host_settles() {
    let gateway = gateway();
    let (_, host) = up(&gateway, contract(1), 8);
    let gone = start(&gateway, ask(8, 1)).await;
    let next = start(&gateway, ask(8, 2)).await;
    gone.abort();
    settle_down().await;
    assert_eq!((host.cancelled.lock().len(), failures(&gateway)), (1, 1));
    assert_eq!(gateway.ledger.taken(), 2, "the host may still read its bytes");
    assert_eq!(host.fills(), [1], "its rows are out");
    host.fail(Kind::Cancelled, Phase::Final);
    assert_eq!(host.fills(), [2]);
    host.answer();
    next.await.unwrap().unwrap();
    assert_all_over(&gateway, 2);
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_to_who_is_gone_is_dropped() {
    let gateway = gateway();
    let (_, host) = up(&gateway, contract(1), 8);
    start(&gateway, ask(8, 1)).await.abort();
    settle_down().await;
    host.answer();
    assert_eq!((successes(&gateway), failures(&gateway)), (0, 1));
    assert_all_over(&gateway, 1);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_a_wait_anywhere() {
    let gateway = gateway();
    let (_, host) = up(&gateway, contract(1), 8);
    let begun = clock::now();
    let late = |fill| {
        let mut inference = ask(8, fill);
        inference.deadline = inference.arrived.plus(SOON);
        inference
    };
    let in_flight = start(&gateway, late(1)).await;
    let waiting = start(&gateway, late(2)).await;
    for asked in [in_flight, waiting] {
        let fault = asked.await.unwrap().unwrap_err();
        assert_eq!(fault.kind, Kind::Expired);
        assert!(
            fault.note.starts_with("the deadline of 50.0 ms passed") && fault.note.contains("[error id e-")
        );
    }
    assert_eq!(clock::now().since(begun).as_millis() / 10, 5, "at the deadline, not after");
    assert_eq!(host.cancelled.lock().len(), 1, "only one was in flight");
    host.answer();
    assert_eq!(host.len(), 0, "the one that waited is not sent");
    assert_all_over(&gateway, 2);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_is_over_is_refused_before_it_waits() {
    let gateway = gateway();
    let (_, host) = up(&gateway, contract(1), 8);
    let mut inference = ask(1, 1);
    inference.deadline = inference.arrived;
    assert_eq!(start(&gateway, inference).await.await.unwrap().unwrap_err().kind, Kind::Expired);
    assert_eq!(host.len(), 0);
    assert_all_over(&gateway, 1);
}

#[tokio::test(start_paused = true)]
async fn the_models_deadline_is_for_who_brings_none() {
    let gateway = gateway();
    let mut hasty = contract(1);
    hasty.batching.deadline_ms = Some(20.0);
    let (id, host) = up(&gateway, hasty, 8);
    let begun = clock::now();
    let mut own = ask(1, 1);
    own.deadline = own.arrived.plus(SOON);
    let (own, none) = (start(&gateway, own).await, start(&gateway, ask(1, 2)).await);
    assert_eq!(none.await.unwrap().unwrap_err().kind, Kind::Expired);
    assert_eq!(clock::now().since(begun).as_millis() / 10, 2);
    host.answer();
    own.await.unwrap().unwrap();
    host.answer();
    gateway.carrier_down(id);
    assert_all_over(&gateway, 2);
}
