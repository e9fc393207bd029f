//! Inputs that cost hosts: who runs alone, who is refused, and who is cleared.

use super::bench::*;
use crate::base::{
    contract::Contract,
    fault::{Kind, Phase},
    roster::{CarrierId, Roster},
};
use crate::gateway::Gateway;
use std::sync::Arc;

/// A host of a model that must not run an input twice by itself.
fn once(gateway: &Arc<Gateway>) -> (CarrierId, Arc<Held>) {
    up(gateway, Contract { repeatable: false, ..contract(1) }, 8)
}

/// The host dies with all it has.
fn dies(gateway: &Arc<Gateway>, (id, host): (CarrierId, Arc<Held>)) {
    gateway.carrier_down(id);
    while host.len() > 0 {
        host.fail(Kind::HostLost, Phase::Started);
    }
}

#[tokio::test(start_paused = true)]
async fn an_input_that_two_hosts_died_with_is_kept_out() {
    let gateway = gateway();
    let mut hosts: Vec<_> = (0..3).map(|_| up(&gateway, contract(1), 8).1).collect();
    let asked = start(&gateway, ask(1, 66)).await;
    for _ in 0..2 {
        let at = hosts.iter().position(|host| host.len() > 0).unwrap();
        hosts.remove(at).fail(Kind::HostLost, Phase::Started);
    }
    let told = asked.await.unwrap().unwrap_err();
    assert_eq!(told.kind, Kind::HostLost);
    assert!(told.note.contains("two hosts were lost while they ran this very input"), "{told}");
    let again = start(&gateway, ask(1, 66)).await.await.unwrap().unwrap_err();
    assert_eq!(again.kind, Kind::Unavailable);
    assert!(again.note.contains("refused for a minute"), "{again}");
    let other = start(&gateway, ask(1, 67)).await;
    hosts[0].answer();
    other.await.unwrap().unwrap();
    assert_all_over(&gateway, 3);
}

/// Its callers are told at once, and send it again by themselves: it must not cost a host each time.
#[tokio::test(start_paused = true)]
async fn an_input_that_is_sent_again_costs_no_third_host() {
    let gateway = gateway();
    let first = once(&gateway);
    let (poison, good) = (start(&gateway, ask(1, 66)).await, start(&gateway, ask(1, 1)).await);
    dies(&gateway, first);
    for asked in [poison, good] {
        assert_eq!(asked.await.unwrap().unwrap_err().kind, Kind::HostLost);
    }
    let second = once(&gateway);
    let poison = start(&gateway, ask(1, 66)).await;
    let good = start(&gateway, ask(1, 2)).await;
    assert_eq!((second.1.fills(), second.1.attempts()), (vec![66], vec![1]), "alone, with nobody beside it");
    dies(&gateway, second);
    assert!(poison.await.unwrap().unwrap_err().note.contains("refused for a minute"));
    let (_, third) = once(&gateway);
    let again = start(&gateway, ask(1, 66)).await.await.unwrap().unwrap_err();
    assert_eq!((again.kind, third.fills()), (Kind::Unavailable, vec![2]));
    third.answer();
    good.await.unwrap().unwrap();
    assert_all_over(&gateway, 5);
}

#[tokio::test(start_paused = true)]
async fn who_waits_with_an_input_that_is_proven_is_not_sent() {
    let gateway = gateway();
    let (first, one) = up(&gateway, contract(1), 1);
    let poisons = [start(&gateway, ask(1, 66)).await, start(&gateway, ask(1, 66)).await];
    let good = start(&gateway, ask(1, 1)).await;
    assert_eq!(one.fills(), [66], "the others wait");
    dies(&gateway, (first, one));
    let (second, two) = up(&gateway, contract(1), 8);
    assert_eq!(two.attempts(), [1]);
    dies(&gateway, (second, two));
    let (_, three) = up(&gateway, contract(1), 8);
    assert_eq!(three.fills(), [1]);
    three.answer();
    good.await.unwrap().unwrap();
    for asked in poisons {
        assert!(asked.await.unwrap().unwrap_err().note.contains("refused for a minute"));
    }
    assert_all_over(&gateway, 3);
}

#[tokio::test(start_paused = true)]
async fn two_poisons_cost_three_hosts_and_are_both_refused() {
    let gateway = gateway();
    let first = up(&gateway, contract(1), 8);
    let asked = [start(&gateway, ask(1, 66)).await, start(&gateway, ask(1, 77)).await];
    dies(&gateway, first);
    for fill in [66, 77] {
        let (id, host) = up(&gateway, contract(1), 8);
        assert_eq!(host.fills(), [fill], "one after the other, each alone");
        dies(&gateway, (id, host));
    }
    let (_, host) = up(&gateway, contract(1), 8);
    for (asked, fill) in asked.into_iter().zip([66, 77]) {
        assert!(asked.await.unwrap().unwrap_err().note.contains("refused for a minute"));
        let again = start(&gateway, ask(1, fill)).await.await.unwrap().unwrap_err();
        assert_eq!((again.kind, host.len()), (Kind::Unavailable, 0));
    }
    assert_all_over(&gateway, 4);
}

