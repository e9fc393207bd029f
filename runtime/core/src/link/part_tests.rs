//! Answers in parts through a link: no more than were asked for, none after the end, and whoever breaks that loses the
//! link.

use super::{
    host::Listener,
    testing::{
        Desk, Lines, STREAMS, Shelf, folder,
        frames::{Wire, bare, garbled, infer_in_parts, taken, tensor},
        pair,
        played::{hosted, hosted_with, joined, send, to_the_end, until_frames},
        until,
    },
};
use crate::{
    base::{
        call::{Outcome, Produced, Timing},
        fault::{Fault, Kind, Phase},
        units::CallId,
    },
    wire::{
        frame::Kind as FrameKind,
        frame_encode::{Bytes, Outgoing},
    },
};
use std::sync::Arc;

fn part(call: u64, tensors: &[Outgoing<'_>]) -> Wire {
    bare(FrameKind::Part, call, tensors)
}

fn says(byte: u8) -> Produced {
    Produced { outputs: super::testing::tensor(vec![byte; 4].into()), parameters: vec![] }
}

/// What the only call at the host is told to do.
fn emit(shelf: &Shelf, bytes: &[u8]) {
    let held = shelf.model.held.lock();
    let reply = &held[0].reply;
    bytes.iter().for_each(|byte| reply.emit(says(*byte)));
    reply.outlet().unwrap().flush();
}

fn end(shelf: &Shelf, result: Result<Produced, Fault>) {
    let call = shelf.model.held.lock().remove(0);
    let outlet = call.reply.outlet().cloned().unwrap();
    call.reply.settle(Outcome { result, timing: Timing::default() });
    outlet.flush();
}

#[tokio::test]
async fn parts_and_credit_go_through_a_link_and_the_end_follows() {
    let shelf = Shelf::streaming();
    let pair = pair("parts", Arc::clone(&shelf)).await;
    let carrier = pair.desk.up.lock().values().next().map(|(_, carrier, _)| Arc::clone(carrier)).unwrap();
    let call = pair.desk.call_in_parts(3);
    until("it came", || shelf.model.holds() == 1).await;
    assert_eq!(shelf.model.held.lock()[0].credit, 3);
    emit(&shelf, &[1, 2, 3]);
    until("they came", || pair.desk.parts_of(call).len() == 3).await;
    carrier.credit(CallId(call), 2);
    until("more are asked for", || shelf.model.credits.lock().len() == 1).await;
    assert_eq!(shelf.model.credits.lock()[0].1, 2);
    emit(&shelf, &[4, 5]);
    end(&shelf, Ok(Produced::default()));
    until("it is over", || pair.desk.answered() == 1).await;
    assert_eq!(pair.desk.parts_of(call), [1, 2, 3, 4, 5]);
    assert!(pair.desk.ended(call).unwrap().outputs.is_empty());
    carrier.credit(CallId(call), 2); // nobody's any more
    let broken = pair.desk.call_in_parts(3);
    until("it came", || shelf.model.holds() == 1).await;
    emit(&shelf, &[6]);
    end(&shelf, Err(Fault::new(Kind::ModelFailed, "as told").at(Phase::Started)));
    until("it is over", || pair.desk.answered() == 1).await;
    assert_eq!(pair.desk.parts_of(broken), [6]);
    assert_eq!(pair.desk.ended(broken).unwrap_err().kind, Kind::ModelFailed);
    assert_eq!(shelf.model.credits.lock().len(), 1);
}

#[tokio::test]
async fn a_host_that_says_more_than_was_asked_for_loses_its_link() {
    let good = Bytes::Inline(&[1, 2, 3, 4]);
    let end = || bare(FrameKind::Answer, 1, &[]);
    let cases: Vec<(&str, Wire, usize, &str)> = vec![
        ("beyond its credit", part(1, &[tensor(0, good)]).repeat(3), 2, "that nobody asked for"),
        ("an unknown call", part(7, &[tensor(0, good)]), 0, "call 7, which is not in flight"),
        ("after the end", [end(), part(1, &[tensor(0, good)])].concat(), 0, "which is not in flight"),
        ("in memory", part(1, &[tensor(0, Bytes::Arena { offset: 0, len: 4 })]), 0, "in memory"),
        ("outputs that are missing", part(1, &[]), 0, "0 tensors where the contract has 1"),
        ("a length that lies", part(1, &[tensor(0, Bytes::Inline(&[1]))]), 0, "does not follow"),
        (
            "an end with tensors",
            bare(FrameKind::Answer, 1, &[tensor(0, good)]),
            0,
            "at the end of an answer in parts",
        ),
        ("a gateway's frame", taken(1, 3), 0, "a host sent Taken"),
        ("metadata that is none", garbled(FrameKind::Part), 0, "metadata"),
    ];
    let path = folder("hostile-parts").join("host.sock");
    for (name, bytes, parts, why) in cases {
        let (desk, lines) = (Arc::new(Desk::default()), Lines::default());
        let (links, mut joined) = hosted_with(&path, (&desk, &lines), (None, None), STREAMS).await;
        let call = desk.call_in_parts(2);
        until_frames(&mut joined, FrameKind::Infer, 1).await;
        send(&joined, &bytes);
        until(name, || desk.answered() == 1).await;
        assert_eq!(desk.parts_of(call).len(), parts, "{name}");
        until(name, || lines.have(why)).await;
        assert!(desk.up.lock().is_empty(), "{name}");
        drop(joined);
        links.close().await;
    }
}

/// Of a version that answers once.
#[tokio::test]
async fn a_part_that_nobody_wants_ends_the_link() {
    let path = folder("unwanted-part").join("host.sock");
    let (desk, lines) = (Arc::new(Desk::default()), Lines::default());
    let (_links, mut joined) = hosted(&path, &desk, &lines, None, None).await;
    let call = desk.call(b"abcd".as_slice().into());
    until_frames(&mut joined, FrameKind::Infer, 1).await;
    send(&joined, &part(1, &[tensor(0, Bytes::Inline(&[1; 4]))]));
    until("it is answered", || desk.answered() == 1).await;
    assert_eq!(desk.end(call).unwrap_err().kind, Kind::HostLost);
    until("it is logged", || lines.have("that nobody asked for")).await;
}

/// Credit for a call that has ended crosses its end on the way.
#[tokio::test]
async fn a_host_lets_credit_for_nobody_pass_and_ends_a_link_for_a_part() {
    let path = folder("credit-for-nobody").join("host.sock");
    let (shelf, lines) = (Shelf::streaming(), Lines::default());
    let host = Listener::listen(&tokio::runtime::Handle::current(), &path, shelf.clone(), None, lines.log())
        .unwrap();
    let mut joined = joined(&path).await;
    let inline = tensor(0, Bytes::Inline(&[1, 2, 3, 4]));
    send(&joined, &[taken(9, 1), infer_in_parts(1, 2, &[inline]), taken(1, u32::MAX)].concat());
    until("it is told", || shelf.model.credits.lock().len() == 1).await;
    assert_eq!(shelf.model.credits.lock()[0].1, u32::MAX);
    send(&joined, &part(1, &[inline]));
    to_the_end(&mut joined).await;
    assert!(lines.have("a gateway sent Part"), "{lines:?}");
    drop(host);
}
