//! A host that stands still as a whole, between a gateway that goes on and a wire that holds what was sent.

use super::{
    caller::Wish,
    folder,
    gateway::{GatewayProcess, inference},
    host::{HostProcess, contract},
    net::Net,
    rows::{HEAD, Verb},
};
use crate::base::{clock, contract::Batching, datatype::Datatype, inference::Inference, units::Tick};
use crate::gateway::{Client, Reserved};
use crate::host::{Batch, Gathered, Output};
use crate::link::gateway::Endpoint;
use std::future::ready;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
const MOMENT: Duration = Duration::from_micros(1);
const RUN: Duration = Duration::from_millis(4);
const LANES: usize = 4;
/// What a gateway sends to a host that answers nothing: a batch for each lane, and the next.
const WINDOW: u64 = 5;

/// Each batch has one row.
const TABLE: &str = r#"{"epoch": {"term": 1, "sequence": 1}, "models": {"m": {
    "versions": [{"version": 1, "state": "READY"}], "weights": [{"version": 1, "share": 10000}],
    "judged": [{"version": 1, "slow_ns": [20000000]}]}}}"#;

struct Pair {
    gateway: GatewayProcess,
    host: HostProcess,
    net: Net,
    lanes: Vec<(Batch, Duration)>,
    asked: u64,
    answered: Arc<AtomicU64>,
    now: Duration,
    folder: PathBuf,
}

impl Pair {
    fn new() -> Pair {
        let folder = folder(0);
        let batching = Batching { max_rows: 1, ..Batching::default() };
        let lanes = u32::try_from(LANES).unwrap();
        let contracts = vec![contract(1, batching, lanes)];
        let host = HostProcess::start(1, &folder, contracts, lanes, Arc::new(|line| panic!("{line}")));
        let (gateway, mut net) = (GatewayProcess::start(2, 1), Net::default());
        gateway.process.within(|| gateway.gateway.apply_policy(TABLE).unwrap());
        let socket = net.address(gateway.id, host.id, &host.path);
        gateway.directory(vec![Endpoint { id: "h1".into(), socket }]);
        let (lanes, answered) = (Vec::new(), Arc::default());
        Pair { gateway, host, net, lanes, asked: 0, answered, now: Duration::ZERO, folder }
    }

    fn pass(&mut self, span: Duration) {
        self.now += span;
        self.gateway.process.pass(span);
        self.host.process.pass(span);
    }

    /// All that happens within so long.
    fn go(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.pass(MS.min(end - self.now));
            self.host.process.turn(8);
            self.run();
            for _ in 0..2 {
                self.host.process.turn(8);
                self.net.connect();
                self.net.wires.iter_mut().for_each(|wire| wire.pump(usize::MAX, usize::MAX));
                self.gateway.process.turn(8);
            }
        }
    }

    /// Lanes whose time has come answer, and take up what waits.
    fn run(&mut self) {
        if self.host.process.is_stopped() {
            return;
        }
        let now = self.now;
        let over: Vec<_> = self.lanes.extract_if(.., |(_, done)| *done <= now).collect();
        for (batch, _) in over {
            let returned = self.host.process.within(clock::now);
            self.pass(MOMENT); // of an answer that took none another server would be thought to have run it
            self.host.process.within(|| answer(batch, returned));
        }
        while self.lanes.len() < LANES
            && let Some((batch, entered)) =
                self.host.process.within(|| self.host.shelves[0].intake.try_next_batch(false))
        {
            assert!(entered, "each lane has the model");
            self.lanes.push((batch, self.now + RUN));
        }
    }

    /// Its head is there, and what follows comes as fast as its caller sends it.
    fn arrives(&mut self) -> (Box<Inference>, Reserved) {
        self.asked += 1;
        let (id, verb) = (self.asked, Verb::Answer);
        let wish = Wish { id, version: None, rows: 1, width: HEAD, verb, patience: None };
        let client = Client::new(Arc::clone(&self.gateway.gateway));
        self.gateway.process.within(|| inference(&client, wish))
    }

    fn is_there(&self, (inference, reserved): (Box<Inference>, Reserved)) {
        let (gateway, answered) = (Arc::clone(&self.gateway.gateway), Arc::clone(&self.answered));
        self.gateway.process.handle().spawn(async move {
            gateway.infer(inference, reserved, |_| ready(Ok(()))).await.unwrap();
            answered.fetch_add(1, Relaxed);
        });
    }

    fn ask(&mut self) {
        let request = self.arrives();
        self.is_there(request);
    }

    /// What is told of the version: who waited together and how long after the first the last came, and how many took
    /// long, of how many.
    fn told(&self) -> ((u64, Duration), (f64, u64)) {
        let text = self.gateway.process.within(|| self.gateway.gateway.evidence());
        let told: serde_json::Value = serde_json::from_str(&text).unwrap();
        let one = &told["versions"][0];
        let (together, slow) = (&one["together"], &one["slow"][0]);
        let span = Duration::from_nanos(together["span_ns"].as_u64().unwrap());
        let count = |of: &serde_json::Value| of["count"].as_u64().unwrap();
        ((count(together), span), (slow["bad"].as_f64().unwrap(), count(slow)))
    }

    fn end(self) {
        let Pair { gateway, host, lanes, asked, answered, folder, .. } = self;
        assert_eq!((answered.load(Relaxed), lanes.len()), (asked, 0));
        host.end();
        gateway.end();
        let _ = std::fs::remove_dir_all(folder); // nobody depends on it
    }
}

fn answer(batch: Batch, returned: Tick) {
    let Some(Gathered::Fixed { data, .. }) = batch.inputs().first() else {
        panic!("a batch without its input");
    };
    let data = data.to_vec();
    let shape = [1, i64::try_from(data.len()).unwrap()].as_slice().into();
    let output = Output::Fixed { datatype: Datatype::Uint8, shape, data: &data };
    assert_eq!(batch.complete(returned, Ok(vec![output])), None);
}

#[test]
fn who_is_sent_to_a_host_that_stands_still_waits_together() {
    let mut pair = Pair::new();
    pair.go(20 * MS);
    for _ in 0..20 {
        pair.ask();
        pair.go(20 * MS);
    }
    assert_eq!(pair.told(), ((1, Duration::ZERO), (0.0, 20)), "one after the other");
    pair.host.process.stop();
    for _ in 0..WINDOW {
        pair.ask();
        pair.go(100 * MS);
    }
    pair.host.process.go_on();
    pair.go(20 * MS);
    assert_eq!(pair.told(), ((WINDOW, 400 * MS), (5.0, 25)), "as many as had come");
    pair.end();
}

/// Whose body takes long to come is slow by itself: nobody waits for the version.
#[test]
fn who_sends_slowly_beside_others_waits_with_nobody() {
    let mut pair = Pair::new();
    pair.go(20 * MS);
    let slow: Vec<_> = (0..WINDOW).map(|_| pair.arrives()).collect();
    pair.go(300 * MS);
    for request in slow {
        pair.is_there(request);
        pair.go(20 * MS);
    }
    assert_eq!(pair.told(), ((1, Duration::ZERO), (5.0, 5)), "slow, and one after the other");
    pair.end();
}
