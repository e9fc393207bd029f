//! Answers in parts: what a reader has, what a host is asked for, and how it all ends.

use super::bench::{gateway, settle_down};
use super::spout::{self, Spout, open, prompt};
use crate::base::{
    call::Produced,
    fault::{Fault, Kind, Phase},
    inference::Answer,
};
use crate::gateway::{Gateway, GatewaySettings, Limits};
use std::time::Duration;

fn token(answer: &Answer) -> i64 {
    i64::from_le_bytes(answer.outputs[0].1.data[..8].try_into().unwrap())
}

/// Nothing is left; of model `g` so many succeeded, and so many failed with `kind`.
fn assert_over(gateway: &Gateway, successes: u64, kind: Kind, failures: u64) {
    let row = &gateway.statistics(Some("g"), None).unwrap()[0];
    assert_eq!((row.success.count, row.fail.count), (successes, failures));
    let labels = format!("{{model=\"g\",version=\"5\",kind=\"{}\"}}", kind.code());
    assert!(gateway.metrics().contains(&format!("headrace_request_failures_total{labels} {failures}\n")));
    assert_eq!((gateway.flights.len(), gateway.ledger.taken(), gateway.unread.taken()), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_host_is_asked_for_more_as_parts_are_taken() {
    let gateway = gateway();
    let spout = Spout::up(&gateway, false);
    let mut answers = open(&gateway, prompt(100, 1)).await.unwrap();
    assert_eq!(spout.oldest(), (0, 16));
    for taken in 0..100 {
        assert_eq!(token(&answers.next().await.unwrap().unwrap()), taken);
        let want = (16 + taken / 8 * 8).min(100); // who asks for the next has used what it took before
        assert_eq!(if spout.runs() == 0 { 100 } else { spout.oldest().1 }, want, "{taken} taken");
    }
    assert!(answers.next().await.is_none() && answers.next().await.is_none());
    answers.delivered();
    drop(answers);
    assert_over(&gateway, 1, Kind::Cancelled, 0);
}

/// Of half a megabyte each: who has used one asks for the next.
#[tokio::test(start_paused = true)]
async fn more_is_asked_for_sooner_where_parts_are_large() {
    let gateway = gateway();
    let spout = Spout::up(&gateway, true);
    let mut answers = open(&gateway, prompt(100, 64 << 10)).await.unwrap();
    for taken in 0..4 {
        spout.say(1);
        assert_eq!(token(&answers.next().await.unwrap().unwrap()), taken);
        let unused = 1;
        assert_eq!(spout.oldest(), (u32::try_from(16 - unused).unwrap(), taken + 1), "{taken} were used");
    }
    assert_eq!(answers.unread(), 0);
    spout.say(2);
    assert_eq!(answers.unread(), 2 * (512 << 10));
}

#[tokio::test(start_paused = true)]
async fn parts_that_came_before_the_outcome_are_read_before_it() {
    let gateway = gateway();
    let spout = Spout::up(&gateway, true);
    let mut answers = open(&gateway, prompt(9, 1)).await.unwrap();
    spout.say(3);
    spout.end_with(Err(Fault::new(Kind::ModelFailed, "as told").at(Phase::Started)));
    for taken in 0..3 {
        assert_eq!(token(&answers.next().await.unwrap().unwrap()), taken);
    }
    let fault = answers.next().await.unwrap().unwrap_err();
    assert!(fault.kind == Kind::ModelFailed && fault.note.contains("[error id e-"));
    assert!(answers.next().await.is_none());
    assert_over(&gateway, 0, Kind::ModelFailed, 1);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_wait_for_the_end_has_left() {
    let gateway = gateway();
    let spout = Spout::up(&gateway, true);
    let streams = || gateway.metrics().contains("headrace_streams{model=\"g\",version=\"5\"} 1\n");
    let mut answers = open(&gateway, prompt(9, 1000)).await.unwrap();
    assert!(streams());
    spout.say(3);
    answers.next().await.unwrap().unwrap();
    assert_eq!(gateway.unread.taken(), 2 * 8000);
    drop(answers);
    assert!(!streams());
    settle_down().await;
    assert_eq!(spout.cancelled(), 1);
    assert_over(&gateway, 0, Kind::Cancelled, 1);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_of_the_whole_answer() {
    let gateway = gateway();
    let spout = Spout::up(&gateway, true);
    let mut inference = prompt(9, 1);
    inference.deadline = inference.arrived.plus(Duration::from_millis(50));
    let mut answers = open(&gateway, inference).await.unwrap();
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        spout.say(1);
        answers.next().await.unwrap().unwrap();
    }
    let fault = answers.next().await.unwrap().unwrap_err();
    assert_eq!((fault.kind, spout.cancelled()), (Kind::Expired, 1));
    assert!(fault.note.starts_with("the deadline of 50.0 ms passed after 4 parts of the answer"), "{fault}");
    drop(answers);
    assert_over(&gateway, 0, Kind::Expired, 1);
}

/// A model that is always faster than its reader leaves the deadline in force.
#[tokio::test(start_paused = true)]
async fn parts_at_hand_do_not_stretch_a_deadline() {
    let gateway = gateway();
    let spout = Spout::up(&gateway, false);
    let mut inference = prompt(1_000_000, 1);
    inference.deadline = inference.arrived.plus(Duration::from_millis(50));
    let mut answers = open(&gateway, inference).await.unwrap();
    let mut taken = 0;
    let fault = loop {
        match answers.next().await.unwrap() {
            Ok(_) => taken += 1,
            Err(fault) => break fault,
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    assert!(fault.kind == Kind::Expired && (40..60).contains(&taken), "{taken}");
    assert_eq!(spout.runs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_lost_is_replaced_until_the_first_part_came() {
    let lost = || Err(Fault::new(Kind::HostLost, "as told").at(Phase::Started));
    let unsaid = || Err(Fault::new(Kind::HostLost, "as told").at(Phase::NotStarted));
    for (parts, result, again) in
        [(0, lost(), true), (1, lost(), false), (0, unsaid(), true), (1, unsaid(), false)]
    {
        let gateway = gateway();
        let (first, second) = (Spout::up(&gateway, true), Spout::up_beside(&gateway));
        let mut answers = open(&gateway, prompt(9, 1)).await.unwrap();
        let (first, second) = if first.runs() == 1 { (first, second) } else { (second, first) };
        first.say(parts);
        first.end_with(result);
        settle_down().await;
        assert_eq!(second.runs(), usize::from(again));
        if again {
            second.say(1);
            second.end();
        }
        assert_eq!(token(&answers.next().await.unwrap().unwrap()), 0);
        let end = answers.next().await;
        match again {
            true => assert!(end.is_none()),
            false => assert_eq!(end.unwrap().unwrap_err().kind, Kind::HostLost),
        }
        answers.delivered();
        drop(answers);
        assert_over(&gateway, u64::from(again), Kind::HostLost, u64::from(!again));
    }
}

/// None of these a host of ours does.
#[tokio::test(start_paused = true)]
async fn what_no_host_may_do_ends_the_call() {
    let gateway = gateway();
    let spout = Spout::up(&gateway, true);
    let tensor = || spout::tensor(&[0; 8]);
    let whole = || Produced { outputs: [tensor()].into_iter().collect(), parameters: Vec::new() };
    type Wrong<'a> = (&'a str, usize, Box<dyn Fn() + 'a>);
    let cases: [Wrong<'_>; 3] = [
        ("more parts than were asked for", 16, Box::new(|| spout.say(17))),
        ("the host answered with 2 outputs", 0, Box::new(|| spout.say_this(vec![tensor(), tensor()]))),
        ("ended with outputs", 0, Box::new(|| spout.end_with(Ok(whole())))),
    ];
    for (failures, (want, parts, wrong)) in (1..).zip(cases) {
        let mut answers = open(&gateway, prompt(9, 1)).await.unwrap();
        wrong();
        for _ in 0..parts {
            answers.next().await.unwrap().unwrap();
        }
        let fault = answers.next().await.unwrap().unwrap_err();
        assert!(fault.kind == Kind::Internal && fault.note.contains(want), "{fault}");
        drop(answers);
        settle_down().await;
        assert_over(&gateway, 0, Kind::Internal, failures);
    }
}

#[tokio::test(start_paused = true)]
async fn parts_that_nobody_reads_are_bounded_in_bytes() {
    let limits = Limits { connection_bytes: 20_000, ..Limits::default() };
    let gateway = Gateway::new(GatewaySettings { limits, ..GatewaySettings::default() }).unwrap();
    let spout = Spout::up(&gateway, true);
    let mut answers = open(&gateway, prompt(9, 1000)).await.unwrap();
    spout.say(4);
    for taken in 0..2 {
        assert_eq!(token(&answers.next().await.unwrap().unwrap()), taken);
    }
    let fault = answers.next().await.unwrap().unwrap_err();
    assert!(fault.kind == Kind::Overloaded && fault.note.contains("connection_bytes"), "{fault}");
    settle_down().await;
    assert_eq!(spout.cancelled(), 1);
    assert_over(&gateway, 0, Kind::Overloaded, 1);
}
