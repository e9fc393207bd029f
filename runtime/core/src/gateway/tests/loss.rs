//! Carriers that die, refuse and come back.

use super::bench::*;
use crate::base::{
    call::{Outcome, Timing, Window},
    clock,
    fault::{Fault, Kind, Phase},
    inference::Inference,
    roster::Roster,
    units::{Rows, Version},
};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn what_a_dead_host_had_runs_once_more_elsewhere_and_alone() {
    let gateway = gateway();
    let (dead, one) = up(&gateway, contract(1), 8);
    let asked = start(&gateway, ask(2, 1)).await;
    let (_, other) = up(&gateway, contract(1), 8);
    one.fail(Kind::HostLost, Phase::Started);
    gateway.carrier_down(dead);
    assert_eq!((one.len(), other.attempts()), (0, vec![1]), "marked: it runs alone");
    other.answer();
    asked.await.unwrap().unwrap();
    assert_all_over(&gateway, 1);
}

#[tokio::test(start_paused = true)]
async fn what_must_not_run_twice_is_answered() {
    let gateway = gateway();
    let mut once = contract(1);
    once.repeatable = false;
    let (_, one) = up(&gateway, once.clone(), 8);
    let (ran, unseen) = (start(&gateway, ask(2, 1)).await, start(&gateway, ask(2, 2)).await);
    let (_, other) = up(&gateway, once, 8);
    one.fail(Kind::HostLost, Phase::Started);
    one.fail(Kind::HostLost, Phase::NotStarted);
    assert_eq!(ran.await.unwrap().unwrap_err().kind, Kind::HostLost);
    assert_eq!(other.attempts(), [0], "no model saw it, so it is no suspect");
    other.answer();
    unseen.await.unwrap().unwrap();
    assert_all_over(&gateway, 2);
}

#[tokio::test(start_paused = true)]
async fn a_second_crash_costs_one_call_not_all_that_were_in_the_first() {
    let gateway = gateway();
    let (first, one) = up(&gateway, contract(1), 8);
    let mut asked = Vec::new();
    for fill in 1..=4 {
        asked.push(start(&gateway, ask(1, fill)).await);
    }
    while one.len() > 0 {
        one.fail(Kind::HostLost, Phase::Started);
    }
    gateway.carrier_down(first);
    let (second, two) = up(&gateway, contract(1), 8);
    assert_eq!(two.fills(), [1], "one at a time");
    two.fail(Kind::HostLost, Phase::Started);
    gateway.carrier_down(second);
    let (_, three) = up(&gateway, contract(1), 8);
    let late = start(&gateway, ask(1, 5)).await;
    for fill in 2..=5 {
        assert_eq!(three.fills(), [fill]);
        three.answer();
    }
    assert_eq!(asked.remove(0).await.unwrap().unwrap_err().kind, Kind::HostLost);
    for innocent in asked.into_iter().chain([late]) {
        innocent.await.unwrap().unwrap();
    }
    assert_all_over(&gateway, 5);
}

