//! Against a server that does as it is told, over a real socket.

use super::*;
use crate::base::units::CallId;
use crate::link::testing::{Desk, Lines, until};
use crate::wire::oip_proto::messages as m;
use bytes::{BufMut, BytesMut};
use h2::server::SendResponse;
use http::{HeaderMap, Response};
use parking_lot::Mutex;
use prost::Message;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use tokio::net::TcpListener;

/// What it does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Echo,
    /// With typed contents, as servers of Python do.
    Typed,
    /// A status and a message.
    Refuse,
    /// The wrong shape.
    Lie,
    /// A message that is longer than is read.
    Flood,
    /// No answer.
    Silence,
    /// The connection ends.
    Leave,
    /// Parts, 40 of them.
    Stream,
    /// Two parts, an error in the stream, and its end.
    Fail,
    /// Says that it goes away, and answers what it has.
    GoAway,
}

#[derive(Debug)]
struct Server {
    mood: Mutex<Mood>,
    ready: AtomicBool,
    /// Calls that were reset by their caller.
    reset: AtomicUsize,
    connections: AtomicUsize,
    /// Calls that came.
    calls: AtomicUsize,
}

fn framed(message: &impl Message) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u8(0);
    out.put_u32(u32::try_from(message.encoded_len()).unwrap());
    out.put_slice(&message.encode_to_vec());
    out.freeze()
}

fn tensor_metadata(name: &str) -> m::model_metadata_response::TensorMetadata {
    let shape = vec![-1, -1];
    m::model_metadata_response::TensorMetadata { name: name.into(), datatype: "UINT8".into(), shape }
}

fn answer(asked: &m::ModelInferRequest, mood: Mood) -> m::ModelInferResponse {
    let [input] = asked.inputs.as_slice() else { panic!("one input") };
    let [data] = asked.raw_input_contents.as_slice() else { panic!("one tensor") };
    let mut output = m::model_infer_response::InferOutputTensor {
        name: "out".into(),
        datatype: "UINT8".into(),
        shape: input.shape.clone(),
        ..Default::default()
    };
    if mood == Mood::Lie {
        output.shape = vec![1, 1_000_000];
    }
    let mut raw = vec![data.clone()];
    if mood == Mood::Typed {
        let uint_contents = data.iter().map(|byte| u32::from(*byte)).collect();
        output.contents = Some(m::InferTensorContents { uint_contents, ..Default::default() });
        raw.clear();
    }
    let model_name = asked.model_name.clone();
    m::ModelInferResponse {
        model_name,
        outputs: vec![output],
        raw_output_contents: raw,
        ..Default::default()
    }
}

impl Server {
    async fn start(mood: Mood) -> (Arc<Server>, TcpListener) {
        let server = Server {
            mood: Mutex::new(mood),
            ready: AtomicBool::new(true),
            reset: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
        };
        (Arc::new(server), TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            self.connections.fetch_add(1, Relaxed);
            tokio::spawn(Arc::clone(&self).connection(socket));
        }
    }

    async fn connection(self: Arc<Self>, socket: TcpStream) {
        let mut connection = h2::server::handshake(socket).await.unwrap();
        while let Some(Ok((request, respond))) = connection.accept().await {
            let mood = *self.mood.lock();
            let is_call = request.uri().path().ends_with("Infer");
            if mood == Mood::Leave && is_call {
                return;
            }
            if mood == Mood::GoAway && is_call {
                *self.mood.lock() = Mood::Echo;
                connection.graceful_shutdown();
            }
            tokio::spawn(Arc::clone(&self).call(request, respond));
        }
    }

