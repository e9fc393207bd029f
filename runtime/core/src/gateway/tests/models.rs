//! In every order: every caller who waits hears, each call is counted once, and its rows go back to its host.

use super::bench::*;
use crate::base::{
    call::{Call, Carrier, Window},
    contract::Contract,
    fault::{Fault, Kind, Phase},
    inference::Answer,
    primitive::{
        Condvar, Mutex,
        model::{self, check},
        thread,
    },
    roster::{CarrierId, Roster},
    units::{CallId, Rows},
};
use crate::gateway::{Gateway, GatewaySettings, queue::mailbox::Mailbox};
use futures_util::future::{Either, join, select};
use loom::future::block_on;
use std::future::ready;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

/// Whoever asks must be within a runtime: its timers are noted for parking, which is off here, and never run.
pub(super) fn check_gateway(name: &'static str, preemptions: usize, model: fn(Arc<Gateway>)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _within = runtime.enter();
    check(name, preemptions, move || {
        let mut settings = GatewaySettings::default();
        settings.limits.park_ms = 0;
        let gateway = Gateway::new(settings).unwrap();
        gateway.apply_policy(ONE).unwrap();
        model(gateway);
    });
}

/// A host with a small window. Whoever plays it waits for its calls; `None` once it has died.
#[derive(Debug)]
pub(super) struct Narrow {
    rows: usize,
    calls: Mutex<Option<Vec<Call>>>,
    came: Condvar,
}

impl Carrier for Narrow {
    fn send(&self, call: Call) {
        let mut held = self.calls.lock();
        match &mut *held {
            Some(calls) => {
                assert!(calls.len() < self.rows, "more rows than its window");
                calls.push(call);
                self.came.notify_one();
            }
            None => {
                drop(held);
                call.reply.refuse(Fault::new(Kind::HostLost, "it is gone").at(Phase::NotAdmitted));
            }
        }
    }

    fn cancel(&self, _: CallId) {}
}

impl Narrow {
    pub(super) fn up(gateway: &Arc<Gateway>, rows: u32) -> (CarrierId, Arc<Narrow>) {
        Narrow::up_as(gateway, contract(1), rows)
    }

    pub(super) fn up_as(gateway: &Arc<Gateway>, contract: Contract, rows: u32) -> (CarrierId, Arc<Narrow>) {
        let window = Window { rows: Rows::new(rows) };
        let rows = usize::try_from(rows).unwrap();
        let host = Arc::new(Narrow { rows, calls: Mutex::new(Some(vec![])), came: Condvar::new() });
        (gateway.carrier_up(Arc::new(contract), host.clone(), window).unwrap(), host)
    }

    pub(super) fn next(&self) -> Call {
        let mut calls = self.calls.lock();
        loop {
            match calls.as_mut().and_then(Vec::pop) {
                Some(call) => return call,
                None => self.came.wait(&mut calls),
            }
        }
    }

    fn die(&self) {
        let calls = self.calls.lock().take();
        for call in calls.into_iter().flatten() {
            call.reply.refuse(Fault::new(Kind::HostLost, "it is gone").at(Phase::NotStarted));
        }
    }
}

pub(super) const ONE_ROW: Window = Window { rows: Rows::new(1) };

/// A host that answers from within `send`.
#[derive(Debug)]
struct AtOnce;

impl Carrier for AtOnce {
    fn send(&self, call: Call) {
        answer(call);
    }

    fn cancel(&self, _: CallId) {}
}

async fn infer(gateway: &Arc<Gateway>) -> Result<Answer, Fault> {
    let reserved = gateway.ledger.take(1).unwrap();
    gateway.infer(Box::new(ask(1, 1)), reserved, |answer| ready(Ok(answer))).await
}

pub(super) fn apart(
    gateway: &Arc<Gateway>,
    work: impl FnOnce(&Arc<Gateway>) + Send + 'static,
) -> thread::JoinHandle<()> {
    let gateway = Arc::clone(gateway);
    model::spawn(move || work(&gateway))
}

