//! Against a server that does as it is told.

use super::grpc::scripted::{Mood, Server};
use super::*;
use crate::base::units::CallId;
use crate::link::testing::{Desk, Lines, until};
use bytes::Bytes;
use std::sync::atomic::Ordering::Relaxed;

struct Dialled {
    server: Arc<Server>,
    desk: Arc<Desk>,
    lines: Lines,
    upstream: Kept,
}

fn target(address: Address) -> Target {
    Target {
        address,
        access: Access::default(),
        declared: Declared::default(),
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
    let upstream = keep(&Handle::current(), desk.clone(), target(address), lines.log());
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
async fn each_call_shows_the_token() {
    let file = std::env::temp_dir().join(format!("headrace-{}-shown", std::process::id()));
    std::fs::write(&file, "s3cret\n").unwrap();
    let (server, listener) = Server::start(Mood::Echo).await;
    let address = format!("grpc://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(Arc::clone(&server).serve(listener));
    let access = serde_json::from_value(serde_json::json!({"token_file": file})).unwrap();
    let (desk, lines) = (Arc::new(Desk::default()), Lines::default());
    let told = Target { access, ..target(address) };
    let upstream = keep(&Handle::current(), desk.clone(), told, lines.log());
    until("it is up", || desk.up.lock().len() == 1).await;
    let one = Dialled { server, desk, lines, upstream };
    assert!(one.call().await.is_ok());
    assert_eq!(one.server.shown.lock().as_deref(), Some("Bearer s3cret"));
    std::fs::remove_file(file).unwrap();
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
async fn memory_of_a_device_is_not_passed_on_and_its_caller_is_told() {
    let one = dialled(Mood::Echo).await;
    let call = one.desk.call_on_device(Arc::default());
    until("it is answered", || one.desk.answered() == 1).await;
    let fault = one.desk.end(call).unwrap_err();
    assert!(fault.kind == Kind::Unsupported && fault.note.contains("send the tensors"), "{fault}");
    assert_eq!(one.server.calls.load(Relaxed), 0);
    assert!(one.call().await.is_ok(), "the connection is as good as before");
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
    let mut standing = one.upstream.standing();
    let gone =
        tokio::spawn(async move { standing.wait_for(|now| matches!(now, Standing::Down(_))).await.is_ok() });
    assert_eq!(one.call().await.unwrap(), "abcd");
    until("it is up again", || one.server.connections.load(Relaxed) == 2 && one.desk.up.lock().len() == 1)
        .await;
    assert_eq!(one.call().await.unwrap(), "abcd");
    assert!(!gone.is_finished(), "it was never gone");
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
    let upstream = keep(&Handle::current(), desk.clone(), target(address), lines.log());
    until("it was asked", || lines.count("is not ready") == 1).await;
    let mut standing = upstream.standing();
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
