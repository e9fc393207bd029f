//! A gateway with carriers whose every move a test makes.

use crate::base::{
    call::{Call, Carrier, Execution, Outcome, Produced, Sealed, Timing, Window},
    clock,
    contract::{Batching, Contract, TensorSpec},
    datatype::Datatype,
    fault::{Fault, Kind, Phase},
    inference::{Answer, Inference, Input},
    roster::{CarrierId, Roster},
    tensor::Tensor,
    units::{CallId, Rows, Tick, Version},
};
use crate::gateway::{Gateway, GatewaySettings};
use bytes::Bytes;
use parking_lot::Mutex;
use std::future::ready;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Keeps what it is sent until the test settles it.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) calls: Mutex<Vec<Call>>,
    pub(super) cancelled: Mutex<Vec<CallId>>,
}

impl Carrier for Held {
    fn send(&self, call: Call) {
        self.calls.lock().push(call);
    }

    fn cancel(&self, call: CallId) {
        self.cancelled.lock().push(call);
    }
}

impl Held {
    /// Rows that it has, as a host would count them.
    pub(super) fn rows(&self) -> u32 {
        self.calls.lock().iter().map(|call| call.rows.get()).sum()
    }

    pub(super) fn len(&self) -> usize {
        self.calls.lock().len()
    }

    fn first(&self) -> Call {
        self.calls.lock().remove(0)
    }

    /// Answers the oldest call with its own input.
    pub(super) fn answer(&self) {
        self.answer_with(1);
    }

    /// The same, as so many outputs.
    pub(super) fn answer_with(&self, outputs: usize) {
        let call = self.first();
        let timing = Timing {
            queue_ns: 1,
            input_ns: 2,
            infer_ns: 3,
            output_ns: 4,
            batch_rows: call.rows.get(),
            sealed: Sealed::Full,
        };
        let outputs = std::iter::repeat_n(call.inputs[0].clone(), outputs).collect();
        let produced = Produced { outputs, parameters: call.parameters.clone() };
        call.reply.settle(Outcome { result: Ok(produced), timing });
    }

    pub(super) fn fail(&self, kind: Kind, phase: Phase) {
        self.first().reply.refuse(Fault::new(kind, "as told").at(phase));
    }
}

/// With its own input.
pub(super) fn answer(call: Call) {
    let produced = Produced { outputs: call.inputs.clone(), ..Produced::default() };
    call.reply.settle(Outcome { result: Ok(produced), timing: Timing::default() });
}

impl Held {
    pub(super) fn attempts(&self) -> Vec<u8> {
        self.calls.lock().iter().map(|call| call.attempt).collect()
    }

    pub(super) fn fills(&self) -> Vec<u8> {
        self.calls.lock().iter().map(|call| call.inputs[0].data[0]).collect()
    }
}

pub(super) fn contract(version: u64) -> Contract {
    let spec = |name: &str| TensorSpec::new(name, Datatype::Uint8, [1]);
    Contract {
        model: "m".into(),
        version: Version(version),
        platform: "python".into(),
        inputs: vec![spec("x")],
        outputs: vec![spec("y")],
        batching: Batching { max_rows: 8, queue_rows: 16, ..Batching::default() },
        repeatable: true,
        lanes: 1,
        streams: false,
        unbatched: false,
        sequences: None,
        feedback: None,
    }
}

/// Of version 1, all traffic to it.
pub(super) const ONE: &str = r#"{"epoch": {"term": 1, "sequence": 1}, "models": {"m": {
    "versions": [{"version": 1, "state": "READY"}], "weights": [{"version": 1, "share": 10000}]}}}"#;

pub(super) fn gateway() -> Arc<Gateway> {
    let gateway = Gateway::new(GatewaySettings::default()).unwrap();
    gateway.apply_policy(ONE).unwrap();
    gateway
}

pub(super) fn up(gateway: &Arc<Gateway>, contract: Contract, rows: u32) -> (CarrierId, Arc<Held>) {
    let held = Arc::new(Held::default());
    let window = Window { rows: Rows::new(rows) };
    let id = gateway.carrier_up(Arc::new(contract), held.clone(), window).unwrap();
    (id, held)
}

/// `rows` of the byte `fill`.
pub(super) fn ask(rows: u32, fill: u8) -> Inference {
    let data = Bytes::from(vec![fill; usize::try_from(rows).unwrap()]);
    let shape = [i64::from(rows), 1].into_iter().collect();
    let tensor = Tensor { datatype: Datatype::Uint8, shape, data };
    Inference {
        model: "m".into(),
        version: None,
        id: "7".into(),
        parameters: Vec::new(),
        inputs: [Input { name: "x".into(), tensor, region: None }].into_iter().collect(),
        outputs: Vec::new(),
        deadline: Tick::NEVER,
        arrived: clock::now(),
        facts: Vec::new(),
        traced: false,
        callers: None,
    }
}

pub(super) type Asked = JoinHandle<Result<Answer, Fault>>;

/// Asks and runs until everybody waits.
pub(super) async fn start(gateway: &Arc<Gateway>, inference: Inference) -> Asked {
    let reserved = gateway.ledger.take(1).unwrap();
    let gateway = Arc::clone(gateway);
    let asked = tokio::spawn(async move {
        gateway.infer(Box::new(inference), reserved, |answer| ready(Ok(answer))).await
    });
    settle_down().await;
    asked
}

/// Lets every task run that can, without letting time pass.
pub(super) async fn settle_down() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

/// Nothing is left of any call, and each of `calls` was counted once.
pub(super) fn assert_all_over(gateway: &Gateway, calls: u64) {
    assert_eq!(successes(gateway) + failures(gateway), calls, "each call is counted once");
    assert_eq!((gateway.flights.len(), gateway.ledger.taken()), (0, 0), "flights, bytes");
    let page = gateway.metrics();
    let waiting = page.lines().filter(|line| line.starts_with("nv_inference_pending_request_count{"));
    assert!(waiting.clone().all(|line| line.ends_with(" 0")), "{:?}", waiting.collect::<Vec<_>>());
    let stats: serde_json::Value = serde_json::from_str(&gateway.stats()).unwrap();
    for version in stats["models"]["m"]["versions"].as_object().unwrap().values() {
        let left =
            ["waiting", "waiting_rows", "in_flight", "in_flight_rows"].map(|name| version[name].as_u64());
        assert_eq!(left, [Some(0); 4], "{version}");
    }
}

pub(super) fn successes(gateway: &Gateway) -> u64 {
    gateway.statistics(Some("m"), None).unwrap().iter().map(|row| row.success.count).sum()
}

pub(super) fn failures(gateway: &Gateway) -> u64 {
    gateway.statistics(Some("m"), None).unwrap().iter().map(|row| row.fail.count).sum()
}

/// One run over `rows`, as a host reports it.
pub(super) fn execution(rows: u32) -> Execution {
    Execution {
        rows,
        padding: 0,
        padding_bytes: 0,
        between_ns: 0,
        cost: 0,
        sealed: Sealed::Free,
        input_ns: 1,
        infer_ns: 2,
        output_ns: 3,
        failed: false,
    }
}