/// As a probe that always sends the same, and was in flight by chance.
#[tokio::test(start_paused = true)]
async fn who_is_answered_runs_among_others_again() {
    let gateway = gateway();
    let first = once(&gateway);
    let probe = start(&gateway, ask(1, 1)).await;
    dies(&gateway, first);
    assert_eq!(probe.await.unwrap().unwrap_err().kind, Kind::HostLost);
    let (_, second) = once(&gateway);
    let probes = [start(&gateway, ask(1, 1)).await, start(&gateway, ask(1, 1)).await];
    let other = start(&gateway, ask(1, 2)).await;
    assert_eq!(second.attempts(), [1], "alone at first");
    second.answer();
    assert_eq!((second.fills(), second.attempts()), (vec![1, 2], vec![0, 0]), "also who waited meanwhile");
    second.answer();
    second.answer();
    for asked in probes.into_iter().chain([other]) {
        asked.await.unwrap().unwrap();
    }
    assert_all_over(&gateway, 4);
}

/// An equal one that was answered clears the input, not the call that a host was lost with already: it would else cost
/// one host after the other.
#[tokio::test(start_paused = true)]
async fn who_cost_a_host_stays_alone_whoever_is_answered() {
    let gateway = gateway();
    let first = up(&gateway, contract(1), 8);
    let (lucky, unlucky) = (start(&gateway, ask(1, 66)).await, start(&gateway, ask(1, 66)).await);
    dies(&gateway, first);
    let second = up(&gateway, contract(1), 8);
    let good = start(&gateway, ask(1, 1)).await;
    assert_eq!((second.1.fills(), second.1.attempts()), (vec![66], vec![1]));
    second.1.answer();
    lucky.await.unwrap().unwrap();
    assert_eq!((second.1.fills(), second.1.attempts()), (vec![66], vec![1]), "with nobody beside it");
    dies(&gateway, second);
    assert!(unlucky.await.unwrap().unwrap_err().note.contains("refused for a minute"));
    let (_, third) = up(&gateway, contract(1), 8);
    assert_eq!(third.fills(), [1]);
    third.answer();
    good.await.unwrap().unwrap();
    assert_all_over(&gateway, 3);
}

/// As many as wide windows hold: who was in flight first, and so most likely ran, must not be forgotten for the rest.
#[tokio::test(start_paused = true)]
async fn all_that_a_wide_window_held_is_remembered() {
    let gateway = gateway();
    let wide = || {
        let mut wide = Contract { repeatable: false, ..contract(1) };
        wide.inputs[0].shape = vec![2];
        wide
    };
    let (id, host) = up(&gateway, wide(), 2000);
    let wide_ask = |number: u16| {
        let mut asked = ask(1, 0);
        asked.inputs[0].tensor.data = number.to_le_bytes().to_vec().into();
        asked.inputs[0].tensor.shape = [1, 2].into_iter().collect();
        asked
    };
    let mut asked = Vec::new();
    for number in 0..1000 {
        asked.push(start(&gateway, wide_ask(number)).await);
    }
    assert_eq!(host.len(), 1000);
    dies(&gateway, (id, host));
    for asked in asked {
        assert_eq!(asked.await.unwrap().unwrap_err().kind, Kind::HostLost);
    }
    let (_, next) = up(&gateway, wide(), 2000);
    let again = start(&gateway, wide_ask(0)).await;
    assert_eq!(next.attempts(), [1], "alone");
    next.answer_with(1);
    assert!(again.await.unwrap().is_ok());
    assert_all_over(&gateway, 1001);
}

#[tokio::test(start_paused = true)]
async fn an_input_that_hangs_its_model_twice_is_refused() {
    let gateway = gateway();
    let (_, host) = up(&gateway, contract(1), 8);
    for (turn, attempt) in [(1, 0), (2, 1)] {
        let asked = start(&gateway, ask(1, 66)).await;
        assert_eq!(host.attempts(), [attempt]);
        host.fail(Kind::ModelHung, Phase::Started);
        let told = asked.await.unwrap().unwrap_err();
        assert_eq!((told.kind, told.note.contains("refused for a minute")), (Kind::ModelHung, turn == 2));
    }
    assert_eq!(start(&gateway, ask(1, 66)).await.await.unwrap().unwrap_err().kind, Kind::Unavailable);
    assert_eq!(host.len(), 0);
    assert_all_over(&gateway, 3);
}

/// A deadline that is shorter than what it takes to kill a host must not hide who does.
#[tokio::test(start_paused = true)]
async fn an_input_whose_caller_left_is_suspected_as_well() {
    let gateway = gateway();
    let first = once(&gateway);
    let asked = start(&gateway, ask(1, 66)).await;
    asked.abort();
    settle_down().await;
    assert_eq!(first.1.cancelled.lock().len(), 1);
    dies(&gateway, first);
    let (_, second) = once(&gateway);
    let again = start(&gateway, ask(1, 66)).await;
    assert_eq!(second.attempts(), [1]);
    second.answer();
    again.await.unwrap().unwrap();
    assert_all_over(&gateway, 2);
}
