//! Peers that break the protocol: the link ends with a reason, its calls are answered, and nothing else happens.

use super::{
    ears_tests::Lane,
    gateway::{Endpoint, Links},
    handshake::{Joined, hello, join},
    host::Listener,
    testing::{ARENA, Desk, Lines, Shelf, contract, folder, until},
};
use crate::{
    base::{
        call::Execution,
        datatype::Datatype,
        fault::{Fault, Kind, Phase},
    },
    mem::arena::Arena,
    wire::{
        frame::{Head, Kind as FrameKind},
        frame_encode::{Bytes, Outgoing, encode},
        frame_meta::{self, proto},
    },
};
use std::sync::Arc;
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;

type Wire = Vec<u8>;

fn tensor(index: u16, bytes: Bytes<'_>) -> Outgoing<'_> {
    Outgoing { index, datatype: Datatype::Uint8, shape: &[1, 4], bytes }
}

fn infer(call: u64, tensors: &[Outgoing<'_>]) -> Wire {
    let mut out = Wire::new();
    let infer = proto::Infer { model: "echo".to_owned(), version: 1, rows: 1, parameters: vec![] };
    let meta = |out: &mut Wire| frame_meta::append(out, &infer);
    encode(&mut out, &Head::new(FrameKind::Infer, call), meta, tensors).unwrap();
    out
}

fn bare(kind: FrameKind, call: u64, tensors: &[Outgoing<'_>]) -> Wire {
    let mut out = Wire::new();
    encode(&mut out, &Head::new(kind, call), |_| {}, tensors).unwrap();
    out
}

fn release(calls: &[u64]) -> Wire {
    let mut out = Wire::new();
    let released = proto::Released { calls: calls.to_vec() };
    let meta = |out: &mut Wire| frame_meta::append(out, &released);
    encode(&mut out, &Head::new(FrameKind::Release, 0), meta, &[]).unwrap();
    out
}

fn send(joined: &Joined, bytes: &[u8]) {
    let before = joined.outbox.written();
    let frame = |out: &mut Wire| {
        out.extend_from_slice(bytes);
        Ok(())
    };
    joined.outbox.put(frame).unwrap();
    joined.outbox.flush();
    assert_eq!(joined.outbox.written() - before, u64::try_from(bytes.len()).unwrap());
}

#[tokio::test]
async fn a_gateway_that_breaks_the_protocol_loses_its_link_and_no_other() {
    let (good, beyond) = (Bytes::Inline(&[1, 2, 3, 4]), u64::try_from(ARENA).unwrap());
    let cases: Vec<(&str, Wire, &str)> = vec![
        ("garbage", vec![0xa5; 64], "\"HR\" is due"),
        ("a host's frame", bare(FrameKind::Answer, 1, &[]), "a gateway sent Answer"),
        ("metadata that is none", bare_meta(FrameKind::Infer), "metadata"),
        (
            "offset outside",
            infer(1, &[tensor(0, Bytes::Arena { offset: beyond, len: 4 })]),
            "outside the memory",
        ),
        (
            "offset that wraps",
            infer(1, &[tensor(0, Bytes::Arena { offset: u64::MAX, len: 4 })]),
            "outside the memory",
        ),
        ("a length that lies", infer(1, &[tensor(0, Bytes::Arena { offset: 0, len: 8 })]), "does not follow"),
        ("an inline length that lies", infer(1, &[tensor(0, Bytes::Inline(&[1]))]), "does not follow"),
        ("an order that lies", infer(1, &[tensor(1, good)]), "order"),
        ("a number twice", [infer(1, &[tensor(0, good)]), infer(1, &[tensor(0, good)])].concat(), "in use"),
        ("a number too large", infer(1 << 40, &[tensor(0, good)]), "not a number"),
        ("a release of nothing", release(&[7]), "no memory lent"),
    ];
    let path = folder("hostile-gateway").join("host.sock");
    let shelf = Shelf::new(false);
    // Heard by the link's task, and by a lane.
    for ((name, bytes, why), by_lane) in cases.iter().flat_map(|case| [(case, false), (case, true)]) {
        let lines = Lines::default();
        let host = Listener::listen(&Handle::current(), &path, shelf.clone(), None, lines.log()).unwrap();
        let _lane = by_lane.then(|| Lane::start(host.ear().unwrap()));
        let mut other = joined(&path).await;
        let mut joined = joined(&path).await;
        send(&joined, bytes);
        to_the_end(&mut joined).await;
        assert!(lines.have(why), "{name}: {lines:?}");
        drop(joined);
        until("one link is left", || host.gateways() == 1).await;
        shelf.model.held.lock().clear();
        send(&other, &infer(5, &[tensor(0, good)]));
        until(name, || shelf.model.holds() == 1).await;
        shelf.model.answer_all();
        drop(host);
        to_the_end(&mut other).await;
    }
}

/// Hears the host until it hangs up.
async fn to_the_end(joined: &mut Joined) {
    while let Ok(true) = joined.inbox.more().await {
        while let Ok(Some(_)) = joined.inbox.next_frame() {}
    }
}

fn bare_meta(kind: FrameKind) -> Wire {
    let mut out = Wire::new();
    encode(&mut out, &Head::new(kind, 1), |out| out.extend_from_slice(&[0xff; 3]), &[]).unwrap();
    out
}

async fn joined(path: &std::path::Path) -> Joined {
    let socket = UnixStream::connect(path).await.unwrap();
    join(socket, Some(&Arena::new(ARENA).unwrap())).await.unwrap()
}

fn answer(call: u64, index: u16, shape: &[i64], bytes: &[u8]) -> Wire {
    let tensor = Outgoing { index, datatype: Datatype::Uint8, shape, bytes: Bytes::Inline(bytes) };
    bare(FrameKind::Answer, call, &[tensor])
}

fn failure(kind: u32) -> Wire {
    let mut out = Wire::new();
    let failure =
        proto::Failure { kind, ..frame_meta::failure_out(&Fault::invalid("no"), &Default::default()) };
    encode(&mut out, &Head::new(FrameKind::Fail, 1), |out| frame_meta::append(out, &failure), &[]).unwrap();
    out
}

#[tokio::test]
async fn a_host_that_breaks_the_protocol_loses_its_link_and_every_call_is_answered() {
    let far = Outgoing {
        index: 0,
        datatype: Datatype::Uint8,
        shape: &[1, 4],
        bytes: Bytes::Arena { offset: u64::MAX - 1, len: 4 },
    };
    let cases: Vec<(&str, Wire, &str)> = vec![
        ("garbage", vec![0xa5; 64], "\"HR\" is due"),
        ("a gateway's frame", bare(FrameKind::Infer, 1, &[]), "a host sent Infer"),
        ("an unknown call", answer(77, 0, &[1, 4], &[1; 4]), "not in flight"),
        ("memory that was not passed", bare(FrameKind::Answer, 1, &[far]), "outside the memory"),
        ("a length that lies", answer(1, 0, &[1, 5], &[1; 4]), "does not follow"),
        ("rows that lie", answer(1, 0, &[2, 2], &[1; 4]), "contract"),
        ("outputs that are missing", bare(FrameKind::Answer, 1, &[]), "0 tensors where the contract has 1"),
        ("a fault of no kind", failure(99), "fault kind 99"),
        ("a release of nothing", release(&[1]), "no memory lent"),
        ("an unknown version", credit(), "never announced"),
        ("a run of no rows", executed(0, 1), "cannot be"),
        ("a run of too many rows", executed(u32::MAX, 1), "cannot be"),
        ("a run of a million years", executed(1, u64::MAX), "cannot be"),
    ];
    let path = folder("hostile-host").join("host.sock");
    for (name, bytes, why) in cases {
        let (desk, lines) = (Arc::new(Desk::default()), Lines::default());
        let (links, mut joined) = hosted(&path, &desk, &lines).await;
        let (first, second) = (desk.call(b"abcd".as_slice().into()), desk.call(b"efgh".as_slice().into()));
        until_frames(&mut joined, FrameKind::Infer, 2).await;
        send(&joined, &bytes);
        until(name, || desk.answered() == 2).await;
        for call in [first, second] {
            let fault = desk.end(call).unwrap_err();
            assert_eq!((fault.kind, fault.phase), (Kind::HostLost, Phase::Started), "{name}");
        }
        assert!(desk.up.lock().is_empty(), "{name}");
        until(name, || lines.have(why)).await;
        drop(joined);
        links.close().await;
    }
}

#[tokio::test]
async fn a_second_answer_ends_the_link_after_the_first_was_taken() {
    let path = folder("double").join("host.sock");
    let (desk, lines) = (Arc::new(Desk::default()), Lines::default());
    let (_links, mut joined) = hosted(&path, &desk, &lines).await;
    let (first, second) = (desk.call(b"abcd".as_slice().into()), desk.call(b"efgh".as_slice().into()));
    until_frames(&mut joined, FrameKind::Infer, 2).await;
    send(&joined, &[answer(1, 0, &[1, 4], b"dcba"), answer(1, 0, &[1, 4], b"xxxx")].concat());
    until("both are answered", || desk.answered() == 2).await;
    assert_eq!(desk.end(first).unwrap().as_ref(), b"dcba");
    assert_eq!(desk.end(second).unwrap_err().kind, Kind::HostLost);
    until("it is logged", || lines.have("not in flight")).await;
}

fn credit() -> Wire {
    let mut out = Wire::new();
    let credit = proto::Credit { model: "other".to_owned(), version: 1, rows: 1 };
    encode(&mut out, &Head::new(FrameKind::Credit, 0), |out| frame_meta::append(out, &credit), &[]).unwrap();
    out
}

fn executed(rows: u32, infer_ns: u64) -> Wire {
    let mut out = Wire::new();
    let execution = Execution { rows, input_ns: 1, infer_ns, output_ns: 1, failed: false };
    let executed = frame_meta::executed_out(&contract(1), &execution);
    encode(&mut out, &Head::new(FrameKind::Stats, 0), |out| frame_meta::append(out, &executed), &[]).unwrap();
    out
}

/// A host played by the test, linked to real gateway's side.
async fn hosted(path: &std::path::Path, desk: &Arc<Desk>, lines: &Lines) -> (Links, Joined) {
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).unwrap();
    let links = Links::new(Handle::current(), desk.clone(), None, lines.log());
    links.set_endpoints(vec![Endpoint { id: "x".to_owned(), socket: path.to_owned() }]);
    let (socket, _) = listener.accept().await.unwrap();
    let carried = proto::Carried { contract: Some(frame_meta::contract_out(&contract(1))), window_rows: 64 };
    let joined = join(socket, None).await.unwrap();
    joined.outbox.put(|out| hello(out, None, vec![carried])).unwrap();
    joined.outbox.flush();
    until("the carrier is up", || desk.up.lock().len() == 1).await;
    (links, joined)
}

async fn until_frames(joined: &mut Joined, kind: FrameKind, mut count: usize) {
    while count > 0 {
        assert!(joined.inbox.more().await.unwrap());
        while let Some(frame) = joined.inbox.next_frame().unwrap() {
            count -= usize::from(frame.head.kind == kind);
        }
    }
}

/// It sends and never reads. The host stops listening to it before its answers pile up.
#[tokio::test]
async fn a_gateway_that_does_not_read_is_not_listened_to() {
    let path = folder("slow").join("host.sock");
    let shelf = Shelf::new(true);
    let host = Listener::listen(&Handle::current(), &path, shelf, None, Lines::default().log()).unwrap();
    let joined = joined(&path).await;
    let payload = vec![1; 50_000];
    for call in 1..=400 {
        let tensor = Outgoing {
            index: 0,
            datatype: Datatype::Uint8,
            shape: &[1, 50_000],
            bytes: Bytes::Inline(&payload),
        };
        let frame = infer(call, &[tensor]);
        joined
            .outbox
            .put(|out| {
                out.extend_from_slice(&frame);
                Ok(())
            })
            .unwrap();
    }
    let (mut inbox, outbox) = (joined.inbox, joined.outbox);
    let outbox = Arc::new(outbox);
    let writer = Arc::clone(&outbox);
    let writing = tokio::spawn(async move { writer.write().await });
    outbox.nudge();
    // Nothing moves any more: what is in the sockets and one megabyte of answers is all there will be.
    let mut before = 0;
    until("it is stuck", || {
        std::mem::replace(&mut before, outbox.written()) == outbox.written() && before > 1 << 20
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(outbox.written() < 4 << 20, "{} bytes of 20 MB were taken", outbox.written());
    let mut answers = 0;
    while answers < 400 {
        assert!(inbox.more().await.unwrap());
        let frames = std::iter::from_fn(|| inbox.next_frame().unwrap());
        answers += frames.filter(|frame| frame.head.kind == FrameKind::Answer).count();
    }
    assert_eq!(host.in_flight(), 0);
    writing.abort();
}
