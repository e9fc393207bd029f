//! The same with real threads: callers that leave while hosts settle.

use super::bench::*;
use crate::base::{call::Window, roster::Roster, units::Rows};
use crate::base::{
    call::{Call, Carrier, Outcome, Produced},
    fault::{Fault, Kind, Phase},
    units::CallId,
};
use std::future::ready;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

/// A host whose lane is a thread.
#[derive(Debug)]
struct Threaded(SyncSender<Call>);

impl Carrier for Threaded {
    fn send(&self, call: Call) {
        self.0.try_send(call).unwrap();
    }

    fn cancel(&self, _: CallId) {}
}

fn lane(fail_every: u64) -> (Threaded, std::thread::JoinHandle<()>) {
    let (send, receive) = sync_channel::<Call>(64);
    let work = move || {
        for call in receive {
            if call.id.0 % fail_every == 0 && call.attempt == 0 {
                call.reply.refuse(Fault::new(Kind::Overloaded, "try again").at(Phase::NotStarted));
                continue;
            }
            let produced = Produced { outputs: call.inputs.clone(), ..Produced::default() };
            call.reply.settle(Outcome { result: Ok(produced), timing: Default::default() });
        }
    };
    (Threaded(send), std::thread::spawn(work))
}

/// Callers of one thread that has a mailbox: all are answered, and a burst does not lose its first or last.
#[test]
fn a_mailbox_delivers_to_everyone() {
    const CALLS: u64 = 5_000;
    let gateway = gateway();
    let (carrier, thread) = lane(7);
    let window = Window { rows: Rows::new(16) };
    let mut wide = contract(1);
    wide.batching.queue_rows = 4_096;
    let id = gateway.carrier_up(Arc::new(wide), Arc::new(carrier), window).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        crate::gateway::queue::mailbox::Mailbox::open();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..CALLS {
            if tasks.len() == 64 {
                tasks.join_next().await.unwrap().unwrap();
            }
            let gateway = Arc::clone(&gateway);
            tasks.spawn(async move {
                let reserved = gateway.ledger.take(1).unwrap();
                let _ = gateway.infer(Box::new(ask(1, 1)), reserved, |answer| ready(Ok(answer))).await;
            });
        }
        while tasks.join_next().await.is_some() {}
    });
    gateway.carrier_down(id);
    thread.join().unwrap();
    assert_all_over(&gateway, CALLS);
}

/// Callers on four threads; every third leaves in the middle, wherever its call is by then.
#[test]
fn callers_that_leave_and_hosts_that_settle_do_not_miss_each_other() {
    const CALLS: u64 = 6_000;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let gateway = gateway();
    let mut wide = contract(1);
    wide.batching.queue_rows = 4_096;
    let lanes: Vec<_> = [7, 11].into_iter().map(lane).collect();
    let mut threads = Vec::new();
    let mut ids = Vec::new();
    for (carrier, thread) in lanes {
        let window = Window { rows: Rows::new(16) };
        ids.push(gateway.carrier_up(Arc::new(wide.clone()), Arc::new(carrier), window).unwrap());
        threads.push(thread);
    }
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..CALLS {
            let gateway = Arc::clone(&gateway);
            tasks.spawn(async move {
                let reserved = gateway.ledger.take(1).unwrap();
                let asked = gateway.infer(Box::new(ask(1, 1)), reserved, |answer| ready(Ok(answer)));
                if number % 3 == 0 {
                    // Ready at once, or after a random while: the runtime decides.
                    tokio::select! {
                        _ = asked => {}
                        () = tokio::task::yield_now() => {}
                    }
                } else {
                    let fault = asked.await.err();
                    // Refused five times in a row is an answer too.
                    assert!(fault.as_ref().is_none_or(|fault| fault.kind == Kind::Overloaded), "{fault:?}");
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        // What is still in flight belongs to callers who left.
        while gateway.flights.len() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    for id in ids {
        gateway.carrier_down(id);
    }
    for thread in threads {
        thread.join().unwrap();
    }
    assert_all_over(&gateway, CALLS);
}
