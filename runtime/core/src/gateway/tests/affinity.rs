//! Sequences: each stays with the host that it began in, and its requests in their order.

use super::bench::*;
use crate::base::{
    call::{Outcome, Timing},
    contract::Contract,
    fault::{Fault, Kind, Phase},
    inference::{Inference, Value},
    roster::Roster,
    sequence::{Correlation, SequenceBatching, Strategy},
};
use crate::gateway::Gateway;
use std::sync::Arc;
use std::time::Duration;

/// Of a window, rows beyond these are for those that begin.
pub(super) const SLOTS: u32 = 2;

pub(super) fn stateful() -> Contract {
    let sequences = SequenceBatching {
        strategy: Strategy::Oldest,
        idle_ms: 1000.0,
        max_sequences: SLOTS,
        controls: vec![],
    };
    Contract { sequences: Some(Box::new(sequences)), repeatable: false, ..contract(1) }
}

fn of(sequence: u64, start: bool, end: bool, fill: u8) -> Inference {
    let parameters = vec![
        (Correlation::ID.into(), Value::Uint(sequence)),
        (Correlation::START.into(), Value::Bool(start)),
        (Correlation::END.into(), Value::Bool(end)),
    ];
    Inference { parameters, ..ask(1, fill) }
}

fn waiting(gateway: &Gateway) -> u64 {
    let stats: serde_json::Value = serde_json::from_str(&gateway.stats()).unwrap();
    stats["models"]["m"]["versions"]["1"]["waiting"].as_u64().unwrap()
}

