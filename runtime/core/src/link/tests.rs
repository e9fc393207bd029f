//! Both sides over a real socket, in one process.

use super::{
    gateway::Endpoint,
    testing::{ARENA, ELEMENTS, Shelf, contract, pair, until},
};
use crate::base::{
    call::Window,
    clock,
    contract::Contract,
    fault::{Kind, Phase},
    panics,
    units::{CallId, Rows, Version},
};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

fn large(byte: u8) -> Bytes {
    Bytes::from(vec![byte; 100_000])
}

#[tokio::test]
async fn small_calls_are_answered_once_and_counted_before() {
    let pair = pair("small", Shelf::new(true)).await;
    let calls: Vec<_> = (0..50).map(|n| (n, pair.desk.call(Bytes::from(vec![n; 9])))).collect();
    until("all are answered", || pair.desk.answered() == 50).await;
    for (n, call) in calls {
        assert_eq!(pair.desk.end(call).unwrap(), vec![n; 9]);
    }
    assert_eq!(pair.desk.executed.lock().len(), 50);
    assert_eq!(pair.desk.up.lock().values().next().unwrap().0, contract(1));
}

#[tokio::test]
async fn large_tensors_travel_through_memory_and_the_memory_comes_back() {
    let pair = pair("large", Shelf::new(false)).await;
    let body = pair.sends.copy(&large(7)).unwrap();
    let (first, second) = (pair.desk.call(body), pair.desk.call(large(8)));
    until("the host has them", || pair.shelf.model.holds() == 2).await;
    assert!(pair.sends.free_bytes() < ARENA - 200_000, "a heap tensor was copied into the arena");
    pair.shelf.model.answer_all();
    until("both are answered", || pair.desk.answered() == 2).await;
    let outputs = [pair.desk.end(first).unwrap(), pair.desk.end(second).unwrap()];
    assert_eq!(outputs, [large(7), large(8)]);
    until("the inputs were released", || pair.sends.free_bytes() == ARENA).await;
    assert!(pair.answers.free_bytes() < ARENA - 200_000, "the gateway still looks at the outputs");
    let part = outputs[0].slice(5..6);
    drop(outputs);
    until("one output was released", || pair.answers.free_bytes() > ARENA - 110_000).await;
    assert!(pair.answers.free_bytes() < ARENA);
    drop(part);
    until("the other too", || pair.answers.free_bytes() == ARENA).await;
}

/// Elements are copied before they are parsed, so nobody looks at the host's memory when they have come.
#[tokio::test]
async fn the_memory_of_elements_comes_back_too() {
    let shelf = Shelf::new(false);
    let pair = pair("elements", Arc::clone(&shelf)).await;
    shelf.carried.lock().insert(ELEMENTS, 8);
    pair.host.announce();
    until("both versions are up", || pair.desk.up.lock().len() == 2).await;
    let carrier = pair.desk.up.lock().values().last().unwrap().1.clone();
    let element = [&200_000_u32.to_le_bytes()[..], &[7; 200_000]].concat();
    let call = pair.desk.call_with_element(&carrier, element.clone().into());
    until("the host has it", || pair.shelf.model.holds() == 1).await;
    pair.shelf.model.answer_all();
    until("it is answered", || pair.desk.answered() == 1).await;
    assert_eq!(pair.desk.end(call).unwrap(), element);
    until("nothing is lent", || pair.answers.free_bytes() == ARENA && pair.sends.free_bytes() == ARENA).await;
}

#[tokio::test]
async fn a_full_arena_lets_tensors_through_inline() {
    let pair = pair("full", Shelf::new(true)).await;
    let _all = (pair.sends.lease(ARENA).unwrap(), pair.answers.lease(ARENA).unwrap());
    let huge = Bytes::from((0..10_000_000_u32).map(|n| n.to_le_bytes()[0]).collect::<Vec<_>>());
    let (first, second) = (pair.desk.call(huge.clone()), pair.desk.call(large(1)));
    until("both are answered", || pair.desk.answered() == 2).await;
    assert_eq!((pair.desk.end(first).unwrap(), pair.desk.end(second).unwrap()), (huge, large(1)));
}

#[tokio::test]
async fn a_lost_host_answers_everything_and_frees_all_memory() {
    let pair = pair("lost", Shelf::new(false)).await;
    let calls: Vec<_> = (0..5).map(|n| pair.desk.call(large(n))).collect();
    until("the host has them", || pair.shelf.model.holds() == 5).await;
    drop(pair.host);
    until("all are answered", || pair.desk.answered() == 5).await;
    for call in calls {
        let fault = pair.desk.end(call).unwrap_err();
        assert_eq!((fault.kind, fault.phase), (Kind::HostLost, Phase::Started));
    }
    assert!(pair.desk.up.lock().is_empty());
    assert_eq!(pair.shelf.model.cancelled.lock().len(), 5, "the host was told that nobody waits");
    assert!(pair.sends.free_bytes() <= ARENA - 500_000, "its model looks at what it was sent");
    drop(pair.shelf.model.held.lock().drain(..4));
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(pair.sends.free_bytes() <= ARENA - 500_000, "and at some of it still");
    pair.shelf.model.held.lock().clear();
    until("all memory is free", || pair.sends.free_bytes() == ARENA).await;
}