/// The second waits for the row of the first.
#[test]
fn who_waits_for_room_is_sent_when_there_is_some() {
    check_gateway("queue", 2, |gateway| {
        let (_, host) = Narrow::up(&gateway, 1);
        let runs = model::spawn(move || (0..2).for_each(|_| answer(host.next())));
        let asks = apart(&gateway, |gateway| assert!(block_on(infer(gateway)).is_ok()));
        assert!(block_on(infer(&gateway)).is_ok());
        [runs, asks].into_iter().for_each(|thread| thread.join().unwrap());
        assert_all_over(&gateway, 2);
    });
}

/// One is in flight and one waits; both callers leave while the host answers.
#[test]
fn who_leaves_while_it_is_answered_is_counted_once() {
    check_gateway("leaving", 3, |gateway| {
        let (_, host) = up(&gateway, contract(1), 1);
        let leave = |gateway: Arc<Gateway>| async move { infer(&gateway).await };
        let (mut first, mut second) = (Box::pin(leave(gateway.clone())), Box::pin(leave(gateway.clone())));
        let mut idle = Context::from_waker(Waker::noop());
        assert!(first.as_mut().poll(&mut idle).is_pending() && second.as_mut().poll(&mut idle).is_pending());
        let runs = apart(&gateway, {
            let host = Arc::clone(&host);
            move |_| host.answer()
        });
        let leaves = model::spawn(move || drop(second));
        drop(first);
        [runs, leaves].into_iter().for_each(|thread| thread.join().unwrap());
        if host.len() > 0 {
            host.answer();
        }
        assert_all_over(&gateway, 2);
    });
}

/// The host is lost with one call in flight and one that waits, while another host comes.
#[test]
fn calls_of_a_lost_host_end_once_wherever() {
    check_gateway("lost", 2, |gateway| {
        let (id, lost) = Narrow::up(&gateway, 1);
        let dies = apart(&gateway, move |gateway| {
            lost.die();
            gateway.carrier_down(id);
        });
        let comes = apart(&gateway, |gateway| {
            gateway.carrier_up(Arc::new(contract(1)), Arc::new(AtOnce), ONE_ROW).unwrap();
        });
        let (one, other) = block_on(join(infer(&gateway), infer(&gateway)));
        let mut counted = 0;
        for end in [one, other] {
            let unrouted = |fault: &Fault| fault.note.starts_with("model 'm' cannot serve now");
            counted += u64::from(!end.as_ref().is_err_and(unrouted));
            assert!(end.is_ok() || end.is_err_and(|fault| fault.kind == Kind::Unavailable));
        }
        [dies, comes].into_iter().for_each(|thread| thread.join().unwrap());
        assert_all_over(&gateway, counted);
    });
}

/// A thread that has a mailbox gets a letter, and then two from two lanes.
#[test]
fn a_mailbox_is_emptied_however_its_letters_come() {
    check_gateway("mailbox", 1, |gateway| {
        let (_, host) = Narrow::up(&gateway, 2);
        let asks = apart(&gateway, |gateway| {
            let mailbox = Mailbox::put_up();
            let calls = pin!(async {
                let first = infer(gateway).await;
                let (second, third) = join(infer(gateway), infer(gateway)).await;
                [first, second, third].iter().all(Result::is_ok)
            });
            match block_on(select(calls, pin!(mailbox.deliver()))) {
                Either::Left((all, _)) => assert!(all),
                Either::Right(_) => unreachable!("it delivers for ever"),
            }
        });
        let other = Arc::clone(&host);
        let runs = model::spawn(move || (0..2).for_each(|_| answer(other.next())));
        answer(host.next());
        [runs, asks].into_iter().for_each(|thread| thread.join().unwrap());
        assert_all_over(&gateway, 3);
    });
}
