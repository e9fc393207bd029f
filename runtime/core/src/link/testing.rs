//! What the link's tests share: a roster that counts, a host whose model answers with its input, a socket folder.

use super::{Carried, Intakes, Log, gateway::Endpoint, gateway::Links, host::Listener};
use crate::base::{
    call::{Call, Carrier, Execution, Outcome, Outlet, Produced, Reply, Tensors, Timing, Window},
    contract::{Batching, Contract, TensorSpec},
    datatype::Datatype,
    fault::Fault,
    roster::{CarrierId, Roster},
    tensor::Tensor,
    units::{CallId, Rows, Tick, Version},
};
use crate::mem::arena::Arena;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::runtime::Handle;

const FOLDERS: &str = "headrace-test-";

/// A fresh folder of ours alone. What test processes that ended have left goes: a killed host cannot tidy up.
pub(super) fn folder(name: &str) -> PathBuf {
    let temp = std::env::temp_dir();
    for entry in std::fs::read_dir(&temp).into_iter().flatten().flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let owner = file.strip_prefix(FOLDERS).and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !std::path::Path::new("/proc").join(pid).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let folder = temp.join(format!("{FOLDERS}{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::DirBuilder::new().mode(0o700).create(&folder).unwrap();
    folder
}

/// The version whose tensors are BYTES; those of all others are UINT8.
pub(super) const ELEMENTS: u64 = 100;

pub(super) fn contract(version: u64) -> Arc<Contract> {
    let datatype = if version == ELEMENTS { Datatype::Bytes } else { Datatype::Uint8 };
    let spec = |name: &str| TensorSpec { name: name.into(), datatype, shape: vec![-1] };
    Arc::new(Contract {
        model: "echo".into(),
        version: Version(version),
        platform: "test".into(),
        inputs: vec![spec("in")],
        outputs: vec![spec("out")],
        batching: Batching { max_rows: 8, max_delay_ms: 0.0, queue_rows: 64, deadline_ms: None },
        repeatable: false,
        lanes: 1,
    })
}

pub(super) fn tensor(data: Bytes) -> Tensors {
    let shape = [1, i64::try_from(data.len()).unwrap()].as_slice().into();
    std::iter::once(Tensor { datatype: Datatype::Uint8, shape, data }).collect()
}

pub(super) fn quiet() -> Log {
    Arc::new(drop)
}

/// The log, kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    pub(super) fn log(&self) -> Log {
        let lines = Arc::clone(&self.0);
        Arc::new(move |line| lines.lock().push(line))
    }

    pub(super) fn have(&self, part: &str) -> bool {
        self.0.lock().iter().any(|line| line.contains(part))
    }
}

/// Lets the runtime work until `done`; fails after ten seconds.
pub(super) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), wait).await.is_ok(), "never: {what}");
}

type Up = (Arc<Contract>, Arc<dyn Carrier>, Window);

/// The gateway: knows carriers, and keeps every outcome.
#[derive(Debug, Default)]
pub(super) struct Desk {
    pub(super) up: Mutex<BTreeMap<CarrierId, Up>>,
    pub(super) ends: Mutex<HashMap<u64, Vec<Result<Produced, Fault>>>>,
    pub(super) executed: Mutex<Vec<Execution>>,
    /// Panics when it is told of the next run.
    pub(super) breaks: AtomicBool,
    next: Mutex<u64>,
}

impl Desk {
    /// Through the first carrier.
    pub(super) fn call(self: &Arc<Desk>, data: Bytes) -> u64 {
        let carrier = self.up.lock().values().next().map(|(_, carrier, _)| Arc::clone(carrier)).unwrap();
        self.call_through(&carrier, data)
    }

    pub(super) fn call_through(self: &Arc<Desk>, carrier: &Arc<dyn Carrier>, data: Bytes) -> u64 {
        self.call_of(carrier, 1, data)
    }

    /// `data` is divided among `rows`.
    pub(super) fn call_of(self: &Arc<Desk>, carrier: &Arc<dyn Carrier>, rows: u32, data: Bytes) -> u64 {
        let mut inputs = tensor(data);
        inputs[0].shape = [i64::from(rows), inputs[0].shape[1] / i64::from(rows)].as_slice().into();
        self.send(carrier, rows, inputs)
    }

    /// One row of one element of BYTES: `data` begins with its length.
    pub(super) fn call_with_element(self: &Arc<Desk>, carrier: &Arc<dyn Carrier>, data: Bytes) -> u64 {
        let tensor = Tensor { datatype: Datatype::Bytes, shape: [1, 1].as_slice().into(), data };
        self.send(carrier, 1, std::iter::once(tensor).collect())
    }

