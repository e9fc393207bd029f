//! Links that lanes listen to.

use super::{
    host::{Ear, Listen},
    testing::{ARENA, Shelf, pair, until},
};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A thread that listens to a host's links, as an idle lane does, until it is dropped.
#[derive(Debug)]
pub(super) struct Lane {
    ear: Arc<Ear>,
    ends: Arc<AtomicBool>,
    pub(super) heard: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Lane {
    pub(super) fn start(ear: Ear) -> Lane {
        let (ear, ends, heard) = (Arc::new(ear), Arc::new(AtomicBool::new(false)), Arc::default());
        let mine = (Arc::clone(&ear), Arc::clone(&ends), Arc::<AtomicUsize>::clone(&heard));
        let listen = move || {
            let (ear, ends, heard) = mine;
            while !ends.load(Ordering::Acquire) {
                ear.listen();
                heard.fetch_add(1, Ordering::Release);
            }
        };
        Lane { ear, ends, heard, thread: Some(std::thread::spawn(listen)) }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        self.ear.ring();
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Blocks the link's task while calls come, so that nobody but the lane can have taken them in.
#[tokio::test]
async fn a_lane_takes_in_what_comes_without_the_links_task() {
    let pair = pair("ear", Shelf::new(false)).await;
    let lane = Lane::start(pair.host.ear().unwrap());
    assert!(pair.host.ear().is_none(), "one version has it");
    for round in 1..=20 {
        pair.desk.call(Bytes::from(vec![7; 9]));
        let shelf = &pair.shelf;
        // Gateway and host share this thread's runtime: one turn sends the call, and the wait stops both.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let taken = (0..30_000).any(|_| {
            std::thread::sleep(Duration::from_millis(1));
            shelf.model.holds() == 1
        });
        assert!(taken, "call {round}");
        pair.shelf.model.answer_all();
        until("it is answered", || pair.desk.answered() == round).await;
    }
    drop(lane);
    // The task alone again.
    let last = pair.desk.call(Bytes::from(vec![8; 9]));
    until("the task has it", || pair.shelf.model.holds() == 1).await;
    pair.shelf.model.answer_all();
    until("it is answered", || pair.desk.answered() == 21).await;
    assert_eq!(pair.desk.end(last).unwrap(), vec![8; 9]);
    assert!(pair.host.ear().is_some(), "the right came back");
    pair.links.close().await;
    until("the link is gone", || pair.host.gateways() == 0).await;
}

#[tokio::test]
async fn lanes_and_the_task_take_turns_and_lose_nothing() {
    let pair = pair("ear-load", Shelf::new(true)).await;
    let lane = Lane::start(pair.host.ear().unwrap());
    let mut calls = vec![];
    for round in 0..400_u32 {
        let len = if round % 7 == 0 { 100_000 } else { 9 };
        let body = Bytes::from(vec![round.to_le_bytes()[0]; len]);
        calls.push((body.clone(), pair.desk.call(body)));
        if round % 3 == 0 {
            tokio::task::yield_now().await;
        }
        if round % 50 == 0 {
            until("so far all are answered", || pair.desk.answered() == calls.len()).await;
        }
    }
    until("all are answered", || pair.desk.answered() == 400).await;
    for (body, call) in calls {
        assert_eq!(pair.desk.end(call).unwrap(), body);
    }
    until("nothing is lent", || pair.answers.free_bytes() == ARENA && pair.sends.free_bytes() == ARENA).await;
    drop(lane);
}

#[tokio::test]
async fn a_lane_that_listens_is_idle_while_nothing_comes_and_after_the_end() {
    let pair = pair("ear-idle", Shelf::new(true)).await;
    let lane = Lane::start(pair.host.ear().unwrap());
    pair.desk.call(Bytes::from(vec![1; 9]));
    until("it is answered", || pair.desk.answered() == 1).await;
    pair.links.close().await;
    until("the link is gone", || pair.host.gateways() == 0).await;
    let before = lane.heard.load(Ordering::Acquire);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(lane.heard.load(Ordering::Acquire) <= before + 1, "nobody polls an ended link");
}
