//! The gateway, as links see it.

use super::tensor;
use crate::base::{
    call::{Call, Carrier, Execution, Outcome, Outlet, Produced, Reply, Tensors, Window},
    contract::Contract,
    datatype::Datatype,
    device::OnDevice,
    fault::Fault,
    roster::{CarrierId, Roster},
    tensor::Tensor,
    units::{CallId, Rows, Tick},
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

type Up = (Arc<Contract>, Arc<dyn Carrier>, Window);

/// Knows carriers, and keeps every outcome.
#[derive(Debug, Default)]
pub(in crate::link) struct Desk {
    pub(in crate::link) up: Mutex<BTreeMap<CarrierId, Up>>,
    pub(in crate::link) ends: Mutex<HashMap<u64, Vec<Result<Produced, Fault>>>>,
    /// Of answers that come in parts.
    pub(in crate::link) parts: Mutex<HashMap<u64, Vec<Bytes>>>,
    pub(in crate::link) executed: Mutex<Vec<Execution>>,
    /// Panics when it is told of the next run.
    pub(in crate::link) breaks: AtomicBool,
    next: Mutex<u64>,
}

impl Desk {
    /// Through the first carrier.
    pub(in crate::link) fn call(self: &Arc<Desk>, data: Bytes) -> u64 {
        let carrier = self.up.lock().values().next().map(|(_, carrier, _)| Arc::clone(carrier)).unwrap();
        self.call_through(&carrier, data)
    }

    pub(in crate::link) fn call_through(self: &Arc<Desk>, carrier: &Arc<dyn Carrier>, data: Bytes) -> u64 {
        self.call_of(carrier, 1, data)
    }

    /// `data` is divided among `rows`.
    pub(in crate::link) fn call_of(
        self: &Arc<Desk>,
        carrier: &Arc<dyn Carrier>,
        rows: u32,
        data: Bytes,
    ) -> u64 {
        let mut inputs = tensor(data);
        inputs[0].shape = [i64::from(rows), inputs[0].shape[1] / i64::from(rows)].as_slice().into();
        self.send(carrier, rows, inputs)
    }

    /// One row of one element of BYTES: `data` begins with its length.
    pub(in crate::link) fn call_with_element(
        self: &Arc<Desk>,
        carrier: &Arc<dyn Carrier>,
        data: Bytes,
    ) -> u64 {
        let tensor = Tensor { datatype: Datatype::Bytes, shape: [1, 1].as_slice().into(), data };
        self.send(carrier, 1, std::iter::once(tensor).collect())
    }

    /// One row of four bytes that are there.
    pub(in crate::link) fn call_on_device(self: &Arc<Desk>, on_device: Arc<OnDevice>) -> u64 {
        let carrier = self.up.lock().values().next().map(|(_, carrier, _)| Arc::clone(carrier)).unwrap();
        let shape = [1, 4].as_slice().into();
        let inputs = Tensor { datatype: Datatype::Uint8, shape, data: Bytes::new() };
        self.send_call(0, &carrier, 1, std::iter::once(inputs).collect(), Some(on_device))
    }

    /// For so many parts.
    pub(in crate::link) fn call_in_parts(self: &Arc<Desk>, credit: u32) -> u64 {
        let carrier = self.up.lock().values().next().map(|(_, carrier, _)| Arc::clone(carrier)).unwrap();
        self.send_for(credit, &carrier, 1, tensor(vec![7; 4].into()))
    }

    fn send(self: &Arc<Desk>, carrier: &Arc<dyn Carrier>, rows: u32, inputs: Tensors) -> u64 {
        self.send_for(0, carrier, rows, inputs)
    }

    fn send_for(
        self: &Arc<Desk>,
        credit: u32,
        carrier: &Arc<dyn Carrier>,
        rows: u32,
        inputs: Tensors,
    ) -> u64 {
        self.send_call(credit, carrier, rows, inputs, None)
    }

    fn send_call(
        self: &Arc<Desk>,
        credit: u32,
        carrier: &Arc<dyn Carrier>,
        rows: u32,
        inputs: Tensors,
        on_device: Option<Arc<OnDevice>>,
    ) -> u64 {
        let id = self.number();
        carrier.send(Call {
            id: CallId(id),
            inputs,
            rows: Rows::new(rows),
            parameters: vec![],
            arrived: Tick::default(),
            deadline: Tick::NEVER,
            level: 1,
            attempt: 0,
            credit,
            slot: None,
            on_device,
            callers: None,
            reply: Reply::new(CallId(id), Arc::clone(self) as Arc<dyn Outlet>),
        });
        id
    }

    fn number(&self) -> u64 {
        let mut next = self.next.lock();
        *next += 1;
        *next
    }

    pub(in crate::link) fn answered(&self) -> usize {
        self.ends.lock().len()
    }

    /// The one outcome of a call.
    pub(in crate::link) fn end(&self, call: u64) -> Result<Bytes, Fault> {
        self.ended(call).map(|produced| produced.outputs[0].data.clone())
    }

    /// Of the parts of a call, the first byte.
    pub(in crate::link) fn parts_of(&self, call: u64) -> Vec<u8> {
        self.parts.lock().get(&call).into_iter().flatten().map(|part| part[0]).collect()
    }

    pub(in crate::link) fn ended(&self, call: u64) -> Result<Produced, Fault> {
        let ends = self.ends.lock().remove(&call).unwrap_or_default();
        let [end] =
            <[_; 1]>::try_from(ends).unwrap_or_else(|ends| panic!("call {call} ended {} times", ends.len()));
        end
    }
}

impl Outlet for Desk {
    fn emit(&self, call: CallId, part: Produced) {
        self.parts.lock().entry(call.0).or_default().push(part.outputs[0].data.clone());
    }
    fn settle(&self, call: CallId, outcome: Outcome) {
        self.ends.lock().entry(call.0).or_default().push(outcome.result);
    }
    fn executed(&self, _: &Contract, execution: Execution) {
        assert!(!self.breaks.swap(false, Relaxed), "planted");
        self.executed.lock().push(execution);
    }
    fn flush(&self) {}
}

impl Roster for Desk {
    fn carrier_up(
        &self,
        contract: Arc<Contract>,
        carrier: Arc<dyn Carrier>,
        window: Window,
    ) -> Result<CarrierId, Fault> {
        let id = CarrierId(self.number());
        self.up.lock().insert(id, (contract, carrier, window));
        Ok(id)
    }
    fn carrier_window(&self, id: CarrierId, window: Window) {
        self.up.lock().get_mut(&id).unwrap().2 = window;
    }
    fn carrier_changed(&self, id: CarrierId, contract: Arc<Contract>, window: Window) {
        let mut up = self.up.lock();
        let one = up.get_mut(&id).unwrap();
        (one.0, one.2) = (contract, window);
    }
    fn carrier_down(&self, id: CarrierId) {
        assert!(self.up.lock().remove(&id).is_some(), "down twice, or never up");
    }
}
