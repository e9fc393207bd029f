//! Anything in any order: callers, hosts, windows, time. Whatever happens, nothing is lost and nothing doubled.

use super::bench::*;
use crate::base::{
    call::{Call, Carrier, Window},
    fault::{Fault, Kind, Phase},
    roster::{CarrierId, Roster},
    units::{CallId, Rows},
};
use crate::gateway::Gateway;
use parking_lot::Mutex;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

#[derive(Clone, Debug)]
enum Move {
    Ask { rows: u32, deadline_ms: Option<u64> },
    Leave { who: usize },
    Answer { host: usize, call: usize },
    Fail { host: usize, call: usize, kind: Kind, phase: Phase },
    Up { window: u32 },
    Resize { host: usize, window: u32 },
    Down { host: usize },
    Wait { ms: u64 },
}

fn moves() -> impl Strategy<Value = Move> {
    let at = || 0..8_usize;
    let kinds = prop::sample::select(vec![
        (Kind::HostLost, Phase::Started),
        (Kind::HostLost, Phase::NotStarted),
        (Kind::NotFound, Phase::NotAdmitted),
        (Kind::Overloaded, Phase::NotAdmitted),
        (Kind::ModelFailed, Phase::Started),
        (Kind::Cancelled, Phase::Final),
    ]);
    prop_oneof![
        8 => (1..=8_u32, prop::option::of(1..400_u64)).prop_map(|(rows, deadline_ms)| Move::Ask { rows, deadline_ms }),
        2 => at().prop_map(|who| Move::Leave { who }),
        6 => (at(), at()).prop_map(|(host, call)| Move::Answer { host, call }),
        3 => (at(), at(), kinds).prop_map(|(host, call, (kind, phase))| Move::Fail { host, call, kind, phase }),
        2 => (0..24_u32).prop_map(|window| Move::Up { window }),
        2 => (at(), 0..24_u32).prop_map(|(host, window)| Move::Resize { host, window }),
        1 => at().prop_map(|host| Move::Down { host }),
        2 => (1..4_000_u64).prop_map(|ms| Move::Wait { ms }),
    ]
}

/// A host that checks with every call that its window is kept.
#[derive(Debug, Default)]
struct Strict {
    window: AtomicU32,
    calls: Mutex<Vec<Call>>,
}

impl Carrier for Strict {
    fn send(&self, call: Call) {
        let mut calls = self.calls.lock();
        let before: u32 = calls.iter().map(|call| call.rows.get()).sum();
        let (window, rows) = (self.window.load(Relaxed), call.rows.get());
        assert!(
            before + rows <= window || (before == 0 && window > 0),
            "{before} + {rows} rows into {window}"
        );
        assert!(calls.iter().all(|held| held.id != call.id), "it has this call already");
        calls.push(call);
    }

    fn cancel(&self, _: CallId) {}
}

impl Strict {
    fn take(&self, at: usize) -> Option<Call> {
        let mut calls = self.calls.lock();
        let at = at.checked_rem(calls.len())?;
        Some(calls.remove(at))
    }
}

#[derive(Default)]
struct World {
    hosts: Vec<(CarrierId, Arc<Strict>)>,
    /// Gone for the gateway; their calls are still theirs to settle.
    dead: Vec<Arc<Strict>>,
    asked: Vec<Asked>,
}

impl World {
    fn up(&mut self, gateway: &Gateway, rows: u32) {
        let host = Arc::new(Strict::default());
        host.window.store(rows, Relaxed);
        let window = Window { rows: Rows::new(rows) };
        let id = gateway.carrier_up(Arc::new(contract(1)), host.clone(), window).unwrap();
        self.hosts.push((id, host));
    }

    async fn make(&mut self, gateway: &Arc<Gateway>, step: Move) {
        let pick = |at: usize, len: usize| at.checked_rem(len);
        match step {
            Move::Ask { rows, deadline_ms } => {
                let mut inference = ask(rows, 1);
                if let Some(ms) = deadline_ms {
                    inference.deadline = inference.arrived.plus(Duration::from_millis(ms));
                }
                self.asked.push(start(gateway, inference).await);
            }
            Move::Leave { who } => {
                if let Some(at) = pick(who, self.asked.len()) {
                    self.asked[at].abort();
                }
            }
            Move::Answer { host, call } => {
                if let Some(call) = pick(host, self.hosts.len()).and_then(|at| self.hosts[at].1.take(call)) {
                    answer(call);
                }
            }
            Move::Fail { host, call, kind, phase } => {
                if let Some(call) = pick(host, self.hosts.len()).and_then(|at| self.hosts[at].1.take(call)) {
                    call.reply.refuse(Fault::new(kind, "as told").at(phase));
                }
            }
            Move::Up { window } if self.hosts.len() < 4 => self.up(gateway, window),
            Move::Up { .. } => {}
            Move::Resize { host, window } => {
                if let Some(at) = pick(host, self.hosts.len()) {
                    let (id, host) = &self.hosts[at];
                    host.window.store(window, Relaxed);
                    gateway.carrier_window(*id, Window { rows: Rows::new(window) });
                }
            }
            Move::Down { host } => {
                if let Some(at) = pick(host, self.hosts.len()) {
                    let (id, host) = self.hosts.remove(at);
                    gateway.carrier_down(id);
                    self.dead.push(host);
                }
            }
            Move::Wait { ms } => tokio::time::sleep(Duration::from_millis(ms)).await,
        }
        settle_down().await;
    }

    /// Every host answers what it has, until nobody has anything.
    async fn finish(mut self, gateway: &Arc<Gateway>) {
        self.up(gateway, 24);
        let hosts: Vec<_> = self.hosts.iter().map(|(_, host)| host).chain(&self.dead).cloned().collect();
        while let Some(call) = hosts.iter().find_map(|host| host.take(0)) {
            answer(call);
            settle_down().await;
        }
        let mut counted = 0;
        for asked in self.asked {
            settle_down().await;
            assert!(asked.is_finished(), "somebody still waits though all hosts are idle");
            let unrouted = |fault: &Fault| fault.note.starts_with("model 'm' cannot serve now");
            let routed = !matches!(&asked.await, Ok(Err(fault)) if unrouted(fault));
            counted += u64::from(routed);
        }
        assert_all_over(gateway, counted);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_lost_and_nothing_doubled(script in prop::collection::vec(moves(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let gateway = gateway();
            let mut world = World::default();
            for step in script {
                world.make(&gateway, step).await;
            }
            world.finish(&gateway).await;
        });
    }
}
