//! What tests of the host stand on: an outlet that remembers, contracts and calls.

use crate::base::{
    call::{Call, Execution, Outcome, Outlet, Produced, Reply},
    clock,
    contract::{Batching, Contract, TensorSpec},
    datatype::Datatype,
    fault::Kind,
    primitive::{Condvar, Mutex},
    tensor::Tensor,
    units::{CallId, Rows, Tick, Version},
};
use bytes::Bytes;
use smallvec::smallvec;
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct Desk {
    pub(super) outcomes: Mutex<HashMap<u64, Outcome>>,
    pub(super) events: parking_lot::Mutex<Vec<String>>,
    /// Of answers in parts: the first value of each part.
    pub(super) parts: Mutex<HashMap<u64, Vec<f32>>>,
    said: Condvar,
    settled: Condvar,
    is_gone: bool,
}

impl Desk {
    /// Nobody listens behind it.
    pub(super) fn gone() -> Desk {
        Desk { is_gone: true, ..Desk::default() }
    }

    pub(super) fn call(self: &Arc<Desk>, id: u64, rows: &[f32]) -> Call {
        let data: Vec<u8> = rows.iter().flat_map(|value| value.to_le_bytes()).collect();
        let shape = smallvec![i64::try_from(rows.len()).unwrap(), 1];
        Call {
            id: CallId(id),
            inputs: smallvec![Tensor { datatype: Datatype::Fp32, shape, data: data.into() }],
            rows: Rows::new(u32::try_from(rows.len()).unwrap()),
            parameters: Vec::new(),
            arrived: clock::now(),
            deadline: Tick::NEVER,
            level: 1,
            attempt: 0,
            credit: 0,
            slot: None,
            on_device: None,
            callers: None,
            reply: Reply::new(CallId(id), self.clone()),
        }
    }

    pub(super) fn kind(&self, id: u64) -> Option<Kind> {
        self.outcomes.lock().get(&id)?.result.as_ref().err().map(|fault| fault.kind)
    }

    pub(super) fn note(&self, id: u64) -> String {
        self.outcomes.lock()[&id].result.as_ref().unwrap_err().note.to_string()
    }

    pub(super) fn output(&self, id: u64) -> (Vec<i64>, Bytes) {
        let tensor = self.outcomes.lock()[&id].result.as_ref().unwrap().outputs[0].clone();
        (tensor.shape.to_vec(), tensor.data)
    }

    #[cfg(headrace_loom)]
    pub(super) fn wait_for_part(&self) {
        let mut parts = self.parts.lock();
        while parts.is_empty() {
            self.said.wait(&mut parts);
        }
    }

    pub(super) fn wait_for(&self, count: usize) {
        let mut outcomes = self.outcomes.lock();
        while outcomes.len() < count {
            self.settled.wait(&mut outcomes);
        }
    }
}

impl Outlet for Desk {
    fn emit(&self, call: CallId, part: Produced) {
        assert!(!self.outcomes.lock().contains_key(&call.0), "a part after the end");
        let first = part.outputs.first().and_then(|output| output.data.first_chunk());
        self.events.lock().push(format!("part of {}", call.0));
        self.parts.lock().entry(call.0).or_default().push(f32::from_le_bytes(*first.unwrap()));
        self.said.notify_all();
    }

    fn settle(&self, call: CallId, outcome: Outcome) {
        self.events.lock().push(format!("settle {}", call.0));
        assert!(self.outcomes.lock().insert(call.0, outcome).is_none(), "settled twice");
        self.settled.notify_all();
    }

    fn executed(&self, _: &Contract, execution: Execution) {
        self.events.lock().push(format!("executed {} failed={}", execution.rows, execution.failed));
    }

    fn flush(&self) {
        self.events.lock().push("flush".into());
    }

    fn is_heard(&self) -> bool {
        !self.is_gone
    }
}

pub(super) fn contract(max_rows: u32, lanes: u32) -> Contract {
    let tensor = |name: &str, size| TensorSpec::new(name, Datatype::Fp32, [size]);
    let batching = Batching { max_rows, queue_rows: 64, ..Batching::default() };
    Contract {
        model: "m".into(),
        version: Version(3),
        platform: "python".into(),
        inputs: vec![tensor("x", 1)],
        outputs: vec![tensor("y", -1)],
        batching,
        repeatable: false,
        lanes,
        streams: false,
        unbatched: false,
        sequences: None,
        feedback: None,
    }
}
