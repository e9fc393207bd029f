//! Peers that point outside their memory, give back what was not lent, or write what they lent.

use super::{
    handshake::join,
    host::Listener,
    testing::{
        ARENA, Desk, Lines, Shelf, folder,
        frames::{Wire, answer_with, infer, infer_with, release, released, tensor},
        played::{hosted, joined, send, to_the_end, until_frames},
        until,
    },
};
use crate::{
    base::{datatype::Datatype, fault::Kind as FaultKind},
    mem::arena::Arena,
    wire::{
        frame::Kind,
        frame_encode::{Bytes, Outgoing},
    },
};
use std::sync::Arc;
use tokio::net::UnixStream;
use tokio::runtime::Handle;

const END: u64 = ARENA as u64;
const OUTSIDE: &str = "outside the memory that was passed";
const NOT_LENT: &str = "which has no memory lent";

/// A place, the tensor's size, and whether it lies within the memory.
const PLACES: [(u64, u64, bool); 9] = [
    (END - 4, 4, true),
    (0, 4, true),
    (END, 0, true),
    (END - 3, 4, false),
    (END, 4, false),
    (END + 1, 0, false),
    (u64::MAX, 4, false),
    (u64::MAX - 3, 4, false),
    (4, u64::MAX, false),
];

fn shape(len: u64) -> [i64; 2] {
    [1, i64::try_from(len).unwrap_or(4)]
}

#[tokio::test]
async fn a_gateway_points_into_its_memory_or_loses_its_link() {
    let path = folder("place-gateway").join("host.sock");
    let shelf = Shelf::new(false);
    let lines = Lines::default();
    let host = Listener::listen(&Handle::current(), &path, shelf.clone(), None, lines.log()).unwrap();
    for (offset, len, inside) in PLACES {
        let mut link = joined(&path).await;
        let before = lines.count(OUTSIDE);
        let (place, shape) = (Bytes::Arena { offset, len }, shape(len));
        let first = Outgoing { index: 0, datatype: Datatype::Uint8, shape: &shape, bytes: place };
        // Twice the same place: whoever reads it twice does no harm, and releases it once.
        send(&link, &infer(1, &[first, Outgoing { index: 1, ..first }]));
        if inside {
            until("the host has it", || shelf.model.holds() == 1).await;
            shelf.model.answer_all();
            until_frames(&mut link, Kind::Release, 1).await;
            send(&link, &infer(2, &[tensor(0, Bytes::Inline(&[1; 4]))]));
            until("it goes on", || shelf.model.holds() == 1).await;
            shelf.model.answer_all();
            until_frames(&mut link, Kind::Answer, 1).await;
        } else {
            to_the_end(&mut link).await;
        }
        assert_eq!(lines.count(OUTSIDE) > before, !inside, "{offset} + {len}: {lines:?}");
        drop(link);
        until("the link is gone", || host.gateways() == 0).await;
    }
}

#[tokio::test]
async fn a_host_points_into_its_memory_or_loses_its_link() {
    let path = folder("place-host").join("host.sock");
    for (offset, len, inside) in PLACES {
        let (desk, lines) = (Arc::<Desk>::default(), Lines::default());
        let (sends, answers) = (Arena::new(ARENA).unwrap(), Arena::new(ARENA).unwrap());
        let (_links, mut link) = hosted(&path, &desk, &lines, Some(sends.clone()), Some(&answers)).await;
        let call = desk.call(sends.copy(&[1; 100_000]).unwrap());
        until_frames(&mut link, Kind::Infer, 1).await;
        send(&link, &answer_with(1, &shape(len), Bytes::Arena { offset, len }));
        until("it is answered", || desk.answered() == 1).await;
        let end = desk.end(call);
        if inside {
            assert_eq!(u64::try_from(end.unwrap().len()), Ok(len));
            until_frames(&mut link, Kind::Release, 1).await;
            assert!(sends.free_bytes() < ARENA, "its input is looked at");
        } else {
            assert_eq!(end.unwrap_err().kind, FaultKind::HostLost);
            until("it says why", || lines.have(OUTSIDE)).await;
            assert!(desk.up.lock().is_empty());
            assert!(sends.free_bytes() < ARENA, "the host may look at what it was sent");
            drop(link);
            until("the host has nothing of ours", || sends.free_bytes() == ARENA).await;
        }
    }
}

/// Large enough to be answered from memory.
fn large(call: u64) -> Wire {
    infer_with(call, &[1, 100_000], Bytes::Inline(&[3; 100_000]))
}