#[tokio::test(start_paused = true)]
async fn calls_wait_for_a_host_that_is_being_replaced() {
    let gateway = gateway();
    let (dead, one) = up(&gateway, contract(1), 8);
    let flying = start(&gateway, ask(4, 1)).await;
    let waiting = start(&gateway, ask(6, 2)).await;
    gateway.carrier_down(dead);
    one.fail(Kind::HostLost, Phase::Started);
    let late = start(&gateway, ask(4, 3)).await;
    assert!(!gateway.is_ready() && !gateway.is_model_ready("m", None));
    tokio::time::sleep(Duration::from_secs(9)).await;
    let (_, other) = up(&gateway, contract(1), 24);
    assert_eq!(other.fills(), [1], "first what was in the crash");
    other.answer();
    flying.await.unwrap().unwrap();
    assert_eq!(other.fills(), [2, 3], "in the order of arrival");
    for asked in [waiting, late] {
        other.answer();
        asked.await.unwrap().unwrap();
    }
    assert!(gateway.is_ready());
    tokio::time::sleep(Duration::from_secs(9)).await;
    let more = start(&gateway, ask(1, 4)).await;
    other.answer();
    more.await.unwrap().unwrap();
    assert_all_over(&gateway, 4);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever_for_a_host() {
    let gateway = gateway();
    let (dead, host) = up(&gateway, contract(1), 8);
    let begun = clock::now();
    let flying = start(&gateway, ask(8, 1)).await;
    let waiting = start(&gateway, ask(8, 2)).await;
    host.fail(Kind::HostLost, Phase::Started);
    gateway.carrier_down(dead);
    for asked in [flying, waiting] {
        let fault = asked.await.unwrap().unwrap_err();
        assert_eq!(fault.kind, Kind::Unavailable);
        assert!(fault.note.contains("its last host is gone"), "{fault}");
    }
    assert_eq!(clock::now().since(begun).as_secs(), 10);
    assert_eq!(start(&gateway, ask(1, 3)).await.await.unwrap().unwrap_err().kind, Kind::Unavailable);
    assert_eq!(failures(&gateway), 2, "the last one reached no version");
    assert_eq!((gateway.flights.len(), gateway.ledger.taken()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_second_loss_has_a_time_of_its_own() {
    let gateway = gateway();
    let (first, _) = up(&gateway, contract(1), 8);
    let warm = start(&gateway, ask(1, 0)).await; // the first request brings the timers
    gateway.carrier_down(first);
    tokio::time::sleep(Duration::from_secs(6)).await;
    let (second, _) = up(&gateway, contract(1), 0);
    gateway.carrier_down(second);
    let asked = start(&gateway, ask(1, 1)).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(!asked.is_finished(), "the first loss's time is not the second's");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(asked.is_finished());
    warm.abort();
}

#[tokio::test(start_paused = true)]
async fn who_has_the_version_no_more_is_passed_by_until_it_reports() {
    let gateway = gateway();
    let (id, draining) = up(&gateway, contract(1), 8);
    let asked = start(&gateway, ask(1, 1)).await;
    draining.fail(Kind::NotFound, Phase::NotAdmitted);
    assert_eq!(draining.len(), 0, "it is not asked at once again");
    gateway.carrier_window(id, Window { rows: Rows::new(8) });
    assert_eq!(draining.attempts(), [0]);
    draining.answer();
    asked.await.unwrap().unwrap();
    assert_all_over(&gateway, 1);
}

#[tokio::test(start_paused = true)]
async fn a_carrier_that_always_refuses_does_not_keep_a_call_for_ever() {
    let gateway = gateway();
    let (_, full) = up(&gateway, contract(1), 8);
    let asked = start(&gateway, ask(1, 1)).await;
    let mut refusals = 0;
    while full.len() > 0 {
        full.fail(Kind::Overloaded, Phase::NotAdmitted);
        refusals += 1;
    }
    assert_eq!((refusals, asked.await.unwrap().unwrap_err().kind), (5, Kind::Overloaded));
    assert_all_over(&gateway, 1);
}

/// As at a gateway that has just taken the ports of one that died, and is still dialling.
#[tokio::test(start_paused = true)]
async fn who_asks_before_the_first_host_answers_waits_for_it() {
    let gateway = gateway();
    assert_eq!(start(&gateway, ask(1, 1)).await.await.unwrap().unwrap_err().kind, Kind::Unavailable);
    gateway.since.set(clock::now()).unwrap();
    let early = start(&gateway, ask(1, 2)).await;
    let pinned = start(&gateway, Inference { version: Some(Version(1).into()), ..ask(1, 3) }).await;
    let gone = start(&gateway, ask(1, 4)).await;
    let refused = gateway.meter().refusals();
    gone.abort();
    settle_down().await;
    assert_eq!(gateway.meter().refusals(), refused + 1, "who went away is counted");
    let in_time = Inference { deadline: clock::now().plus(Duration::from_secs(1)), ..ask(1, 6) };
    let late = start(&gateway, in_time).await.await.unwrap().unwrap_err();
    assert_eq!(late.kind, Kind::Expired, "{late}");
    let other = Inference { model: "other".into(), ..ask(1, 5) };
    assert_eq!(start(&gateway, other).await.await.unwrap().unwrap_err().kind, Kind::NotFound);
    let (_, host) = up(&gateway, contract(1), 8);
    settle_down().await;
    assert_eq!(host.len(), 2);
    host.answer();
    host.answer();
    assert!(early.await.unwrap().is_ok() && pinned.await.unwrap().is_ok());
    assert_all_over(&gateway, 2);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_for_a_first_host_than_for_a_lost_one() {
    let gateway = gateway();
    gateway.since.set(clock::now()).unwrap();
    let begun = clock::now();
    assert_eq!(start(&gateway, ask(1, 1)).await.await.unwrap().unwrap_err().kind, Kind::Unavailable);
    assert_eq!(clock::now().since(begun).as_secs(), 10);
    assert_eq!(start(&gateway, ask(1, 2)).await.await.unwrap().unwrap_err().kind, Kind::Unavailable);
    assert_eq!(clock::now().since(begun).as_secs(), 10, "and not again");
}

#[tokio::test(start_paused = true)]
async fn who_is_tried_again_gives_its_rows_back_first() {
    let gateway = gateway();
    let (_, full) = up(&gateway, contract(1), 8);
    let asked = start(&gateway, ask(8, 1)).await;
    full.fail(Kind::Overloaded, Phase::NotAdmitted);
    assert_eq!(full.len(), 1, "the window has room for one at a time");
    full.answer();
    asked.await.unwrap().unwrap();
    assert_all_over(&gateway, 1);
}

/// One that raises at once is always the first to be free.
#[tokio::test(start_paused = true)]
async fn a_host_that_fails_while_another_works_gets_nothing_for_a_while_and_the_operator_hears() {
    let gateway = gateway();
    let (_, good) = up(&gateway, contract(1), 8);
    let (_, bad) = up(&gateway, contract(1), 8);
    let (mut asked, mut failed) = (0, 0);
    let one = async |failed: &mut u64| {
        let asked = start(&gateway, ask(1, 1)).await;
        if good.len() > 0 {
            good.answer();
        }
        for call in bad.calls.lock().drain(..) {
            *failed += 1;
            let fault = Fault::new(Kind::ModelFailed, "as ever").at(Phase::Started);
            let timing = Timing { infer_ns: *failed, ..Timing::default() };
            call.reply.settle(Outcome { result: Err(fault), timing });
        }
        asked.await.unwrap().is_ok()
    };
    for _ in 0..100 {
        asked += 1;
        one(&mut failed).await;
    }
    assert_eq!(failed, 5, "it was left out after the fifth");
    tokio::time::advance(Duration::from_millis(1_001)).await;
    let right = one(&mut failed).await;
    assert_eq!((right, failed), (false, 6), "one more, on trial: it is not known to be slower");
    for _ in 0..20 {
        asked += 1;
        assert!(one(&mut failed).await);
    }
    assert_all_over(&gateway, asked + 1);
    gateway.errors.close();
    let told: Vec<_> = std::iter::from_fn(|| gateway.errors.next()).collect();
    let pauses = ["it gets nothing for 1 s", "it gets nothing for 2 s"];
    assert!(pauses.iter().all(|pause| told.iter().any(|one| one.contains(pause))), "{told:?}");
}
