//! A gateway that ends while sequences are at work.

use super::affinity::{SLOTS, begin, stateful};
use super::bench::*;
use crate::base::roster::Roster;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn an_end_does_not_wait_for_sequences_whose_host_is_gone() {
    let gateway = gateway();
    let mut contract = stateful();
    contract.sequences.as_mut().unwrap().idle_ms = 1e6;
    let (id, one) = up(&gateway, contract, SLOTS + 8);
    begin(&gateway, &one, 5).await;
    let ending = {
        let gateway = Arc::clone(&gateway);
        std::thread::spawn(move || gateway.let_sequences_end(Duration::from_secs(40)))
    };
    while !gateway.is_ending() {
        std::thread::yield_now();
    }
    gateway.carrier_down(id);
    // Nobody else tells that thread: it would sit out three quarters of its time.
    assert!(ending.join().unwrap() > Duration::from_secs(20));
}