    fn send(self: &Arc<Desk>, carrier: &Arc<dyn Carrier>, rows: u32, inputs: Tensors) -> u64 {
        let id = self.number();
        carrier.send(Call {
            id: CallId(id),
            inputs,
            rows: Rows::new(rows),
            parameters: vec![],
            arrived: Tick::default(),
            deadline: Tick::NEVER,
            attempt: 0,
            reply: Reply::new(CallId(id), Arc::clone(self) as Arc<dyn Outlet>),
        });
        id
    }

    fn number(&self) -> u64 {
        let mut next = self.next.lock();
        *next += 1;
        *next
    }

    pub(super) fn answered(&self) -> usize {
        self.ends.lock().len()
    }

    /// The one outcome of a call.
    pub(super) fn end(&self, call: u64) -> Result<Bytes, Fault> {
        let ends = self.ends.lock().remove(&call).unwrap_or_default();
        let [end] =
            <[_; 1]>::try_from(ends).unwrap_or_else(|ends| panic!("call {call} ended {} times", ends.len()));
        end.map(|produced| produced.outputs[0].data.clone())
    }
}

impl Outlet for Desk {
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
    fn carrier_down(&self, id: CarrierId) {
        assert!(self.up.lock().remove(&id).is_some(), "down twice, or never up");
    }
}

/// The host's versions, all run by one model: it answers with its input, at once or when told.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    pub(super) carried: Mutex<BTreeMap<u64, u32>>,
    pub(super) model: Arc<Echo>,
}

#[derive(Debug, Default)]
pub(super) struct Echo {
    pub(super) at_once: bool,
    pub(super) held: Mutex<Vec<Call>>,
    pub(super) cancelled: Mutex<Vec<CallId>>,
}

impl Echo {
    pub(super) fn answer(&self, call: Call) {
        let Call { inputs: outputs, reply, .. } = call;
        let outlet = Arc::clone(reply.outlet().unwrap());
        let execution = Execution { rows: 1, input_ns: 1, infer_ns: 2, output_ns: 3, failed: false };
        outlet.executed(&contract(1), execution);
        let produced = Produced { outputs, parameters: vec![] };
        reply.settle(Outcome { result: Ok(produced), timing: Timing::default() });
        outlet.flush();
    }

    pub(super) fn answer_all(&self) {
        let held = std::mem::take(&mut *self.held.lock());
        held.into_iter().for_each(|call| self.answer(call));
    }

    pub(super) fn holds(&self) -> usize {
        self.held.lock().len()
    }
}

impl Carrier for Echo {
    fn send(&self, call: Call) {
        if self.at_once { self.answer(call) } else { self.held.lock().push(call) }
    }
    fn cancel(&self, call: CallId) {
        self.cancelled.lock().push(call);
    }
}

impl Shelf {
    pub(super) fn new(at_once: bool) -> Arc<Shelf> {
        let model = Arc::new(Echo { at_once, ..Echo::default() });
        Arc::new(Shelf { carried: Mutex::new([(1, 64)].into()), model })
    }
}

impl Intakes for Shelf {
    fn find(&self, model: &str, version: Version) -> Option<Carried> {
        self.carried().into_iter().find(|one| one.contract.model == model && one.contract.version == version)
    }
    fn carried(&self) -> Vec<Carried> {
        let one = |(version, rows): (&u64, &u32)| Carried {
            contract: contract(*version),
            carrier: Arc::clone(&self.model) as Arc<dyn Carrier>,
            window: Window { rows: Rows::new(*rows) },
        };
        self.carried.lock().iter().map(one).collect()
    }
}

/// A gateway and a host with a link between them.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) desk: Arc<Desk>,
    pub(super) links: Links,
    pub(super) sends: Arena,
    pub(super) shelf: Arc<Shelf>,
    pub(super) host: Listener,
    pub(super) answers: Arena,
    pub(super) path: PathBuf,
}

pub(super) const ARENA: usize = 1 << 20;

/// Linked, with version 1 up.
pub(super) async fn pair(name: &str, shelf: Arc<Shelf>) -> Pair {
    let path = folder(name).join("host.sock");
    let (sends, answers) = (Arena::new(ARENA).unwrap(), Arena::new(ARENA).unwrap());
    let intakes = Arc::clone(&shelf) as Arc<dyn Intakes>;
    let host = Listener::listen(&Handle::current(), &path, intakes, Some(answers.clone()), quiet()).unwrap();
    let desk = Arc::new(Desk::default());
    let links = Links::new(Handle::current(), desk.clone(), Some(sends.clone()), quiet());
    links.set_endpoints(vec![Endpoint { id: name.to_owned(), socket: path.clone() }]);
    until("version 1 is up", || desk.up.lock().len() == 1).await;
    Pair { desk, links, sends, shelf, host, answers, path }
}