    async fn call(self: Arc<Self>, request: http::Request<h2::RecvStream>, mut respond: SendResponse<Bytes>) {
        let mood = *self.mood.lock();
        let (head, mut body) = request.into_parts();
        let mut message = BytesMut::new();
        while let Some(chunk) = body.data().await {
            let chunk = chunk.unwrap();
            let _ = body.flow_control().release_capacity(chunk.len());
            message.extend_from_slice(&chunk);
        }
        let message = message.freeze().slice(5..);
        let path = head.uri.path().rsplit('/').next().unwrap().to_owned();
        let is_call = path.contains("Infer");
        if is_call {
            self.calls.fetch_add(1, Relaxed);
        }
        if mood == Mood::Silence && is_call {
            let ended = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
            assert_eq!(ended.unwrap(), h2::Reason::CANCEL);
            self.reset.fetch_add(1, Relaxed);
            return;
        }
        let answers: Vec<Bytes> = match path.as_str() {
            "ModelReady" => vec![framed(&m::ModelReadyResponse { ready: self.ready.load(Relaxed) })],
            "ModelMetadata" => vec![framed(&m::ModelMetadataResponse {
                platform: "scripted".into(),
                inputs: vec![tensor_metadata("in")],
                outputs: vec![tensor_metadata("out")],
                ..Default::default()
            })],
            "ModelConfig" => {
                let policy =
                    m::ModelTransactionPolicy { decoupled: matches!(mood, Mood::Stream | Mood::Fail) };
                let config = m::ModelConfig {
                    max_batch_size: 8,
                    model_transaction_policy: Some(policy),
                    ..Default::default()
                };
                vec![framed(&m::ModelConfigResponse { config: Some(config) })]
            }
            "ModelInfer" if mood == Mood::Flood => vec![Bytes::from_static(&[0, 0x7f, 0xff, 0xff, 0xff])],
            "ModelInfer" if mood == Mood::Refuse => vec![],
            "ModelInfer" => vec![framed(&answer(&m::ModelInferRequest::decode(message).unwrap(), mood))],
            "ModelStreamInfer" => {
                let asked = m::ModelInferRequest::decode(message).unwrap();
                let part = |n: u8| {
                    let mut response = answer(&asked, mood);
                    response.raw_output_contents = vec![vec![n; 4].into()];
                    framed(&m::ModelStreamInferResponse {
                        infer_response: Some(response),
                        ..Default::default()
                    })
                };
                if mood == Mood::Fail {
                    let error = m::ModelStreamInferResponse {
                        error_message: "thirteen".into(),
                        ..Default::default()
                    };
                    vec![part(0), part(1), framed(&error), part(2)]
                } else {
                    (0..40).map(part).collect()
                }
            }
            other => panic!("{other} was asked"),
        };
        let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
        let mut send = respond.send_response(head, false).unwrap();
        answers.into_iter().for_each(|bytes| send.send_data(bytes, false).unwrap());
        let mut trailers = HeaderMap::new();
        let refused = mood == Mood::Refuse && is_call;
        trailers.insert("grpc-status", if refused { "3" } else { "0" }.parse().unwrap());
        if refused {
            trailers.insert("grpc-message", "unexpected%20shape".parse().unwrap());
        }
        send.send_trailers(trailers).unwrap();
    }
}

struct Dialled {
    server: Arc<Server>,
    desk: Arc<Desk>,
    lines: Lines,
    upstream: Upstream,
}

fn target(address: Address) -> Target {
    Target {
        address,
        place: Place { model: "echo".into(), version: "1".into() },
        model: "echo".into(),
        version: Version(3),
        in_flight: Rows::new(4),
        most_bytes: 1 << 20,
    }
}

