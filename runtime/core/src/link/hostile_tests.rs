//! Peers that break the protocol: the link ends with a reason, its calls are answered, and nothing else happens.

use super::{
    ears_tests::Lane,
    host::Listener,
    testing::{
        ARENA, Desk, Lines, Shelf, folder,
        frames::{Wire, answer, bare, credit, executed, failure, garbled, infer, release, tensor},
        played::{hosted, joined, send, to_the_end, until_frames},
        until,
    },
};
use crate::{
    base::{
        datatype::Datatype,
        fault::{Kind, Phase},
        panics,
    },
    wire::{
        frame::Kind as FrameKind,
        frame_encode::{Bytes, Outgoing},
    },
};
use std::sync::Arc;
use tokio::runtime::Handle;

#[tokio::test]
async fn a_gateway_that_breaks_the_protocol_loses_its_link_and_no_other() {
    let (good, beyond) = (Bytes::Inline(&[1, 2, 3, 4]), u64::try_from(ARENA).unwrap());
    let cases: Vec<(&str, Wire, &str)> = vec![
        ("garbage", vec![0xa5; 64], "\"HR\" is due"),
        ("a host's frame", bare(FrameKind::Answer, 1, &[]), "a gateway sent Answer"),
        ("metadata that is none", garbled(FrameKind::Infer), "metadata"),
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
        ("what makes us panic", infer(4711, &[tensor(0, good)]), "a bug of headrace"),
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
        if *why == "a bug of headrace" {
            panics::plant("a frame of call 4711");
        }
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
        ("an unknown version", credit("other", 1, 1), "never announced"),
        ("a run of no rows", executed(1, 0, 1), "cannot be"),
        ("a run of too many rows", executed(1, u32::MAX, 1), "cannot be"),
        ("a run of a million years", executed(1, 1, u64::MAX), "cannot be"),
    ];
    let path = folder("hostile-host").join("host.sock");
    for (name, bytes, why) in cases {
        let (desk, lines) = (Arc::new(Desk::default()), Lines::default());
        let (links, mut joined) = hosted(&path, &desk, &lines, None, None).await;
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

/// The widest batch, and the longest time, that a model.yaml may ask for.
#[tokio::test]
async fn a_run_that_is_as_large_as_any_may_be_is_counted() {
    let path = folder("large-run").join("host.sock");
    let (desk, lines) = (Arc::new(Desk::default()), Lines::default());
    let (_links, mut joined) = hosted(&path, &desk, &lines, None, None).await;
    let call = desk.call(b"abcd".as_slice().into());
    until_frames(&mut joined, FrameKind::Infer, 1).await;
    let run = executed(1, 1 << 20, 604_800_000_000_000);
    send(&joined, &[run, answer(1, 0, &[1, 4], b"dcba")].concat());
    until("it is answered", || desk.answered() == 1).await;
    assert_eq!(desk.end(call).unwrap().as_ref(), b"dcba");
    assert_eq!(desk.executed.lock()[0].rows, 1 << 20);
}

#[tokio::test]
async fn a_second_answer_ends_the_link_after_the_first_was_taken() {
    let path = folder("double").join("host.sock");
    let (desk, lines) = (Arc::new(Desk::default()), Lines::default());
    let (_links, mut joined) = hosted(&path, &desk, &lines, None, None).await;
    let (first, second) = (desk.call(b"abcd".as_slice().into()), desk.call(b"efgh".as_slice().into()));
    until_frames(&mut joined, FrameKind::Infer, 2).await;
    send(&joined, &[answer(1, 0, &[1, 4], b"dcba"), answer(1, 0, &[1, 4], b"xxxx")].concat());
    until("both are answered", || desk.answered() == 2).await;
    assert_eq!(desk.end(first).unwrap().as_ref(), b"dcba");
    assert_eq!(desk.end(second).unwrap_err().kind, Kind::HostLost);
    until("it is logged", || lines.have("not in flight")).await;
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
