//! Calls that models of a host make, over the socket for hosts.

use super::bench::{Bench, INFER, bench, infer, post};
use crate::base::{
    callers::Callers,
    clock,
    contract::TensorSpec,
    datatype::Datatype,
    fault::{Fault, Kind},
    series::{Kind as Counts, Series, Telling},
    tensor::Tensor,
    units::Version,
};
use crate::gateway::grpc::hosts;
use crate::link::calls::{Calls, Ongoing, Question, Tells, listen};
use crate::wire::{asking::Asking, oip_proto::told::Told};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// A gateway's socket for hosts, at a name of its own.
struct Door {
    at: String,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

fn door(bench: &Bench, at: &str) -> Door {
    let listener = tokio::net::UnixListener::from_std(listen(at).unwrap()).unwrap();
    let (stop, told) = watch::channel(false);
    let task = tokio::spawn(hosts::serve(listener, Arc::clone(&bench.gateway), told));
    Door { at: at.to_owned(), stop, task }
}

fn place(name: &str) -> String {
    let folder = std::env::temp_dir().join(format!("headrace-calls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name).display().to_string()
}

fn question(callers: &str, in_parts: bool, limit: Duration) -> Question {
    let specs = [TensorSpec::new("x", Datatype::Uint8, [])];
    let data = vec![7; 5000].into();
    let tensors = [Tensor { datatype: Datatype::Uint8, shape: [1, 5000].as_slice().into(), data }];
    let asking = Asking {
        model: "m",
        version: "",
        id: "n",
        outputs: &["y".into()],
        inputs: &specs,
        tensors: &tensors,
        unbatched: false,
        parameters: &Vec::new(),
        in_parts,
    };
    let message = asking.write().unwrap();
    let callers = Callers::parse(callers).unwrap();
    Question { message, in_parts, callers, deadline: clock::now().plus(limit) }
}

const LONG: Duration = Duration::from_secs(30);

/// What comes first; asked on a thread that may block, as models' are.
async fn came(ongoing: Ongoing) -> Option<Result<Told, Fault>> {
    tokio::task::spawn_blocking(move || ongoing.next()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_answered_and_knows_who_waits_for_it() {
    let bench = bench().await;
    let door = door(&bench, &place("answered"));
    let calls = Calls::new(door.at.clone()).unwrap();
    for in_parts in [false, true] {
        let told = came(calls.begin(question("front/2", in_parts, LONG)).unwrap()).await.unwrap().unwrap();
        assert_eq!((told.model.as_str(), told.version.as_str(), told.id.as_str()), ("m", "3", "n"));
        assert_eq!(told.outputs.len(), 1);
        assert_eq!(told.outputs[0].1.data, vec![7; 5000]);
    }
    let ring = came(calls.begin(question("front/2 m/3", false, LONG)).unwrap()).await.unwrap().unwrap_err();
    assert_eq!(ring.kind, Kind::Invalid);
    assert!(ring.note.contains("would wait for itself") && ring.note.contains("front/2 m/3"), "{ring}");
    let other = calls.begin(question("m/2", false, LONG)).unwrap();
    assert!(came(other).await.unwrap().is_ok(), "another version of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_host_names_no_callers() {
    let mut bench = bench().await;
    let mut head = post(INFER);
    head.headers_mut().insert("headrace-callers", "m/3".parse().unwrap());
    assert_eq!(bench.call(head, infer("n", &[1])).await.status(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_has_its_time_and_is_taken_back_with_who_made_it() {
    let bench = bench().await;
    bench.echo.holds.store(true, Relaxed);
    let door = door(&bench, &place("held"));
    let calls = Calls::new(door.at.clone()).unwrap();
    let late = came(calls.begin(question("f/1", false, Duration::from_millis(300))).unwrap()).await;
    assert_eq!(late.unwrap().unwrap_err().kind, Kind::Expired);
    let dropped = calls.begin(question("f/1", false, LONG)).unwrap();
    while bench.echo.held.lock().len() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let cancelled = bench.echo.cancelled.lock().len();
    drop(dropped);
    while bench.echo.cancelled.lock().len() == cancelled {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_inside_a_gateway_that_ends_may_call_and_then_another_is_asked() {
    let (first, second) = (bench().await, bench().await);
    let at = place("replaced");
    let old = door(&first, &at);
    let calls = Calls::new(at.clone()).unwrap();
    let ask = || calls.begin(question("f/1", false, LONG)).unwrap();
    let inside = first.gateway.gate.enter().unwrap();
    assert!(came(ask()).await.unwrap().is_ok());
    first.gateway.gate.shut();
    assert!(came(ask()).await.unwrap().is_ok(), "somebody inside waits for it");
    // Nobody is there for a moment.
    drop(inside);
    let waits = tokio::spawn(came(ask()));
    tokio::time::sleep(Duration::from_millis(50)).await;
    let new = door(&second, &at);
    assert!(waits.await.unwrap().unwrap().is_ok());
    old.stop.send_replace(true);
    old.task.await.unwrap();
    assert!(came(ask()).await.unwrap().is_ok());
    drop(new);
}

/// One counter of a model's.
#[derive(Debug, Default)]
struct Counted {
    hits: Mutex<Option<f64>>,
    changed: Notify,
}

impl Counted {
    fn hits(&self, value: Option<f64>) {
        *self.hits.lock() = value;
        self.changed.notify_one();
    }
}

impl Tells for Counted {
    fn changed(&self) -> &Notify {
        &self.changed
    }

    fn telling(&self) -> Telling {
        let one = |value| Series {
            model: "m".into(),
            version: Version(3),
            name: "hits".to_owned(),
            help: "Hits of the cache".to_owned(),
            kind: Counts::Counter,
            labels: vec![("kind".to_owned(), "x\"y".to_owned())],
            value,
        };
        Telling { life: "life".to_owned(), series: self.hits.lock().map(one).into_iter().collect() }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_models_count_is_on_the_page_of_whichever_gateway_there_is() {
    let (first, second) = (bench().await, bench().await);
    let at = place("counted");
    let old = door(&first, &at);
    let calls = Calls::new(at.clone()).unwrap();
    let counted = Arc::new(Counted::default());
    calls.tell(&(Arc::<Counted>::clone(&counted) as Arc<dyn Tells>));
    counted.hits(Some(2.5));
    let shown = async |bench: &Bench, row: &str| {
        while !bench.gateway.metrics().contains(row) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    shown(&first, "# HELP hits Hits of the cache\n# TYPE hits counter\nhits{kind=\"x\\\"y\"} 2.5\n").await;
    let new = door(&second, &at);
    old.stop.send_replace(true);
    old.task.await.unwrap();
    shown(&second, "hits{kind=\"x\\\"y\"} 2.5").await;
    counted.hits(Some(3.5));
    shown(&second, "hits{kind=\"x\\\"y\"} 3.5").await;
    counted.hits(None);
    while second.gateway.metrics().contains("hits{") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(new);
}