#[tokio::test]
async fn what_came_too_late_for_a_link_was_not_started() {
    let pair = pair("late", Shelf::new(false)).await;
    let carrier = pair.desk.up.lock().values().next().unwrap().1.clone();
    drop(pair.host);
    until("the carrier is down", || pair.desk.up.lock().is_empty()).await;
    let call = pair.desk.call_through(&carrier, large(1));
    let fault = pair.desk.end(call).unwrap_err();
    assert_eq!((fault.kind, fault.phase), (Kind::HostLost, Phase::NotAdmitted));
}

#[tokio::test]
async fn cancel_is_a_hint() {
    let pair = pair("cancel", Shelf::new(false)).await;
    let carrier = pair.desk.up.lock().values().next().unwrap().1.clone();
    let call = pair.desk.call(large(1));
    until("the host has it", || pair.shelf.model.holds() == 1).await;
    carrier.cancel(CallId(call));
    carrier.cancel(CallId(999));
    until("the host was told", || pair.shelf.model.cancelled.lock().len() == 1).await;
    assert_eq!(pair.shelf.model.cancelled.lock()[0], pair.shelf.model.held.lock()[0].id);
    pair.shelf.model.answer_all();
    until("it is answered all the same", || pair.desk.answered() == 1).await;
    carrier.cancel(CallId(call));
    assert!(pair.desk.end(call).is_ok());
}

#[tokio::test]
async fn a_dropped_call_is_answered_too() {
    let pair = pair("dropped", Shelf::new(false)).await;
    let call = pair.desk.call(large(1));
    until("the host has it", || pair.shelf.model.holds() == 1).await;
    pair.shelf.model.held.lock().clear();
    until("it is answered", || pair.desk.answered() == 1).await;
    assert_eq!(pair.desk.end(call).unwrap_err().kind, Kind::Internal);
    until("its input is free", || pair.sends.free_bytes() == ARENA).await;
}

#[tokio::test]
async fn the_window_is_held_by_the_host_too() {
    let shelf = Shelf::new(false);
    shelf.carried.lock().insert(1, 2);
    let pair = pair("window", shelf).await;
    let calls: Vec<_> = (0..3).map(|_| pair.desk.call(large(1))).collect();
    until("one is refused", || pair.desk.answered() == 1).await;
    let fault = pair.desk.end(calls[2]).unwrap_err();
    assert_eq!((fault.kind, fault.phase), (Kind::Overloaded, Phase::NotAdmitted));
    pair.shelf.model.answer_all();
    until("the others are answered", || pair.desk.answered() == 2).await;
    let call = pair.desk.call(large(1));
    until("there is room again", || pair.shelf.model.holds() == 1).await;
    pair.shelf.model.answer_all();
    until("it is answered", || pair.desk.answered() == 3).await;
    assert!(pair.desk.end(call).is_ok());
    // One of more rows than the whole window, as after the limit was lowered, may come alone.
    let carrier = pair.desk.up.lock().values().next().unwrap().1.clone();
    let wide = pair.desk.call_of(&carrier, 3, Bytes::from_static(&[7; 9]));
    until("the host has it", || pair.shelf.model.holds() == 1).await;
    let next = pair.desk.call(large(1));
    until("the next is refused", || pair.desk.answered() == 3).await;
    pair.shelf.model.answer_all();
    until("the wide one is answered", || pair.desk.answered() == 4).await;
    assert_eq!(pair.desk.end(next).unwrap_err().kind, Kind::Overloaded);
    assert!(pair.desk.end(wide).is_ok());
}

/// An answer that the socket's buffer does not hold has not left when its call is settled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_ends_waits_until_everything_has_left() {
    let pair = pair("sent", Shelf::new(false)).await;
    let _all = (pair.sends.lease(ARENA).unwrap(), pair.answers.lease(ARENA).unwrap());
    let huge = Bytes::from(vec![3; 8_000_000]);
    let call = pair.desk.call(huge.clone());
    until("the host has it", || pair.shelf.model.holds() == 1).await;
    pair.shelf.model.answer_all();
    let until = clock::now().plus(Duration::from_secs(30));
    let (host, sent) = tokio::task::spawn_blocking(move || {
        let sent = pair.host.wait_sent(until);
        (pair.host, sent)
    })
    .await
    .unwrap();
    assert!(sent);
    drop(host);
    super::testing::until("it is answered", || pair.desk.answered() == 1).await;
    assert_eq!(pair.desk.end(call).unwrap(), huge);
}

