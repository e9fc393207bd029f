//! In every order: a reader has each part before the end, is told of it, and leaves when it likes.

use super::bench::*;
use super::models::{Narrow, apart, check_gateway};
use crate::base::{
    call::{Call, Outcome, Produced, Timing},
    contract::Contract,
    primitive::{Condvar, Mutex},
};
use crate::gateway::{Client, Gateway, queue::mailbox::Mailbox, requests::answers::Answers};
use futures_util::future::{Either, select};
use loom::future::block_on;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

fn in_parts() -> Contract {
    Contract { streams: true, ..contract(1) }
}

async fn open(gateway: &Arc<Gateway>) -> Answers {
    let reserved = gateway.ledger.take(1).unwrap();
    let client = Client::new(Arc::clone(gateway));
    gateway.open(Box::new(ask(1, 1)), reserved, &client).await.unwrap()
}

/// A host that has one call, which is answered in parts.
fn streaming(gateway: &Arc<Gateway>) -> Arc<Narrow> {
    Narrow::up_as(gateway, in_parts(), 1).1
}

fn say(call: &Call) {
    call.reply.emit(Produced { outputs: call.inputs.clone(), ..Produced::default() });
}

fn end(call: Call) {
    call.reply.settle(Outcome { result: Ok(Produced::default()), timing: Timing::default() });
}

/// By letter, to a thread that has a mailbox: the second is said when the first was read.
#[test]
fn each_part_is_told_to_its_reader() {
    check_gateway("parts", 2, |gateway| {
        let host = streaming(&gateway);
        let read = Arc::new((Mutex::new(false), Condvar::new()));
        let tells = Arc::clone(&read);
        let asks = apart(&gateway, move |gateway| {
            let mailbox = Mailbox::put_up();
            let reads = pin!(async {
                let (mut answers, mut parts) = (open(gateway).await, 0);
                while let Some(part) = answers.next().await {
                    parts += usize::from(part.is_ok());
                    *tells.0.lock() = true;
                    tells.1.notify_one();
                }
                answers.delivered();
                parts
            });
            match block_on(select(reads, pin!(mailbox.deliver()))) {
                Either::Left((parts, _)) => assert_eq!(parts, 2),
                Either::Right(_) => unreachable!("it delivers for ever"),
            }
        });
        let call = host.next();
        say(&call);
        let mut first = read.0.lock();
        while !*first {
            read.1.wait(&mut first);
        }
        drop(first);
        say(&call);
        end(call);
        asks.join().unwrap();
        assert_all_over(&gateway, 1);
        assert_eq!(successes(&gateway), 1);
    });
}

/// Without a mailbox the outcome comes from the host's thread, between any two looks of the reader.
#[test]
fn parts_are_read_before_their_end() {
    check_gateway("end of parts", 3, |gateway| {
        let host = streaming(&gateway);
        let mut answers = block_on(open(&gateway));
        let runs = apart(&gateway, move |_| {
            let call = host.next();
            say(&call);
            say(&call);
            end(call);
        });
        let mut parts = 0;
        while let Some(part) = block_on(answers.next()) {
            parts += usize::from(part.is_ok());
        }
        answers.delivered();
        assert_eq!(parts, 2);
        runs.join().unwrap();
        assert_all_over(&gateway, 1);
        assert_eq!(successes(&gateway), 1);
    });
}

#[test]
fn a_reader_who_leaves_while_parts_come_is_counted_once() {
    check_gateway("leaving parts", 3, |gateway| {
        let (_, host) = up(&gateway, in_parts(), 1);
        let mut answers = block_on(open(&gateway));
        let runs = apart(&gateway, move |_| {
            let call = host.calls.lock().pop().unwrap();
            say(&call);
            say(&call);
            end(call);
        });
        let mut idle = Context::from_waker(Waker::noop());
        let _ = answers.poll_next(&mut idle);
        drop(answers);
        runs.join().unwrap();
        assert_all_over(&gateway, 1);
    });
}