pub(super) async fn begin(gateway: &Arc<Gateway>, at: &Held, sequence: u64) {
    let asked = start(gateway, of(sequence, true, false, 0)).await;
    at.answer();
    asked.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_each_sequence_one_is_at_its_host() {
    let gateway = gateway();
    let (_, one) = up(&gateway, stateful(), SLOTS + 8);
    let mut asked = Vec::new();
    for (fill, sequence) in [(1, 5), (2, 5), (3, 6), (4, 5)] {
        asked.push(start(&gateway, of(sequence, fill == 1 || fill == 3, false, fill)).await);
    }
    assert_eq!((one.fills(), waiting(&gateway)), (vec![1, 3], 2));
    for want in [vec![3, 2], vec![2], vec![4], vec![]] {
        one.answer();
        assert_eq!(one.fills(), want);
    }
    for asked in asked {
        asked.await.unwrap().unwrap();
    }
    assert_all_over(&gateway, 4);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_does_not_fit_is_told_so_in_tritons_words() {
    let gateway = gateway();
    let (_, _one) = up(&gateway, stateful(), SLOTS + 8);
    let none = start(&gateway, ask(1, 0)).await.await.unwrap().unwrap_err();
    let want =
        "[request id: 7] inference request to model 'm' must specify a non-zero or non-empty correlation ID";
    assert_eq!(none.note, want);
    let two = Inference { inputs: ask(2, 0).inputs, ..of(5, true, false, 0) };
    let note = start(&gateway, two).await.await.unwrap().unwrap_err().note;
    assert!(note.contains("must specify batch-size 1 due to requirements of sequence batcher"), "{note}");
    assert_all_over(&gateway, 2);
}

#[tokio::test(start_paused = true)]
async fn those_that_begin_leave_room_for_those_at_work() {
    let gateway = gateway();
    let (_, one) = up(&gateway, stateful(), SLOTS + 3);
    begin(&gateway, &one, 5).await;
    let mut asked = Vec::new();
    for sequence in 10..16 {
        asked.push(start(&gateway, of(sequence, true, true, 1)).await);
    }
    assert_eq!((one.len(), waiting(&gateway)), (3, 3));
    asked.push(start(&gateway, of(5, false, false, 9)).await);
    assert_eq!(one.fills(), [1, 1, 1, 9], "an end would else wait behind those that wait for it");
    while one.len() > 0 {
        one.answer();
    }
    for asked in asked {
        asked.await.unwrap().unwrap();
    }
    assert_all_over(&gateway, 8);
}

#[tokio::test(start_paused = true)]
async fn a_sequence_stays_with_its_host_and_is_lost_with_it() {
    let gateway = gateway();
    let (first, one) = up(&gateway, stateful(), SLOTS + 8);
    begin(&gateway, &one, 5).await;
    let (_, other) = up(&gateway, stateful(), SLOTS + 8);
    for fill in 1..=3 {
        let asked = start(&gateway, of(5, false, false, fill)).await;
        assert_eq!((one.fills(), other.len()), (vec![fill], 0));
        one.answer();
        asked.await.unwrap().unwrap();
    }
    let flying = start(&gateway, of(5, false, false, 4)).await;
    let behind = start(&gateway, of(5, false, false, 5)).await;
    let anew = start(&gateway, of(5, true, false, 6)).await;
    gateway.carrier_down(first);
    one.fail(Kind::HostLost, Phase::Started);
    assert_eq!(flying.await.unwrap().unwrap_err().kind, Kind::HostLost, "it may have run");
    let lost = behind.await.unwrap().unwrap_err();
    assert!(
        lost.kind == Kind::Invalid && lost.note.contains("sequence 5 to model 'm' must specify the START")
    );
    assert_eq!(other.fills(), [6], "it begins elsewhere");
    other.answer();
    anew.await.unwrap().unwrap();
    let more = start(&gateway, of(5, false, true, 7)).await;
    assert_eq!(other.fills(), [7]);
    other.answer();
    more.await.unwrap().unwrap();
    assert_all_over(&gateway, 8);
}

#[tokio::test(start_paused = true)]
async fn one_that_no_model_saw_is_tried_again_before_those_behind_it() {
    let gateway = gateway();
    let (_, one) = up(&gateway, stateful(), SLOTS + 8);
    begin(&gateway, &one, 5).await;
    let first = start(&gateway, of(5, false, false, 1)).await;
    let second = start(&gateway, of(5, false, false, 2)).await;
    one.fail(Kind::Overloaded, Phase::NotAdmitted);
    assert_eq!(one.fills(), [1]);
    one.answer();
    assert_eq!(one.fills(), [2]);
    one.answer();
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_all_over(&gateway, 3);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_in_the_middle_lets_the_next_go() {
    let gateway = gateway();
    let (_, one) = up(&gateway, stateful(), SLOTS + 8);
    let mut asked = Vec::new();
    for fill in 1..=4 {
        asked.push(start(&gateway, of(5, fill == 1, false, fill)).await);
    }
    asked.remove(1).abort();
    settle_down().await;
    one.answer();
    assert_eq!(one.fills(), [3]);
    asked.remove(1).abort(); // in flight: its host says when it is over
    settle_down().await;
    assert_eq!((one.fills(), one.cancelled.lock().len()), (vec![3], 1));
    one.fail(Kind::Cancelled, Phase::NotStarted);
    assert_eq!(one.fills(), [4]);
    one.answer();
    for asked in asked {
        asked.await.unwrap().unwrap();
    }
    assert_all_over(&gateway, 4);
}

#[tokio::test(start_paused = true)]
async fn as_many_wait_as_the_queue_has_rows() {
    let gateway = gateway();
    let (_, one) = up(&gateway, stateful(), SLOTS + 8);
    let mut asked = Vec::new();
    for fill in 0..17 {
        asked.push(start(&gateway, of(5, fill == 0, false, fill)).await);
    }
    assert_eq!(waiting(&gateway), 16);
    let refused = start(&gateway, of(5, false, false, 99)).await.await.unwrap().unwrap_err();
    assert!(refused.kind == Kind::Overloaded && refused.note.contains("16 rows wait, at most 16 may"));
    while one.len() > 0 {
        one.answer();
    }
    for asked in asked {
        asked.await.unwrap().unwrap();
    }
    assert_all_over(&gateway, 18);
}

#[tokio::test(start_paused = true)]
async fn who_begins_while_the_last_host_is_replaced_waits_for_the_next() {
    let gateway = gateway();
    let (first, one) = up(&gateway, stateful(), SLOTS + 8);
    begin(&gateway, &one, 5).await;
    gateway.carrier_down(first);
    let lost = start(&gateway, of(5, false, false, 1)).await.await.unwrap().unwrap_err();
    assert!(
        lost.note.contains("must specify the START flag"),
        "{lost}: at once, for nobody can go on with it"
    );
    let anew = start(&gateway, of(5, true, false, 2)).await;
    let (_, other) = up(&gateway, stateful(), SLOTS + 8);
    assert_eq!(other.fills(), [2]);
    other.answer();
    anew.await.unwrap().unwrap();
    let never = start(&gateway, of(6, true, false, 3)).await;
    other.answer();
    never.await.unwrap().unwrap();
    assert_all_over(&gateway, 4);
}

#[tokio::test(start_paused = true)]
async fn an_end_waits_for_sequences_at_work_and_takes_no_new_ones() {
    let gateway = gateway();
    let (_, one) = up(&gateway, stateful(), SLOTS + 8);
    begin(&gateway, &one, 5).await;
    let ends = std::thread::spawn({
        let gateway = Arc::clone(&gateway);
        move || gateway.drain(Duration::from_secs(60))
    });
    while !gateway.is_ending() {
        std::thread::yield_now();
    }
    assert!(!gateway.is_ready());
    let refused = start(&gateway, of(6, true, true, 1)).await.await.unwrap().unwrap_err();
    assert!(refused.kind == Kind::Unavailable && refused.note.contains("Server exiting"), "{refused}");
    for (end, fill) in [(false, 2), (true, 3)] {
        assert!(!ends.is_finished());
        let asked = start(&gateway, of(5, false, end, fill)).await;
        assert_eq!(one.fills(), [fill]);
        one.answer();
        asked.await.unwrap().unwrap();
    }
    ends.join().unwrap();
    assert_all_over(&gateway, 4);
}

#[test]
fn an_end_without_sequences_waits_for_nobody() {
    let gateway = gateway();
    let (_, _one) = up(&gateway, stateful(), SLOTS + 8);
    assert!(gateway.drain(Duration::from_secs(3600)));
    assert!(!gateway.is_ending());
}

#[tokio::test(start_paused = true)]
async fn what_begins_goes_to_no_host_that_fails_run_after_run() {
    let gateway = gateway();
    let (_, good) = up(&gateway, stateful(), SLOTS + 8);
    let (_, bad) = up(&gateway, stateful(), SLOTS + 8);
    let (mut failed, mut worked) = (0, 0);
    for sequence in 1..=100 {
        let asked = start(&gateway, of(sequence, true, true, 1)).await;
        if good.len() > 0 {
            good.answer();
            worked += 1;
        }
        for call in bad.calls.lock().drain(..) {
            failed += 1;
            let fault = Fault::new(Kind::ModelFailed, "as ever").at(Phase::Started);
            let timing = Timing { infer_ns: failed, ..Timing::default() };
            call.reply.settle(Outcome { result: Err(fault), timing });
        }
        let _ = asked.await.unwrap();
    }
    assert_eq!((failed, worked), (5, 95));
    tokio::time::advance(Duration::from_millis(1_001)).await;
    let asked = [200, 201, 202, 203, 204, 205, 206, 207];
    let mut all = Vec::new();
    for sequence in asked {
        all.push(start(&gateway, of(sequence, true, true, 1)).await);
    }
    assert_eq!((bad.len(), good.len()), (1, 7), "one on trial");
    while bad.len() + good.len() > 0 {
        [&bad, &good].into_iter().filter(|host| host.len() > 0).for_each(|host| host.answer());
    }
    for asked in all {
        asked.await.unwrap().unwrap();
    }
    let mut all = Vec::new();
    for sequence in asked {
        all.push(start(&gateway, of(sequence, true, true, 1)).await);
    }
    assert!(bad.len() > 1, "it is trusted again: {} of 8", bad.len());
    while bad.len() + good.len() > 0 {
        [&bad, &good].into_iter().filter(|host| host.len() > 0).for_each(|host| host.answer());
    }
    for asked in all {
        asked.await.unwrap().unwrap();
    }
    assert_all_over(&gateway, 116);
}