#[tokio::test]
async fn a_gateway_gives_back_what_was_lent_and_once() {
    let path = folder("release-gateway").join("host.sock");
    let (shelf, answers) = (Shelf::new(false), Arena::new(ARENA).unwrap());
    let small = || infer(1, &[tensor(0, Bytes::Inline(&[1; 4]))]);
    let cases: [(&str, Wire, bool, Wire); 5] = [
        ("before it is lent", large(1), false, release(&[1])),
        ("another", large(1), true, release(&[2])),
        ("twice", large(1), true, [release(&[1]), release(&[1])].concat()),
        ("twice in one", large(1), true, release(&[1, 1])),
        ("what came inline", small(), true, release(&[1])),
    ];
    let (on, lines) = (Handle::current(), Lines::default());
    let host = Listener::listen(&on, &path, shelf.clone(), Some(answers.clone()), lines.log()).unwrap();
    for (name, call, answered, releases) in cases {
        let before = lines.count(NOT_LENT);
        let (mut well, mut link) = (joined(&path).await, joined(&path).await);
        send(&link, &call);
        until(name, || shelf.model.holds() == 1).await;
        if answered {
            shelf.model.answer_all();
            until_frames(&mut link, Kind::Answer, 1).await;
        }
        send(&link, &releases);
        to_the_end(&mut link).await;
        assert!(lines.count(NOT_LENT) > before, "{name}: {lines:?}");
        drop(link);
        until(name, || host.gateways() == 1 && answers.free_bytes() == ARENA).await;
        shelf.model.held.lock().clear();
        send(&well, &large(1));
        until(name, || shelf.model.holds() == 1).await;
        shelf.model.answer_all();
        until_frames(&mut well, Kind::Answer, 1).await;
        send(&well, &release(&[1]));
        until(name, || answers.free_bytes() == ARENA).await;
        drop(well);
        until(name, || host.gateways() == 0).await;
    }
}

#[tokio::test]
async fn a_host_gives_back_what_was_lent_and_once() {
    let path = folder("release-host").join("host.sock");
    let answer = || answer_with(1, &[1, 4], Bytes::Inline(&[5; 4]));
    let cases: [(&str, Wire); 4] = [
        ("before the answer", release(&[1])),
        ("twice", [answer(), release(&[1]), release(&[1])].concat()),
        ("twice in one", [answer(), release(&[1, 1])].concat()),
        ("with the answer and after it", [released(answer()), release(&[1])].concat()),
    ];
    for (name, frames) in cases {
        let (desk, lines) = (Arc::<Desk>::default(), Lines::default());
        let sends = Arena::new(ARENA).unwrap();
        let (_links, mut link) = hosted(&path, &desk, &lines, Some(sends.clone()), None).await;
        desk.call(sends.copy(&[1; 100_000]).unwrap());
        until_frames(&mut link, Kind::Infer, 1).await;
        send(&link, &frames);
        until(name, || lines.have(NOT_LENT)).await;
        assert!(desk.answered() == 1 && desk.up.lock().is_empty(), "{name}");
        drop(link);
        until("the host has nothing of ours", || sends.free_bytes() == ARENA).await;
    }
}

/// It spoils its own numbers, and no structure.
#[tokio::test]
async fn what_a_gateway_writes_while_it_is_looked_at_harms_nobody_else() {
    let path = folder("writes").join("host.sock");
    let shelf = Shelf::new(false);
    let _host =
        Listener::listen(&Handle::current(), &path, shelf.clone(), None, super::testing::quiet()).unwrap();
    let arena = Arena::new(ARENA).unwrap();
    let socket = UnixStream::connect(&path).await.unwrap();
    let mut link = join(socket, Some(&arena)).await.unwrap();
    for (call, (datatype, changes)) in (1..).zip([(Datatype::Uint8, true), (Datatype::Bytes, false)]) {
        let mut lease = arena.lease(4).unwrap();
        lease.as_mut().fill(1);
        let at = arena.locate(lease.as_ref()).unwrap();
        let bytes = Bytes::Arena { offset: at.offset, len: at.len };
        send(&link, &infer(call, &[Outgoing { index: 0, datatype, shape: &[1, 4], bytes }]));
        until("the host has it", || shelf.model.holds() == 1).await;
        lease.as_mut().fill(2);
        let seen = shelf.model.held.lock()[0].inputs[0].data.clone();
        assert_eq!(seen, [if changes { 2 } else { 1 }; 4].as_slice(), "{datatype:?}");
        drop(seen);
        shelf.model.answer_all();
        until_frames(&mut link, Kind::Answer, 1).await;
    }
}
