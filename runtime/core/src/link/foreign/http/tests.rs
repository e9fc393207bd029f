//! Against a server of HTTP that does as it is told.

use super::scripted::{Mood, Server};
use crate::base::{
    fault::{Fault, Kind},
    units::{CallId, Rows, Version},
};
use crate::link::testing::{Desk, Lines, until};
use crate::link::{
    foreign::{Access, Address, Declared, Place, Target, keep},
    kept::{Kept, Standing},
};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::runtime::Handle;

struct Dialled {
    server: Arc<Server>,
    desk: Arc<Desk>,
    upstream: Kept,
}

async fn dialled(mood: Mood) -> Dialled {
    let (server, listener) = Server::start(mood).await;
    let address: Address = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(Arc::clone(&server).serve(listener));
    let desk = Arc::new(Desk::default());
    let target = Target {
        address,
        access: Access::default(),
        declared: Declared::default(),
        place: Place { model: "a/e_cho".into(), version: "1".into() },
        model: "echo".into(),
        version: Version(3),
        in_flight: Rows::new(4),
        most_bytes: 1 << 20,
    };
    let upstream = keep(&Handle::current(), desk.clone(), target, Lines::default().log());
    Dialled { server, desk, upstream }
}

/// The same, up.
async fn up(mood: Mood) -> Dialled {
    let one = dialled(mood).await;
    until("it is up", || one.desk.up.lock().len() == 1).await;
    one
}

impl Dialled {
    async fn call(&self) -> Result<Bytes, Fault> {
        let call = self.desk.call(Bytes::from_static(b"abcd"));
        until("it is answered", || self.desk.answered() == 1).await;
        self.desk.end(call)
    }
}

#[tokio::test]
async fn calls_share_a_connection_and_tensors_go_as_bytes_where_the_server_takes_them() {
    for (mood, binary) in [(Mood::Echo, true), (Mood::Texts, false)] {
        let one = up(mood).await;
        for _ in 0..3 {
            assert_eq!(one.call().await.unwrap(), "abcd");
        }
        assert_eq!(*one.server.was_binary.lock(), Some(binary));
        assert_eq!(one.server.connections.load(Relaxed), 1);
        let up = one.desk.up.lock();
        let (contract, _, window) = up.values().next().unwrap();
        assert_eq!(
            (contract.version, contract.platform.as_str(), window.rows),
            (Version(3), "scripted", Rows::new(8))
        );
    }
}

#[tokio::test]
async fn a_large_call_is_answered_whole() {
    let one = up(Mood::Echo).await;
    let data: Bytes = (0..700_000_u32).map(|n| n.to_le_bytes()[0]).collect::<Vec<_>>().into();
    let call = one.desk.call(data.clone());
    until("it is answered", || one.desk.answered() == 1).await;
    assert!(one.desk.end(call).unwrap() == data);
}

#[tokio::test]
async fn what_the_server_says_is_told_and_what_it_may_not_say_is_not_believed() {
    let cases = [
        (Mood::Refuse, Kind::Invalid, "unexpected shape"),
        (Mood::Lie, Kind::Internal, "output 'out' has"),
        (Mood::Flood, Kind::Internal, "has 2097152 bytes or more, and 1048576 are read"),
    ];
    for (mood, kind, note) in cases {
        let one = up(mood).await;
        let fault = one.call().await.unwrap_err();
        assert!(fault.kind == kind && fault.note.contains(note), "{fault}");
        *one.server.mood.lock() = Mood::Echo;
        assert!(one.call().await.is_ok(), "the server is as good as before");
        // What was not read to its end is not read on.
        let connections = if mood == Mood::Flood { 2 } else { 1 };
        assert_eq!(one.server.connections.load(Relaxed), connections, "{mood:?}");
    }
}

#[tokio::test]
async fn a_connection_that_the_server_ends_costs_nobody_an_answer() {
    let one = up(Mood::Last).await;
    for _ in 0..3 {
        assert_eq!(one.call().await.unwrap(), "abcd");
    }
    assert_eq!(one.desk.up.lock().len(), 1, "nor is the server gone");
    assert!(one.server.connections.load(Relaxed) >= 3);
}

#[tokio::test]
async fn what_was_on_its_way_is_lost_and_nothing_else() {
    let one = up(Mood::Leave).await;
    let fault = one.call().await.unwrap_err();
    assert_eq!((fault.kind, fault.phase), (Kind::Unavailable, crate::base::fault::Phase::Final));
    assert!(fault.note.contains("was lost before it answered"), "{fault}");
    *one.server.mood.lock() = Mood::Echo;
    assert_eq!(one.call().await.unwrap(), "abcd");
}

#[tokio::test]
async fn a_caller_that_leaves_closes_its_connection() {
    let one = up(Mood::Silence).await;
    let call = one.desk.call(Bytes::from_static(b"abcd"));
    until("it is there", || one.server.calls.load(Relaxed) == 1).await;
    let carrier = one.desk.up.lock().values().next().map(|(_, carrier, _)| Arc::clone(carrier)).unwrap();
    carrier.cancel(CallId(call));
    until("it was closed", || one.server.closed.load(Relaxed) == 1).await;
    until("it is answered", || one.desk.answered() == 1).await;
    assert_eq!(one.desk.end(call).unwrap_err().kind, Kind::Cancelled);
}

#[tokio::test]
async fn a_server_that_takes_no_connection_is_gone_and_calls_go_back() {
    let (server, listener) = Server::start(Mood::Last).await;
    let address: Address = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let serving = tokio::spawn(Arc::clone(&server).serve(listener));
    let (desk, lines) = (Arc::new(Desk::default()), Lines::default());
    let place = Place { model: "a/e_cho".into(), version: "1".into() };
    let (model, version, in_flight) = ("echo".into(), Version(3), Rows::new(4));
    let target = Target {
        address,
        access: Access::default(),
        declared: Declared::default(),
        place,
        model,
        version,
        in_flight,
        most_bytes: 1 << 20,
    };
    let _upstream = keep(&Handle::current(), desk.clone(), target, lines.log());
    until("it is up", || desk.up.lock().len() == 1).await;
    serving.abort();
    let _ = serving.await;
    let first = desk.call(Bytes::from_static(b"abcd"));
    until("it is answered", || desk.answered() == 1).await;
    // The connection that stood may have taken it.
    let _ = desk.end(first);
    let call = desk.call(Bytes::from_static(b"abcd"));
    until("it is answered", || desk.answered() == 1).await;
    let fault = desk.end(call).unwrap_err();
    assert_eq!((fault.kind, fault.phase), (Kind::HostLost, crate::base::fault::Phase::NotAdmitted));
    until("it is gone", || desk.up.lock().is_empty()).await;
    assert!(lines.have("lost the server at 127.0.0.1:"));
}

#[tokio::test]
async fn a_model_that_answers_in_parts_needs_grpc() {
    let one = dialled(Mood::Parts).await;
    let mut standing = one.upstream.standing();
    let down =
        standing.wait_for(|now| matches!(now, Standing::Down(why) if why.contains("grpc://HOST:PORT")));
    tokio::time::timeout(std::time::Duration::from_secs(60), down).await.unwrap().unwrap();
}
