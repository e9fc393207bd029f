//! A host that answers in parts: as many as its prompt says, as fast as it is asked for them, or when a test says so.

use super::bench::ask;
use crate::base::{
    call::{Call, Carrier, Outcome, Produced, Timing, Window},
    contract::Contract,
    datatype::Datatype,
    fault::Fault,
    inference::Inference,
    roster::Roster,
    tensor::Tensor,
    units::{CallId, Rows},
};
use crate::gateway::{Client, Gateway, requests::answers::Answers};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;

/// `m` and `s` are those of the benches, which answer once.
fn table(version_of_m: u64) -> String {
    let model = |version: u64| {
        serde_json::json!({"versions": [{"version": version, "state": "READY"}],
            "weights": [{"version": version, "share": 10000}]})
    };
    let models = serde_json::json!({"g": model(5), "m": model(version_of_m), "s": model(2)});
    serde_json::json!({"epoch": {"term": 1, "sequence": 2}, "models": models}).to_string()
}

#[derive(Debug)]
struct Run {
    call: Call,
    credit: u32,
    said: i64,
}

#[derive(Debug, Default)]
pub(in crate::gateway) struct Spout {
    /// Says nothing until it is told.
    holds: bool,
    runs: Mutex<Vec<Run>>,
    /// Calls that were taken back.
    cancelled: Mutex<Vec<CallId>>,
}

impl Run {
    /// Element `at` of the prompt.
    fn told(&self, at: usize) -> Option<i64> {
        let (elements, _) = self.call.inputs[0].data.as_chunks::<8>();
        elements.get(at).map(|element| i64::from_le_bytes(*element))
    }

    fn say(&mut self) {
        let width = self.told(1).unwrap_or(1);
        let token = vec![self.said; usize::try_from(width).unwrap()];
        let data: Vec<u8> = token.iter().flat_map(|token| token.to_le_bytes()).collect();
        let shape = [1, width].as_slice().into();
        let tensor = Tensor { datatype: Datatype::Int64, shape, data: data.into() };
        self.say_this([tensor].into_iter().collect::<Vec<_>>());
    }

    fn say_this(&mut self, outputs: Vec<Tensor>) {
        let outputs = outputs.into_iter().collect();
        self.call.reply.emit(Produced { outputs, parameters: Vec::new() });
        self.said += 1;
        self.credit = self.credit.saturating_sub(1);
    }

    fn end(self, result: Result<Produced, Fault>) {
        self.call.reply.settle(Outcome { result, timing: Timing::default() });
    }
}

impl Spout {
    /// Carries model `g` of `gateway`.
    pub(in crate::gateway) fn up(gateway: &Gateway, holds: bool) -> Arc<Spout> {
        Spout::up_with(gateway, holds, 1)
    }

    /// Beside this version of `m`.
    pub(in crate::gateway) fn up_with(gateway: &Gateway, holds: bool, version_of_m: u64) -> Arc<Spout> {
        gateway.apply_policy(&table(version_of_m)).unwrap();
        Spout::carry(gateway, holds)
    }

    /// Another one, which holds.
    pub(in crate::gateway) fn up_beside(gateway: &Gateway) -> Arc<Spout> {
        Spout::carry(gateway, true)
    }

    fn carry(gateway: &Gateway, holds: bool) -> Arc<Spout> {
        let spout = Arc::new(Spout { holds, ..Spout::default() });
        let carrier = Arc::clone(&spout) as Arc<dyn Carrier>;
        gateway.carrier_up(Arc::new(contract()), carrier, Window { rows: Rows::new(8) }).unwrap();
        spout
    }

    fn pump(&self, mut run: Run) {
        while !self.holds && run.credit > 0 && Some(run.said) < run.told(0) {
            run.say();
        }
        if !self.holds && Some(run.said) == run.told(0) {
            return run.end(Ok(Produced::default()));
        }
        self.runs.lock().push(run);
    }

