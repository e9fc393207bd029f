//! A real gateway behind a real socket, with a carrier that answers at once or holds what it gets.

use crate::base::{
    call::{Call, Carrier, Outcome, Produced, Timing, Window},
    contract::{Contract, Feedback},
    fault::{Fault, Kind},
    roster::Roster,
    units::{CallId, Rows},
};
use crate::gateway::{
    Gateway, GatewaySettings, Limits,
    http::{self, connection},
};
use crate::wire::prediction::PredictionKey;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// Answers with the inputs; or, while `hold`, keeps the calls. Both events can be waited for.
#[derive(Debug)]
pub(super) struct Echo {
    pub(super) hold: bool,
    /// Panics when it gets its next call.
    pub(super) breaks: AtomicBool,
    held: Mutex<Vec<Call>>,
    pub(super) got: Semaphore,
    pub(super) cancelled: Semaphore,
}

impl Echo {
    fn answer(call: Call) {
        let produced = Produced { outputs: call.inputs.clone(), parameters: Vec::new() };
        call.reply.settle(Outcome { result: Ok(produced), timing: Timing::default() });
    }

    pub(super) fn release(&self) {
        let held = std::mem::take(&mut *self.held.lock());
        held.into_iter().for_each(Echo::answer);
    }
}

impl Echo {
    pub(super) fn fail(&self, kind: Kind) {
        let held = std::mem::take(&mut *self.held.lock());
        held.into_iter().for_each(|call| call.reply.refuse(Fault::new(kind, "as told")));
    }
}

impl Carrier for Echo {
    fn send(&self, call: Call) {
        assert!(!self.breaks.swap(false, Relaxed), "planted");
        if self.hold {
            self.held.lock().push(call);
        } else {
            Echo::answer(call);
        }
        self.got.add_permits(1);
    }

    fn cancel(&self, _: CallId) {
        self.cancelled.add_permits(1);
    }
}

pub(super) struct Server {
    pub(super) at: SocketAddr,
    pub(super) echo: Arc<Echo>,
    pub(super) gateway: Arc<Gateway>,
    pub(super) stop: watch::Sender<bool>,
    pub(super) task: JoinHandle<()>,
}

impl Server {
    /// A connection without sockets: under a paused clock nothing of it takes time but what is waited for.
    pub(super) fn line(&self) -> DuplexStream {
        let (ours, theirs) = duplex(64 << 10);
        tokio::spawn(connection::serve(ours, Arc::clone(&self.gateway), Arc::default()));
        theirs
    }
}

const TABLE: &str = r#"{"epoch": {"term": 1, "sequence": 1}, "models": {
    "m": {"versions": [{"version": 1, "state": "READY"}], "weights": [{"version": 1, "share": 10000}]},
    "s": {"versions": [{"version": 2, "state": "READY"}], "weights": [{"version": 2, "share": 10000}]}}}"#;

fn contract(model: &str, version: u64, datatype: &str, size: i64) -> Arc<Contract> {
    let tensor = |name: &str| serde_json::json!([{"name": name, "datatype": datatype, "shape": [size]}]);
    let text = serde_json::json!({"model": model, "version": version, "platform": "python",
        "inputs": tensor("x"), "outputs": tensor("y"), "batching": {"max_rows": 8}});
    Arc::new(serde_json::from_str(&text.to_string()).unwrap())
}

/// The same, of a version whose answers have ids by which they are labelled later.
fn labelled(contract: Arc<Contract>) -> Arc<Contract> {
    let feedback = Some(Box::new(Feedback { output: 0, within_hours: 72, share: 10_000 }));
    Arc::new(Contract { feedback, ..Arc::unwrap_or_clone(contract) })
}

fn key() -> PredictionKey {
    PredictionKey::try_from("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").unwrap()
}

/// `m` echoes FP32[-1,2], `s` echoes BYTES[-1,1].
pub(super) async fn start(limits: Limits, hold: bool) -> Server {
    start_as(limits, hold, |contract| contract).await
}