/// A server in this mood, and its version here; up once it is ready.
async fn dialled(mood: Mood) -> Dialled {
    let (server, listener) = Server::start(mood).await;
    let address = format!("grpc://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(Arc::clone(&server).serve(listener));
    let (desk, lines) = (Arc::new(Desk::default()), Lines::default());
    let upstream = Upstream::new(Handle::current(), desk.clone(), target(address), lines.log());
    until("it is up", || desk.up.lock().len() == 1).await;
    Dialled { server, desk, lines, upstream }
}

impl Dialled {
    async fn call(&self) -> Result<Bytes, Fault> {
        let call = self.desk.call(Bytes::from_static(b"abcd"));
        until("it is answered", || self.desk.answered() == 1).await;
        self.desk.end(call)
    }
}

#[tokio::test]
async fn a_call_is_answered_by_the_server() {
    for mood in [Mood::Echo, Mood::Typed] {
        let one = dialled(mood).await;
        assert_eq!(one.call().await.unwrap(), "abcd", "{mood:?}");
        let up = one.desk.up.lock();
        let (contract, _, window) = up.values().next().unwrap();
        // A window is at least a request of as many rows as there may be.
        assert_eq!((contract.version, window.rows), (Version(3), Rows::new(8)));
        assert_eq!(contract.inputs[0].shape, [-1]);
    }
}

#[tokio::test]
async fn a_large_call_is_answered_whole() {
    let one = dialled(Mood::Echo).await;
    let data: Bytes = (0..700_000_u32).map(|n| n.to_le_bytes()[0]).collect::<Vec<_>>().into();
    let call = one.desk.call(data.clone());
    until("it is answered", || one.desk.answered() == 1).await;
    assert!(one.desk.end(call).unwrap() == data);
}

#[tokio::test]
async fn what_the_server_says_is_told_and_what_it_may_not_say_is_not_believed() {
    let cases = [
        (Mood::Refuse, Kind::Invalid, "unexpected shape"),
        (Mood::Lie, Kind::Internal, "output 'out' has 4 bytes, which its shape"),
        (Mood::Flood, Kind::Internal, "has 2147483647 bytes, and 1048576 are read"),
    ];
    for (mood, kind, note) in cases {
        let one = dialled(mood).await;
        let fault = one.call().await.unwrap_err();
        assert!(fault.kind == kind && fault.note.contains(note), "{fault}");
        *one.server.mood.lock() = Mood::Echo;
        assert!(one.call().await.is_ok(), "the connection is as good as before");
        assert_eq!(one.server.connections.load(Relaxed), 1);
    }
}

#[tokio::test]
async fn a_lost_server_is_told_of_at_once_and_found_again() {
    let one = dialled(Mood::Leave).await;
    let fault = one.call().await.unwrap_err();
    assert_eq!((fault.kind, fault.phase), (Kind::Unavailable, crate::base::fault::Phase::Final));
    assert!(fault.note.contains("was lost before it answered"), "{fault}");
    *one.server.mood.lock() = Mood::Echo;
    until("it is up again", || one.server.connections.load(Relaxed) > 1 && one.desk.up.lock().len() == 1)
        .await;
    assert_eq!(one.call().await.unwrap(), "abcd");
    assert!(one.lines.have("lost the server at 127.0.0.1:"));
}

#[tokio::test]
async fn a_server_that_says_goodbye_answers_what_it_has_and_gets_a_new_connection() {
    let one = dialled(Mood::GoAway).await;
    assert_eq!(one.call().await.unwrap(), "abcd");
    until("it is up again", || one.server.connections.load(Relaxed) == 2 && one.desk.up.lock().len() == 1)
        .await;
    assert_eq!(one.call().await.unwrap(), "abcd");
}

#[tokio::test]
async fn a_caller_that_leaves_takes_its_call_back_there_too() {
    let one = dialled(Mood::Silence).await;
    let call = one.desk.call(Bytes::from_static(b"abcd"));
    until("it is there", || one.server.calls.load(Relaxed) == 1).await;
    let carrier = one.desk.up.lock().values().next().map(|(_, carrier, _)| Arc::clone(carrier)).unwrap();
    carrier.cancel(CallId(call));
    until("it was reset", || one.server.reset.load(Relaxed) == 1).await;
    until("it is answered", || one.desk.answered() == 1).await;
    assert_eq!(one.desk.end(call).unwrap_err().kind, Kind::Cancelled);
}

#[tokio::test]
async fn parts_come_as_their_reader_takes_them() {
    let one = dialled(Mood::Stream).await;
    let call = one.desk.call_in_parts(3);
    until("three came", || one.desk.parts_of(call).len() == 3).await;
    assert_eq!(one.desk.answered(), 0);
    let carrier = one.desk.up.lock().values().next().map(|(_, carrier, _)| Arc::clone(carrier)).unwrap();
    carrier.credit(CallId(call), 3);
    until("three more came", || one.desk.parts_of(call).len() == 6).await;
    carrier.credit(CallId(call), 100);
    until("it ended", || one.desk.answered() == 1).await;
    assert_eq!(one.desk.parts_of(call), (0..40).collect::<Vec<u8>>());
    assert!(one.desk.ended(call).unwrap().outputs.is_empty());
}

#[tokio::test]
async fn an_error_in_a_stream_ends_its_request() {
    let one = dialled(Mood::Fail).await;
    let call = one.desk.call_in_parts(16);
    until("it ended", || one.desk.answered() == 1).await;
    assert_eq!(one.desk.parts_of(call), [0, 1], "none follows the error");
    let fault = one.desk.ended(call).unwrap_err();
    assert_eq!((fault.kind, fault.note.as_ref()), (Kind::ModelFailed, "thirteen"));
}

#[tokio::test]
async fn a_model_that_is_not_ready_is_waited_for() {
    let (server, listener) = Server::start(Mood::Echo).await;
    server.ready.store(false, Relaxed);
    let address = format!("grpc://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(Arc::clone(&server).serve(listener));
    let (desk, lines) = (Arc::new(Desk::default()), Lines::default());
    let upstream = Upstream::new(Handle::current(), desk.clone(), target(address), lines.log());
    until("it was asked", || lines.count("is not ready") == 1).await;
    let mut standing = upstream.standing.clone();
    assert!(matches!(&*standing.borrow_and_update(), Standing::Down(_)));
    assert!(desk.up.lock().is_empty());
    server.ready.store(true, Relaxed);
    until("it is up", || desk.up.lock().len() == 1).await;
    assert!(matches!(&*standing.borrow_and_update(), Standing::Up(_)));
    assert_eq!(lines.count("not ready"), 1, "it is said once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_is_answered_before_the_end() {
    let one = dialled(Mood::Silence).await;
    let call = one.desk.call(Bytes::from_static(b"abcd"));
    let upstream = Arc::new(one.upstream);
    let closing = Arc::clone(&upstream);
    let close = move |limit: Duration| tokio::task::spawn_blocking(move || closing.close(limit));
    assert!(!close(Duration::from_millis(50)).await.unwrap(), "one is in flight");
    assert!(one.desk.up.lock().is_empty());
    assert_eq!(one.desk.answered(), 0, "call {call} has its time");
    drop(upstream);
}