    /// The oldest call's.
    fn with<T>(&self, work: impl FnOnce(&mut Run) -> T) -> T {
        let mut run = self.runs.lock().remove(0);
        let done = work(&mut run);
        self.runs.lock().insert(0, run);
        done
    }

    /// Of the oldest call: so many parts, whether they were asked for or not.
    pub(in crate::gateway) fn say(&self, parts: usize) {
        self.with(|run| (0..parts).for_each(|_| run.say()));
    }

    pub(in crate::gateway) fn say_this(&self, outputs: Vec<Tensor>) {
        self.with(|run| run.say_this(outputs));
    }

    pub(in crate::gateway) fn end(&self) {
        self.end_with(Ok(Produced::default()));
    }

    pub(in crate::gateway) fn end_with(&self, result: Result<Produced, Fault>) {
        let run = self.runs.lock().remove(0);
        run.end(result);
    }

    pub(in crate::gateway) fn runs(&self) -> usize {
        self.runs.lock().len()
    }

    /// Parts that the oldest call's reader still asks for, and parts that it was sent.
    pub(in crate::gateway) fn oldest(&self) -> (u32, i64) {
        let runs = self.runs.lock();
        (runs[0].credit, runs[0].said)
    }

    pub(in crate::gateway) fn cancelled(&self) -> usize {
        self.cancelled.lock().len()
    }
}

impl Carrier for Spout {
    fn send(&self, call: Call) {
        let credit = call.credit;
        self.pump(Run { call, credit, said: 0 });
    }

    fn cancel(&self, call: CallId) {
        self.cancelled.lock().push(call);
        let mut runs = self.runs.lock();
        let run = runs.iter().position(|run| run.call.id == call).map(|at| runs.remove(at));
        drop(runs);
        if let Some(run) = run {
            run.end(Ok(Produced::default()));
        }
    }

    fn credit(&self, call: CallId, parts: u32) {
        let mut runs = self.runs.lock();
        let Some(at) = runs.iter().position(|run| run.call.id == call) else { return };
        let mut run = runs.remove(at);
        drop(runs);
        run.credit += parts;
        self.pump(run);
    }
}

/// Of model `g`: the prompt says how many parts there are, and how many tokens each has.
pub(in crate::gateway) fn contract() -> Contract {
    let tensor = |name: &str| serde_json::json!([{"name": name, "datatype": "INT64", "shape": [-1]}]);
    let contract = serde_json::json!({"model": "g", "version": 5, "platform": "python", "inputs": tensor("prompt"),
        "outputs": tensor("token"), "batching": {"max_rows": 8}, "repeatable": true, "streams": true});
    serde_json::from_value(contract).unwrap()
}

/// A part of these bytes, which hold no INT64 unless they are eight.
pub(in crate::gateway) fn tensor(data: &[u8]) -> Tensor {
    let data = Bytes::copy_from_slice(data);
    let shape = [1, i64::try_from(data.len() / 8).unwrap()].as_slice().into();
    Tensor { datatype: Datatype::Int64, shape, data }
}

/// Of model `g`: so many parts, of so many tokens each.
pub(in crate::gateway) fn prompt(parts: i64, width: i64) -> Inference {
    let mut inference = ask(1, 0);
    let data: Vec<u8> = [parts, width].iter().flat_map(|number| number.to_le_bytes()).collect();
    inference.model = "g".into();
    inference.inputs[0].name = "prompt".into();
    inference.inputs[0].tensor =
        Tensor { datatype: Datatype::Int64, shape: [1, 2].as_slice().into(), data: data.into() };
    inference
}

pub(in crate::gateway) async fn open(gateway: &Arc<Gateway>, inference: Inference) -> Result<Answers, Fault> {
    let reserved = gateway.ledger.take(1).unwrap();
    gateway.open(Box::new(inference), reserved, &Client::new(Arc::clone(gateway))).await
}