#[tokio::test]
async fn versions_come_go_and_change_while_linked() {
    let pair = pair("versions", Shelf::new(true)).await;
    let carrier = pair.desk.up.lock().values().next().unwrap().1.clone();
    pair.shelf.carried.lock().insert(2, 5);
    pair.host.announce();
    until("version 2 is up", || pair.desk.up.lock().len() == 2).await;
    let mut changed = Contract::clone(&contract(2));
    changed.batching.max_rows = 5;
    pair.host.credit(&changed, Window { rows: Rows::new(9) });
    until("its window has grown", || pair.desk.up.lock().values().any(|one| one.2.rows == Rows::new(9)))
        .await;
    assert!(
        pair.desk.up.lock().values().any(|one| one.0 == Arc::new(changed.clone())),
        "and how it is asked"
    );

    pair.shelf.carried.lock().remove(&1);
    let call = pair.desk.call_through(&carrier, large(1));
    until("it is answered", || pair.desk.answered() == 1).await;
    let fault = pair.desk.end(call).unwrap_err();
    assert_eq!((fault.kind, fault.phase), (Kind::Unavailable, Phase::NotAdmitted));
    pair.host.announce();
    until("version 1 is down", || pair.desk.up.lock().len() == 1).await;
    assert_eq!(pair.desk.up.lock().values().next().unwrap().0.version, Version(2));
}

#[tokio::test]
async fn a_draining_host_gets_no_more_and_finishes() {
    let pair = pair("drain", Shelf::new(false)).await;
    let carrier = pair.desk.up.lock().values().next().unwrap().1.clone();
    let call = pair.desk.call(large(1));
    until("the host has it", || pair.shelf.model.holds() == 1).await;
    pair.host.drain();
    assert!(!pair.host.wait_for_the_last(clock::now()), "the gateway has not heard of it");
    until("the carrier is down", || pair.desk.up.lock().is_empty()).await;
    until("its last call has come", || pair.host.wait_for_the_last(clock::now())).await;
    let late = pair.desk.call_through(&carrier, large(2));
    until("the late one is answered", || pair.desk.answered() == 1).await;
    assert_eq!(pair.desk.end(late).unwrap_err().phase, Phase::NotAdmitted);
    assert_eq!(pair.host.in_flight(), 1);
    pair.shelf.model.answer_all();
    until("the early one too", || pair.desk.answered() == 1).await;
    assert!(pair.desk.end(call).is_ok());
}

#[tokio::test]
async fn an_endpoint_that_is_not_wanted_finishes_what_it_has() {
    let pair = pair("unwanted", Shelf::new(false)).await;
    let call = pair.desk.call(large(1));
    until("the host has it", || pair.shelf.model.holds() == 1).await;
    pair.links.set_endpoints(vec![]);
    until("the carrier is down", || pair.desk.up.lock().is_empty()).await;
    assert_eq!(pair.host.gateways(), 1);
    pair.shelf.model.answer_all();
    until("it is answered", || pair.desk.answered() == 1).await;
    let output = pair.desk.end(call).unwrap();
    until("the link is gone", || pair.host.gateways() == 0).await;
    assert!(pair.answers.free_bytes() < ARENA, "the gateway looks at the host's memory");
    assert_eq!(output, large(1));
    drop(output);
    until("the host's memory is free", || pair.answers.free_bytes() == ARENA).await;
    pair.links.close().await;
}

#[tokio::test]
async fn a_host_that_comes_back_is_found_again() {
    let pair = pair("again", Shelf::new(true)).await;
    drop(pair.host);
    until("the carrier is down", || pair.desk.up.lock().is_empty()).await;
    let shelf = Shelf::new(true);
    let on = tokio::runtime::Handle::current();
    let _host = super::host::Listener::listen(&on, &pair.path, shelf, None, super::testing::quiet()).unwrap();
    until("a carrier is up", || pair.desk.up.lock().len() == 1).await;
    let same = Endpoint { id: "again".to_owned(), socket: pair.path.clone() };
    pair.links.set_endpoints(vec![same]);
    let call = pair.desk.call(large(3));
    until("it is answered", || pair.desk.answered() == 1).await;
    assert_eq!(pair.desk.end(call).unwrap(), large(3));
}

#[tokio::test]
async fn a_panic_costs_the_calls_of_one_link_which_comes_up_again() {
    let pair = pair("panic", Shelf::new(true)).await;
    panics::install();
    pair.desk.breaks.store(true, Relaxed);
    let broken = pair.desk.call(Bytes::from_static(b"one"));
    until("it is answered", || pair.desk.answered() == 1).await;
    assert_eq!(pair.desk.end(broken).unwrap_err().kind, Kind::HostLost);
    until("the host is dialled again", || pair.desk.up.lock().len() == 1).await;
    let call = pair.desk.call(Bytes::from_static(b"two"));
    until("the next one is answered", || pair.desk.answered() == 1).await;
    assert_eq!(pair.desk.end(call).unwrap(), "two");
}
