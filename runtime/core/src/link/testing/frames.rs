//! Frames as a test writes them, good or bad.

use crate::{
    base::{
        call::{Execution, Sealed},
        datatype::Datatype,
        fault::Fault,
    },
    wire::{
        frame::{Head, Kind, RELEASED},
        frame_encode::{Bytes, Outgoing, encode},
        frame_meta::{self, PROTOCOL, proto},
    },
};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};

pub(in crate::link) type Wire = Vec<u8>;

/// Sends bytes with descriptors; all of both go, or the test fails.
pub(in crate::link) fn pass(socket: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        assert!(control.push(SendAncillaryMessage::ScmRights(descriptors)));
    }
    let sent = rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL);
    assert_eq!(sent, Ok(bytes.len()));
}

fn frame(head: Head, meta: impl FnOnce(&mut Wire), tensors: &[Outgoing<'_>]) -> Wire {
    let mut out = Wire::new();
    encode(&mut out, &head, meta, tensors).unwrap();
    out
}

/// Without metadata.
pub(in crate::link) fn bare(kind: Kind, call: u64, tensors: &[Outgoing<'_>]) -> Wire {
    frame(Head::new(kind, call), |_| {}, tensors)
}

/// With metadata that is none.
pub(in crate::link) fn garbled(kind: Kind) -> Wire {
    frame(Head::new(kind, 1), |out| out.extend_from_slice(&[0xff; 3]), &[])
}

pub(in crate::link) fn hello(arena_bytes: u64, versions: &[u64]) -> Wire {
    let carried = |version: &u64| proto::Carried {
        contract: Some(frame_meta::contract_out(&super::contract(*version))),
        window_rows: 64,
    };
    let carried = versions.iter().map(carried).collect();
    let hello = proto::Hello { protocol: PROTOCOL, oldest_protocol: PROTOCOL, arena_bytes, carried };
    frame(Head::new(Kind::Hello, 0), |out| frame_meta::append(out, &hello), &[])
}

/// Four bytes of one row.
pub(in crate::link) fn tensor(index: u16, bytes: Bytes<'_>) -> Outgoing<'_> {
    Outgoing { index, datatype: Datatype::Uint8, shape: &[1, 4], bytes }
}

pub(in crate::link) fn infer(call: u64, tensors: &[Outgoing<'_>]) -> Wire {
    infer_rows(call, 1, tensors)
}

pub(in crate::link) fn infer_with(call: u64, shape: &[i64], bytes: Bytes<'_>) -> Wire {
    infer(call, &[Outgoing { index: 0, datatype: Datatype::Uint8, shape, bytes }])
}

pub(in crate::link) fn infer_rows(call: u64, rows: u32, tensors: &[Outgoing<'_>]) -> Wire {
    let infer = proto::Infer { model: "echo".to_owned(), version: 1, rows, ..proto::Infer::default() };
    frame(Head::new(Kind::Infer, call), |out| frame_meta::append(out, &infer), tensors)
}

/// Of the version that answers in parts.
pub(in crate::link) fn infer_in_parts(call: u64, credit: u32, tensors: &[Outgoing<'_>]) -> Wire {
    let (model, version) = ("echo".to_owned(), super::STREAMS);
    let infer = proto::Infer { model, version, rows: 1, credit, ..proto::Infer::default() };
    frame(Head::new(Kind::Infer, call), |out| frame_meta::append(out, &infer), tensors)
}

pub(in crate::link) fn taken(call: u64, parts: u32) -> Wire {
    frame(Head::new(Kind::Taken, call), |out| frame_meta::append(out, &proto::Taken { parts }), &[])
}

pub(in crate::link) fn answer(call: u64, index: u16, shape: &[i64], bytes: &[u8]) -> Wire {
    let tensor = Outgoing { index, datatype: Datatype::Uint8, shape, bytes: Bytes::Inline(bytes) };
    bare(Kind::Answer, call, &[tensor])
}

pub(in crate::link) fn answer_with(call: u64, shape: &[i64], bytes: Bytes<'_>) -> Wire {
    bare(Kind::Answer, call, &[Outgoing { index: 0, datatype: Datatype::Uint8, shape, bytes }])
}

/// The same answer, saying that the inputs are looked at no more.
pub(in crate::link) fn released(mut answer: Wire) -> Wire {
    answer[5] |= RELEASED;
    answer
}

pub(in crate::link) fn failure(kind: u32) -> Wire {
    let failure = frame_meta::failure_out(&Fault::invalid("no"), &Default::default());
    let failure = proto::Failure { kind, ..failure };
    frame(Head::new(Kind::Fail, 1), |out| frame_meta::append(out, &failure), &[])
}

pub(in crate::link) fn release(calls: &[u64]) -> Wire {
    let released = proto::Released { calls: calls.to_vec() };
    frame(Head::new(Kind::Release, 0), |out| frame_meta::append(out, &released), &[])
}

pub(in crate::link) fn credit(model: &str, version: u64, rows: u32) -> Wire {
    let credit = proto::Credit { model: model.to_owned(), version, rows, batching: None };
    frame(Head::new(Kind::Credit, 0), |out| frame_meta::append(out, &credit), &[])
}

pub(in crate::link) fn executed(version: u64, rows: u32, infer_ns: u64) -> Wire {
    let execution = Execution {
        rows,
        padding: 0,
        padding_bytes: 0,
        between_ns: 0,
        cost: 0,
        sealed: Sealed::Free,
        input_ns: 1,
        infer_ns,
        output_ns: 1,
        failed: false,
    };
    let contract = super::contract(version);
    frame(Head::new(Kind::Stats, 0), |out| frame_meta::append_executed(out, &contract, &execution), &[])
}
