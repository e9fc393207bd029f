//! Calls that cost a host, where others must not wait for an idle one: they are apart from each other, and among the rest.

use super::bench::*;
use super::spout::{Spout, open, prompt};
use crate::base::{
    contract::Contract,
    fault::{Fault, Kind, Phase},
    inference::{Inference, Value},
    roster::Roster,
    sequence::{Correlation, SequenceBatching, Strategy},
};
use std::time::Duration;

fn dies(spout: &Spout) {
    while spout.runs() > 0 {
        spout.end_with(Err(Fault::new(Kind::HostLost, "as told").at(Phase::Started)));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_parts_is_tried_again_beside_others_and_keeps_none_waiting() {
    let gateway = gateway();
    let first = Spout::up(&gateway, true);
    let long = open(&gateway, prompt(9, 1)).await.unwrap();
    let other = open(&gateway, prompt(9, 2)).await.unwrap();
    dies(&first);
    let second = Spout::up_beside(&gateway);
    assert_eq!(second.runs(), 1, "one of them: were it both, nobody would know who cost the next host");
    let innocents =
        [open(&gateway, prompt(9, 3)).await.unwrap(), open(&gateway, prompt(9, 4)).await.unwrap()];
    assert_eq!(second.runs(), 3);
    second.end();
    assert_eq!(second.runs(), 3, "the other one");
    (0..3).for_each(|_| second.end());
    let all = [long, other].into_iter().chain(innocents);
    for mut answers in all {
        assert!(answers.next().await.is_none());
        answers.delivered();
    }
    assert_eq!((gateway.flights.len(), gateway.ledger.taken()), (0, 0));
}

/// Its callers are told, and send the same again.
#[tokio::test(start_paused = true)]
async fn who_waits_for_another_suspect_is_none_after_a_minute() {
    let gateway = gateway();
    let first = Spout::up(&gateway, true);
    let asked = [open(&gateway, prompt(9, 1)).await.unwrap(), open(&gateway, prompt(9, 2)).await.unwrap()];
    first.say(1);
    dies(&first);
    drop(asked);
    let second = Spout::up_beside(&gateway);
    let _again = [open(&gateway, prompt(9, 1)).await.unwrap(), open(&gateway, prompt(9, 2)).await.unwrap()];
    assert_eq!(second.runs(), 1);
    tokio::time::advance(Duration::from_secs(61)).await;
    let innocent = open(&gateway, prompt(9, 3)).await.unwrap();
    assert_eq!(second.runs(), 2);
    drop(innocent);
    assert_eq!(second.runs(), 2, "the one that runs, and the one that waited for it");
    let _third = open(&gateway, prompt(9, 1)).await.unwrap();
    assert_eq!(second.runs(), 3, "nobody is suspected");
}

fn of(sequence: u64, start: bool, fill: u8) -> Inference {
    let parameters = vec![
        (Correlation::ID.into(), Value::Uint(sequence)),
        (Correlation::START.into(), Value::Bool(start)),
    ];
    Inference { parameters, ..ask(1, fill) }
}

fn stateful() -> Contract {
    let sequences =
        SequenceBatching { strategy: Strategy::Oldest, idle_ms: 1000.0, max_sequences: 4, controls: vec![] };
    Contract { sequences: Some(Box::new(sequences)), repeatable: false, ..contract(1) }
}

#[tokio::test(start_paused = true)]
async fn a_request_of_a_sequence_is_sent_again_though_others_are_at_work() {
    let gateway = gateway();
    let (id, first) = up(&gateway, stateful(), 16);
    let asked = [start(&gateway, of(1, true, 7)).await, start(&gateway, of(2, true, 8)).await];
    gateway.carrier_down(id);
    (0..2).for_each(|_| first.fail(Kind::HostLost, Phase::Started));
    for asked in asked {
        assert_eq!(asked.await.unwrap().unwrap_err().kind, Kind::HostLost);
    }
    let (_, second) = up(&gateway, stateful(), 16);
    let mut asked = vec![start(&gateway, of(11, true, 2)).await];
    asked.push(start(&gateway, of(12, true, 7)).await);
    asked.push(start(&gateway, of(11, false, 3)).await);
    assert_eq!((second.fills(), second.attempts()), (vec![2, 7], vec![0, 1]), "in a batch alone");
    asked.push(start(&gateway, of(13, true, 8)).await);
    asked.push(start(&gateway, of(14, true, 4)).await);
    assert_eq!(second.fills(), [2, 7, 4], "8 is apart from 7, and keeps nobody behind it");
    second.answer();
    assert_eq!(second.fills(), [7, 4, 3]);
    second.answer();
    assert_eq!(second.fills(), [4, 3, 8]);
    // One that goes on is not kept by one that begins: that may wait for its end.
    asked.push(start(&gateway, of(12, false, 7)).await);
    assert_eq!(second.fills(), [4, 3, 8, 7]);
    while second.len() > 0 {
        second.answer();
    }
    for asked in asked {
        asked.await.unwrap().unwrap();
    }
    assert_all_over(&gateway, 8);
}

/// Found out by whoever looks who is next, before the caller's own timer is.
#[tokio::test(start_paused = true)]
async fn a_first_request_that_is_late_takes_along_who_goes_on_with_it() {
    let gateway = gateway();
    let (_, host) = up(&gateway, stateful(), 4 + 1);
    let begun = start(&gateway, of(5, true, 1)).await;
    host.answer();
    begun.await.unwrap().unwrap();
    let other = start(&gateway, of(6, true, 2)).await;
    let deadline = crate::base::clock::now().plus(Duration::from_millis(5));
    let late = start(&gateway, Inference { deadline, ..of(5, true, 3) }).await;
    let follows = start(&gateway, of(5, false, 4)).await;
    assert_eq!(host.fills(), [2]);
    tokio::time::advance(Duration::from_millis(6)).await;
    host.answer();
    assert_eq!(host.fills(), [0_u8; 0]);
    other.await.unwrap().unwrap();
    assert_eq!(late.await.unwrap().unwrap_err().kind, Kind::Expired);
    let told = follows.await.unwrap().unwrap_err();
    assert!(told.note.contains("must specify the START flag"), "{told}");
    assert_all_over(&gateway, 4);
}

#[tokio::test(start_paused = true)]
async fn a_first_request_of_a_wrong_shape_ends_what_was_before() {
    let gateway = gateway();
    let (_, host) = up(&gateway, stateful(), 16);
    let begun = start(&gateway, of(5, true, 1)).await;
    host.answer();
    begun.await.unwrap().unwrap();
    let wrong = Inference { inputs: Default::default(), ..of(5, true, 2) };
    assert_eq!(start(&gateway, wrong).await.await.unwrap().unwrap_err().kind, Kind::Invalid);
    let told = start(&gateway, of(5, false, 3)).await.await.unwrap().unwrap_err();
    assert!(told.note.contains("must specify the START flag"), "{told}");
    assert_all_over(&gateway, 3);
}

/// What follows is meant for the new conversation, and not for the one that was to be over.
#[tokio::test(start_paused = true)]
async fn a_first_request_that_is_refused_ends_what_was_before() {
    let mut narrow = stateful();
    narrow.batching.queue_rows = 1;
    let gateway = gateway();
    let (_, host) = up(&gateway, narrow, 16);
    let begun = start(&gateway, of(5, true, 1)).await;
    let behind = start(&gateway, of(5, false, 2)).await;
    let full = start(&gateway, of(5, true, 3)).await.await.unwrap().unwrap_err();
    assert_eq!(full.kind, Kind::Overloaded);
    (0..2).for_each(|_| host.answer());
    begun.await.unwrap().unwrap();
    behind.await.unwrap().unwrap();
    let lost = start(&gateway, of(5, false, 4)).await.await.unwrap().unwrap_err();
    assert!(lost.note.contains("must specify the START flag"), "{lost}");
    let anew = start(&gateway, of(5, true, 5)).await;
    host.answer();
    anew.await.unwrap().unwrap();
    assert_all_over(&gateway, 5);
}
