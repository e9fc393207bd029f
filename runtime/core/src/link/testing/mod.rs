//! What the link's tests share: a roster that counts, a host whose model answers with its input, a socket folder.

pub(in crate::link) mod actor;
mod desk;
#[cfg(headrace_loom)]
pub(in crate::link) mod far_end;
pub(in crate::link) mod frames;
pub(in crate::link) mod played;
pub(in crate::link) mod puppet;

pub(in crate::link) use desk::Desk;

use super::{Carried, Intakes, Log, gateway::Endpoint, gateway::Links, host::Listener};
use crate::base::{
    call::{Call, Carrier, Execution, Outcome, Produced, Sealed, Tensors, Timing, Window},
    contract::{Batching, Contract, TensorSpec},
    datatype::Datatype,
    tensor::Tensor,
    units::{CallId, Rows, Version},
};
use crate::mem::arena::Arena;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

const FOLDERS: &str = "headrace-test-";

/// A fresh folder of ours alone. What test processes that ended have left goes: a killed host cannot tidy up.
pub(in crate::link) fn folder(name: &str) -> PathBuf {
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
pub(in crate::link) const ELEMENTS: u64 = 100;
/// The version that answers in parts.
pub(in crate::link) const STREAMS: u64 = 101;

pub(in crate::link) fn contract(version: u64) -> Arc<Contract> {
    let datatype = if version == ELEMENTS { Datatype::Bytes } else { Datatype::Uint8 };
    let spec = |name: &str| TensorSpec::new(name, datatype, [-1]);
    Arc::new(Contract {
        model: "echo".into(),
        version: Version(version),
        platform: "test".into(),
        inputs: vec![spec("in")],
        outputs: vec![spec("out")],
        batching: Batching { max_rows: 8, queue_rows: 64, ..Batching::default() },
        repeatable: false,
        lanes: 1,
        streams: version == STREAMS,
        unbatched: false,
        sequences: None,
        feedback: None,
    })
}

pub(in crate::link) fn tensor(data: Bytes) -> Tensors {
    let shape = [1, i64::try_from(data.len()).unwrap()].as_slice().into();
    std::iter::once(Tensor { datatype: Datatype::Uint8, shape, data }).collect()
}

pub(in crate::link) fn quiet() -> Log {
    Arc::new(drop)
}

/// The log, kept.
#[derive(Clone, Debug, Default)]
pub(in crate::link) struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    pub(in crate::link) fn log(&self) -> Log {
        let lines = Arc::clone(&self.0);
        Arc::new(move |line| lines.lock().push(line))
    }

    pub(in crate::link) fn have(&self, part: &str) -> bool {
        self.count(part) > 0
    }

    pub(in crate::link) fn count(&self, part: &str) -> usize {
        self.0.lock().iter().filter(|line| line.contains(part)).count()
    }
}

/// Lets the runtime work until `done`; fails after ten seconds.
pub(in crate::link) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), wait).await.is_ok(), "never: {what}");
}

/// The host's versions, all run by one model: it answers with its input, at once or when told.
#[derive(Debug, Default)]
pub(in crate::link) struct Shelf {
    pub(in crate::link) carried: Mutex<BTreeMap<u64, u32>>,
    pub(in crate::link) model: Arc<Echo>,
}

#[derive(Debug, Default)]
pub(in crate::link) struct Echo {
    pub(in crate::link) at_once: bool,
    pub(in crate::link) held: Mutex<Vec<Call>>,
    pub(in crate::link) cancelled: Mutex<Vec<CallId>>,
    /// Parts that readers took.
    pub(in crate::link) credits: Mutex<Vec<(CallId, u32)>>,
}

impl Echo {
    pub(in crate::link) fn answer(&self, call: Call) {
        let Call { inputs: outputs, reply, .. } = call;
        let outlet = Arc::clone(reply.outlet().unwrap());
        let execution = Execution {
            rows: 1,
            padding: 0,
            padding_bytes: 0,
            between_ns: 0,
            cost: 0,
            sealed: Sealed::Free,
            input_ns: 1,
            infer_ns: 2,
            output_ns: 3,
            failed: false,
        };
        outlet.executed(&contract(1), execution);
        let produced = Produced { outputs, parameters: vec![] };
        reply.settle(Outcome { result: Ok(produced), timing: Timing::default() });
        outlet.flush();
    }

    pub(in crate::link) fn answer_all(&self) {
        let held = std::mem::take(&mut *self.held.lock());
        held.into_iter().for_each(|call| self.answer(call));
    }

    pub(in crate::link) fn holds(&self) -> usize {
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
    fn credit(&self, call: CallId, parts: u32) {
        self.credits.lock().push((call, parts));
    }
}

impl Shelf {
    pub(in crate::link) fn new(at_once: bool) -> Arc<Shelf> {
        let model = Arc::new(Echo { at_once, ..Echo::default() });
        Arc::new(Shelf { carried: Mutex::new([(1, 64)].into()), model })
    }

    /// Of the version that answers in parts, when told.
    pub(in crate::link) fn streaming() -> Arc<Shelf> {
        let shelf = Shelf::new(false);
        *shelf.carried.lock() = [(STREAMS, 64)].into();
        shelf
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
            most: Rows::new(*rows),
        };
        self.carried.lock().iter().map(one).collect()
    }
}

/// A gateway and a host with a link between them.
#[derive(Debug)]
pub(in crate::link) struct Pair {
    pub(in crate::link) desk: Arc<Desk>,
    pub(in crate::link) links: Links,
    pub(in crate::link) sends: Arena,
    pub(in crate::link) shelf: Arc<Shelf>,
    pub(in crate::link) host: Listener,
    pub(in crate::link) answers: Arena,
    pub(in crate::link) path: PathBuf,
}

pub(in crate::link) const ARENA: usize = 1 << 20;

/// Linked, with version 1 up.
pub(in crate::link) async fn pair(name: &str, shelf: Arc<Shelf>) -> Pair {
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
