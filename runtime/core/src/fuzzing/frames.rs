//! The link's stream: frames, what they say, and tensors in memory of the peer.

use super::memory::Most;
use crate::base::{call::Tensors, datatype::Datatype};
use crate::link::tensors::incoming;
use crate::mem::{arena::Arena, peer::PeerArena};
use crate::wire::{
    frame::{Frame, HEAD, Kind, MAX_FRAME, Malformed, Place},
    frame_meta::{self as meta, proto},
    frame_testing::{hear, write},
};
use bytes::Bytes;
use prost::Message;
use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock};

/// A head may claim [`MAX_FRAME`] bytes: of which memory is taken in steps of 4 MiB, and doubled as they come. A
/// tensor's entry of 24 bytes takes 128 in the frame's table, which doubles as it grows, and as much as a tensor.
const STREAM: Most = Most { each: 24, beside: 5 << 20 };
const TENSORS: Most = Most { each: 24, beside: 4096 + MEMORY };
/// An empty entry takes 2 bytes on the wire.
const META: Most = Most { each: 160, beside: 4096 };
/// A limit that many a frame exceeds.
const SHORT: usize = 40;
/// Of the peer.
const MEMORY: usize = 64 << 10;

/// A stream from the peer.
pub fn any_frames(data: &[u8]) {
    let whole = STREAM.hold(data.len(), || hear(MAX_FRAME, std::iter::once(data)));
    for cut in [1, 7, HEAD, HEAD + 1] {
        let pieces = STREAM.hold(data.len(), || hear(MAX_FRAME, data.chunks(cut)));
        assert_eq!(pieces, whole, "in pieces of {cut} bytes");
    }
    let mut again = Vec::new();
    for frame in &whole.frames {
        write(frame, &mut again).unwrap();
    }
    assert!(data.starts_with(&again), "encoding again gives back the bytes that were read");
    if whole.malformed.is_none() {
        assert_eq!(whole.is_whole, again.len() == data.len(), "what is left is the beginning of a frame");
    }
    for frame in hear(SHORT, std::iter::once(data)).frames {
        let mut again = Vec::new();
        write(&frame, &mut again).unwrap();
        assert!(again.len() <= HEAD + SHORT, "a frame of {} bytes, where {SHORT} may be", again.len());
    }
    let messages = whole.malformed.iter().map(Malformed::to_string);
    assert!(messages.into_iter().all(|message| !message.is_empty()));
    for frame in whole.frames {
        says(&frame);
        lends(frame);
    }
}

/// What the metadata says comes back from what it was read as.
fn says(frame: &Frame) {
    let meta = &frame.meta;
    META.hold(meta.len(), || match frame.head.kind {
        Kind::Hello => comes_back::<proto::Hello, _>(
            meta,
            |hello| {
                let carried = hello.carried.into_iter().filter_map(|carried| carried.contract);
                carried.map(meta::contract_in).collect::<Result<Vec<_>, _>>()
            },
            |contracts| {
                let carried = |contract| proto::Carried { contract: Some(contract), window_rows: 0 };
                let carried = contracts.iter().map(meta::contract_out).map(carried).collect();
                proto::Hello { carried, ..proto::Hello::default() }
            },
        ),
        Kind::Infer => comes_back::<proto::Infer, _>(
            meta,
            |infer| meta::parameters_in(infer.parameters),
            |read| proto::Infer { parameters: meta::parameters_out(read), ..proto::Infer::default() },
        ),
        Kind::Answer => comes_back::<proto::Answer, _>(
            meta,
            |answer| Ok((meta::parameters_in(answer.parameters)?, meta::timing_in(answer.timing))),
            |(read, timing)| proto::Answer {
                parameters: meta::parameters_out(read),
                timing: meta::timing_out(timing),
            },
        ),
        Kind::Fail => comes_back::<proto::Failure, _>(meta, meta::failure_in, |(fault, timing)| {
            meta::failure_out(fault, timing)
        }),
        Kind::Credit => comes_back::<proto::Credit, _>(meta, Ok, proto::Credit::clone),
        Kind::Release => comes_back::<proto::Released, _>(meta, Ok, proto::Released::clone),
        Kind::Part => comes_back::<proto::Part, _>(
            meta,
            |part| meta::parameters_in(part.parameters),
            |read| proto::Part { parameters: meta::parameters_out(read) },
        ),
        Kind::Taken => comes_back::<proto::Taken, _>(meta, Ok, proto::Taken::clone),
        Kind::Unmap | Kind::Unmapped => comes_back::<proto::Region, _>(meta, Ok, proto::Region::clone),
        Kind::Stats => comes_back::<proto::Executed, _>(meta, Ok, proto::Executed::clone),
        Kind::Cancel | Kind::Drain | Kind::NotHere | Kind::Ping | Kind::Pong => {}
    });
}