/// The same, with labels.
pub(super) async fn start_labelled() -> Server {
    start_as(Limits::default(), false, labelled).await
}

async fn start_as(limits: Limits, hold: bool, made: fn(Arc<Contract>) -> Arc<Contract>) -> Server {
    let gateway =
        Gateway::new(GatewaySettings { limits, prediction_key: Some(key()), ..GatewaySettings::default() })
            .unwrap();
    gateway.apply_policy(TABLE).unwrap();
    let (got, cancelled) = (Semaphore::new(0), Semaphore::new(0));
    let echo =
        Arc::new(Echo { hold, breaks: AtomicBool::new(false), held: Mutex::default(), got, cancelled });
    for contract in [contract("m", 1, "FP32", 2), contract("s", 2, "BYTES", 1)] {
        let window = Window { rows: Rows::new(16) };
        gateway.carrier_up(made(contract), Arc::clone(&echo) as Arc<dyn Carrier>, window).unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let places = Arc::new(Semaphore::new(gateway.limits().connections));
    let task = tokio::spawn(http::serve(listener, Arc::clone(&gateway), places, stopped));
    Server { at, echo, gateway, stop, task }
}

/// A reply, read as far as its length says.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let of = |line: &'_ str| line.split_once(": ").filter(|(key, _)| *key == name).is_some();
        self.head.lines().find(|line| of(line)).and_then(|line| Some(line.split_once(": ")?.1))
    }
}

pub(super) struct Client<S = TcpStream> {
    socket: S,
    read: Vec<u8>,
}

const PATIENCE: Duration = Duration::from_secs(20);

impl Client {
    pub(super) async fn new(at: SocketAddr) -> Client {
        Client::over(TcpStream::connect(at).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(super) fn over(socket: S) -> Client<S> {
        Client { socket, read: Vec::new() }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    /// How much of `bytes` it takes, again and again, before it is gone.
    pub(super) async fn send_until_gone(&mut self, bytes: &[u8], pause: Duration) -> usize {
        let mut sent = 0;
        while self.socket.write_all(bytes).await.is_ok() {
            sent += bytes.len();
            tokio::time::sleep(pause).await;
        }
        sent
    }

    /// What comes of a body, up to these bytes at the end of what came.
    pub(super) async fn until(&mut self, end: &[u8]) -> Vec<u8> {
        while !self.read.ends_with(end) {
            let read = tokio::time::timeout(PATIENCE, self.socket.read_buf(&mut self.read));
            let read = read.await.expect("the server is silent").unwrap();
            assert!(read > 0, "the server has closed after {}", String::from_utf8_lossy(&self.read));
        }
        std::mem::take(&mut self.read)
    }

    /// `None` once the server has closed.
    pub(super) async fn reply(&mut self) -> Option<Reply> {
        loop {
            let end = self.read.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                let head = String::from_utf8(self.read[..end].to_vec()).unwrap();
                let reply = Reply { head, body: Vec::new() };
                let len: usize = reply.header("content-length").map_or(0, |len| len.parse().unwrap());
                if self.read.len() >= end + 4 + len {
                    let rest = self.read.split_off(end + 4 + len);
                    let body = std::mem::replace(&mut self.read, rest).split_off(end + 4);
                    return Some(Reply { body, ..reply });
                }
            }
            let read = tokio::time::timeout(PATIENCE, self.socket.read_buf(&mut self.read));
            match read.await.expect("the server is silent") {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}

/// A request with a body of known length; `headers` end in CRLF each.
pub(super) fn request(line: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("{line} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

pub(super) async fn ask(at: SocketAddr, line: &str, headers: &str, body: &[u8]) -> Reply {
    let mut client = Client::new(at).await;
    client.send(&request(line, headers, body)).await;
    client.reply().await.unwrap()
}
