//! A gateway with one model that returns its input, now or when it is told, and a client that speaks frames.

use crate::base::{
    call::{Call, Carrier, Outcome, Produced, Timing, Window},
    contract::{Batching, Contract, Feedback, TensorSpec},
    datatype::Datatype,
    roster::Roster,
    units::{CallId, Rows, Version},
};
use crate::gateway::grpc::connection;
use crate::gateway::{Client, Gateway, GatewaySettings, Limits};
use crate::wire::oip_proto::messages::{ModelInferRequest, model_infer_request::InferInputTensor};
use crate::wire::prediction::PredictionKey;
use bytes::{Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, StatusCode};
use parking_lot::Mutex;
use prost::Message;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(super) const INFER: &str = "/inference.GRPCInferenceService/ModelInfer";
pub(super) const STREAM: &str = "/inference.GRPCInferenceService/ModelStreamInfer";

/// Returns each call's input: at once, or when told.
#[derive(Debug, Default)]
pub(super) struct Echo {
    pub(super) holds: AtomicBool,
    /// Panics when it gets its next call.
    pub(super) breaks: AtomicBool,
    pub(super) held: Mutex<Vec<Call>>,
    pub(super) cancelled: Mutex<Vec<CallId>>,
}

fn settle(call: Call) {
    let outlet = call.reply.outlet().cloned().unwrap();
    let produced = Produced { outputs: call.inputs, parameters: call.parameters };
    call.reply.settle(Outcome { result: Ok(produced), timing: Timing::default() });
    outlet.flush();
}

impl Carrier for Echo {
    fn send(&self, call: Call) {
        assert!(!self.breaks.swap(false, Relaxed), "planted");
        if self.holds.load(Relaxed) {
            self.held.lock().push(call);
        } else {
            settle(call);
        }
    }

    fn cancel(&self, call: CallId) {
        self.cancelled.lock().push(call);
    }
}

impl Echo {
    /// Answers the call that was held at `at`.
    pub(super) fn answer(&self, at: usize) {
        let call = self.held.lock().remove(at);
        settle(call);
    }
}

pub(super) struct Bench {
    pub(super) gateway: Arc<Gateway>,
    pub(super) echo: Arc<Echo>,
    pub(super) client: SendRequest<Bytes>,
    pub(super) line: JoinHandle<Result<(), h2::Error>>,
    pub(super) stop: watch::Sender<bool>,
    pub(super) server: JoinHandle<()>,
}

const TABLE: &str = r#"{"epoch": {"term": 1, "sequence": 1}, "models": {"m": {
    "versions": [{"version": 3, "state": "READY"}], "weights": [{"version": 3, "share": 10000}]}}}"#;

pub(super) async fn bench() -> Bench {
    bench_of(Limits::default(), &h2::client::Builder::new()).await
}

pub(super) async fn bench_of(limits: Limits, client: &h2::client::Builder) -> Bench {
    let key = PredictionKey::try_from("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
    let gateway =
        Gateway::new(GatewaySettings { limits, prediction_key: key.ok(), ..GatewaySettings::default() })
            .unwrap();
    gateway.apply_policy(TABLE).unwrap();
    let spec = |name: &str| TensorSpec::new(name, Datatype::Uint8, [-1]);
    let contract = Contract {
        model: "m".into(),
        version: Version(3),
        platform: "python".into(),
        inputs: vec![spec("x")],
        outputs: vec![spec("y")],
        batching: Batching { max_rows: 8, max_delay_ms: 2.5, queue_rows: 64, ..Batching::default() },
        repeatable: true,
        lanes: 1,
        streams: false,
        unbatched: false,
        sequences: None,
        feedback: Some(Box::new(Feedback { output: 0, within_hours: 72, share: 10_000 })),
    };
    let echo = Arc::new(Echo::default());
    gateway.carrier_up(Arc::new(contract), echo.clone(), Window { rows: Rows::new(64) }).unwrap();
    let (ours, theirs) = tokio::io::duplex(32 << 10);
    let (stop, told) = watch::channel(false);
    let server =
        tokio::spawn(connection::serve(ours, Client::new(Arc::clone(&gateway)), Arc::default(), told));
    let (client, line) = client.handshake(theirs).await.unwrap();
    Bench { gateway, echo, client, line: tokio::spawn(line), stop, server }
}

pub(super) fn prefixed(message: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    crate::wire::oip_proto::answer::put_prefix(&mut out, message.len()).unwrap();
    out.extend_from_slice(message);
    out.freeze()
}

/// A request of one row for model `m`, with its gRPC prefix.
pub(super) fn infer(id: &str, data: &[u8]) -> Bytes {
    let len = i64::try_from(data.len()).unwrap();
    let input = InferInputTensor {
        name: "x".into(),
        datatype: "UINT8".into(),
        shape: vec![1, len],
        ..Default::default()
    };
    let request = ModelInferRequest {
        model_name: "m".into(),
        id: id.into(),
        inputs: vec![input],
        raw_input_contents: vec![Bytes::copy_from_slice(data)],
        ..Default::default()
    };
    prefixed(&request.encode_to_vec())
}

pub(super) fn post(path: &str) -> Request<()> {
    let request = Request::post(format!("http://here{path}"));
    request.header("content-type", "application/grpc").header("te", "trailers").body(()).unwrap()
}

/// What came back.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) http: StatusCode,
    pub(super) head: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) trailers: HeaderMap,
}

impl Got {
    /// From the trailers, or from the head if that was all.
    pub(super) fn status(&self) -> &str {
        let from = if self.head.contains_key("grpc-status") { &self.head } else { &self.trailers };
        from["grpc-status"].to_str().unwrap()
    }

    pub(super) fn note(&self) -> &str {
        let from = if self.head.contains_key("grpc-message") { &self.head } else { &self.trailers };
        from["grpc-message"].to_str().unwrap()
    }

    /// The messages, each without its prefix.
    pub(super) fn messages<T: Message + Default>(&self) -> Vec<T> {
        let (mut rest, mut messages) = (&self.body[..], Vec::new());
        while !rest.is_empty() {
            let len = u32::from_be_bytes(rest[1..5].try_into().unwrap()) as usize;
            messages.push(T::decode(&rest[5..5 + len]).unwrap());
            rest = &rest[5 + len..];
        }
        messages
    }
}

pub(super) async fn receive(response: ResponseFuture) -> Result<Got, h2::Error> {
    let (parts, mut stream) = response.await?.into_parts();
    let mut body = Vec::new();
    while let Some(chunk) = stream.data().await {
        body.extend_from_slice(&take(&mut stream, chunk?));
    }
    let trailers = stream.trailers().await?.unwrap_or_default();
    Ok(Got { http: parts.status, head: parts.headers, body, trailers })
}

fn take(stream: &mut RecvStream, chunk: Bytes) -> Bytes {
    stream.flow_control().release_capacity(chunk.len()).unwrap();
    chunk
}

impl Bench {
    pub(super) fn open(&mut self, request: Request<()>) -> (ResponseFuture, SendStream<Bytes>) {
        self.client.send_request(request, false).unwrap()
    }

    /// One call with one body.
    pub(super) async fn call(&mut self, request: Request<()>, body: Bytes) -> Got {
        let (response, mut stream) = self.open(request);
        stream.send_data(body, true).unwrap();
        receive(response).await.unwrap()
    }

    /// Waits until the model holds `count` calls.
    pub(super) async fn held(&self, count: usize) {
        while self.echo.held.lock().len() != count {
            tokio::task::yield_now().await;
        }
    }

    pub(super) fn hold(&self) {
        self.echo.holds.store(true, Relaxed);
    }
}