/// Compared as bytes, for no NaN equals another.
fn comes_back<M: Message + Default, T>(
    meta: &Bytes,
    into: impl Fn(M) -> Result<T, Malformed>,
    out: impl Fn(&T) -> M,
) {
    let Ok(read) = meta::decode::<M>(meta).and_then(&into) else { return };
    let once = out(&read).encode_to_vec();
    let again = out(&into(M::decode(once.as_slice()).unwrap()).unwrap()).encode_to_vec();
    assert_eq!(once, again);
}

fn peer() -> &'static (PeerArena, Bytes) {
    static PEER: OnceLock<(PeerArena, Bytes)> = OnceLock::new();
    PEER.get_or_init(|| {
        let arena = Arena::new(MEMORY).unwrap();
        let memory =
            PeerArena::map(arena.as_fd().try_clone_to_owned().unwrap(), arena.bytes(), None).unwrap();
        // Lengths of BYTES elements, some of which lie within it.
        let filled: Vec<u8> =
            (0..MEMORY).map(|at| if at % 4 == 0 { at.to_le_bytes()[1] } else { 0 }).collect();
        (memory, arena.copy(&filled).unwrap())
    })
}

/// Tensors are as long as their shapes say, lie where the frame says, and hold the peer's memory no longer than
/// they live.
fn lends(frame: Frame) {
    let (memory, filled) = peer();
    let hold = Arc::new(());
    let (places, len) = (frame.tensors.clone(), frame.tensors.len() * 24);
    let tensors: Result<Tensors, _> =
        TENSORS.hold(len, || incoming(frame.tensors, Some(memory), || Arc::clone(&hold)));
    match tensors {
        Err(malformed) => assert!(!malformed.to_string().is_empty()),
        Ok(tensors) => {
            assert_eq!(tensors.len(), places.len());
            for (tensor, wire) in tensors.iter().zip(&places) {
                if let Some(size) = tensor.datatype.size() {
                    let count: i128 = tensor.shape.iter().map(|size| i128::from(*size)).product();
                    assert_eq!(count * size as i128, tensor.byte_len() as i128, "{tensor:?}");
                }
                match &wire.place {
                    Place::Inline(bytes) => assert_eq!(bytes, &tensor.data),
                    Place::Arena { offset, len } => {
                        let start = usize::try_from(*offset).unwrap();
                        assert_eq!(tensor.data, filled[start..start + usize::try_from(*len).unwrap()]);
                    }
                    Place::Device { len } => {
                        assert!(tensor.is_on_device() && tensor.byte_len() as u64 == *len, "{tensor:?}");
                    }
                }
            }
            let viewed = |(tensor, place): (Datatype, &Place)| {
                tensor != Datatype::Bytes && matches!(place, Place::Arena { .. })
            };
            let views = places.iter().filter(|wire| viewed((wire.datatype, &wire.place))).count();
            assert_eq!(Arc::strong_count(&hold), 1 + views);
        }
    }
    assert_eq!(Arc::strong_count(&hold), 1);
}
