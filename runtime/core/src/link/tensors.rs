//! Tensors on their way into frames and out of them: inline, or as a place in shared memory.

use crate::{
    base::{
        call::Tensors,
        contract::TensorSpec,
        datatype::Datatype,
        tensor::{Tensor, byte_len},
        units::Rows,
    },
    mem::{INLINE_BYTES, arena::Arena, peer::PeerArena},
    wire::{
        frame::{Malformed, Place, WireTensor},
        frame_encode::{self, Outgoing},
    },
};
use bytes::Bytes;
use smallvec::SmallVec;

/// Views of our arena that a peer looks at.
pub(super) type Lent = SmallVec<[Bytes; 1]>;

/// Below this even bytes that lie in the arena travel inline: the copy is cheaper than the release.
const WORTH_LENDING: usize = 16 << 10;

/// For each tensor the bytes to lend, or `None` if it travels inline. Large tensors that lie elsewhere are copied into
/// the arena: one copy instead of the socket's two. When it is full they travel inline; nobody waits for memory.
pub(super) fn places(tensors: &Tensors, arena: Option<&Arena>) -> SmallVec<[Option<Bytes>; 2]> {
    let mut inline = 0_usize;
    let place = |tensor: &Tensor| {
        let data = &tensor.data;
        let arena = arena.filter(|_| data.len() >= WORTH_LENDING)?;
        if arena.locate(data).is_some() {
            return Some(data.clone());
        }
        let copy = (inline + data.len() > INLINE_BYTES).then(|| arena.copy(data)).flatten();
        inline += if copy.is_none() { data.len() } else { 0 };
        copy
    };
    tensors.iter().map(place).collect()
}

/// The table of a frame. `places` are those of [`places`], with the same arena.
pub(super) fn outgoing<'a>(
    tensors: &'a Tensors,
    places: &[Option<Bytes>],
    arena: Option<&Arena>,
) -> SmallVec<[Outgoing<'a>; 2]> {
    let one = |(at, (tensor, place)): (usize, (&'a Tensor, &Option<Bytes>))| {
        let located = place.as_ref().zip(arena).and_then(|(lent, arena)| arena.locate(lent));
        let len = || u64::try_from(tensor.byte_len()).unwrap_or(u64::MAX);
        Outgoing {
            index: u16::try_from(at).unwrap_or(u16::MAX),
            datatype: tensor.datatype,
            shape: &tensor.shape,
            bytes: match located {
                Some(at) => frame_encode::Bytes::Arena { offset: at.offset, len: at.len },
                None if tensor.is_on_device() => frame_encode::Bytes::Device { len: len() },
                None => frame_encode::Bytes::Inline(&tensor.data),
            },
        }
    };
    tensors.iter().zip(places).enumerate().map(one).collect()
}

/// Tensors of a frame, in the contract's order. Lengths are held against shapes and places against the peer's
/// memory. `hold` is called for each view of that memory, and what it returns lives as long as the view.
pub(crate) fn incoming<K: Send + Sync + 'static>(
    tensors: SmallVec<[WireTensor; 2]>,
    memory: Option<&PeerArena>,
    mut hold: impl FnMut() -> K,
) -> Result<Tensors, Malformed> {
    // Nobody lends a byte twice, so copies never come to more than the memory; a few entries could name all of it.
    let mut left = memory.map_or(0, PeerArena::bytes);
    let one = |(at, wire): (usize, WireTensor)| {
        let WireTensor { index, datatype, shape, place } = wire;
        if usize::from(index) != at {
            return Err(Malformed::Tensor(at, "out of the contract's order"));
        }
        if let Place::Device { len } = place {
            let tensor = Tensor { datatype, shape, data: Bytes::new() };
            let fits = tensor.is_on_device() && u64::try_from(tensor.byte_len()) == Ok(len);
            return fits
                .then_some(tensor)
                .ok_or(Malformed::Tensor(at, "its length does not follow from its shape"));
        }
        let data = match place {
            Place::Inline(bytes) => Some(bytes),
            // Parsed later: its lengths must not change between the check and the use.
            Place::Arena { offset, len } if datatype == Datatype::Bytes => {
                left = usize::try_from(len)
                    .ok()
                    .and_then(|len| left.checked_sub(len))
                    .ok_or(Malformed::Tensor(at, "more than the memory that was passed"))?;
                memory.and_then(|memory| memory.copy(offset, len))
            }
            Place::Arena { offset, len } => memory.and_then(|memory| memory.view(offset, len, hold())),
            Place::Device { .. } => None,
        };
        let data = data.ok_or(Malformed::Tensor(at, "outside the memory that was passed"))?;
        if datatype != Datatype::Bytes && byte_len(datatype, &shape) != Some(data.len()) {
            return Err(Malformed::Tensor(at, "its length does not follow from its shape"));
        }
        Ok(Tensor { datatype, shape, data })
    };
    tensors.into_iter().enumerate().map(one).collect()
}

/// Whether tensors are those that a contract names, of so many rows.
pub(super) fn fit(tensors: &Tensors, specs: &[TensorSpec], rows: Rows) -> Result<(), Malformed> {
    let fits = |(spec, tensor): (&TensorSpec, &Tensor)| {
        let row = tensor.shape.split_first().filter(|(batch, _)| **batch == i64::from(rows.get()));
        let row = row.map(|(_, row)| row).filter(|row| row.len() == spec.shape.len());
        let same = |row: &[i64]| row.iter().zip(&spec.shape).all(|(size, want)| size == want || *want == -1);
        spec.datatype == tensor.datatype && row.is_some_and(same)
    };
    match specs.iter().zip(tensors).position(|pair| !fits(pair)) {
        None if specs.len() == tensors.len() => Ok(()),
        None => Err(Malformed::conduct(format!(
            "{} tensors where the contract has {}",
            tensors.len(),
            specs.len()
        ))),
        Some(at) => Err(Malformed::Tensor(at, "not as its contract says")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(data: Bytes) -> Tensor {
        let shape = [1, i64::try_from(data.len()).unwrap()].as_slice().into();
        Tensor { datatype: Datatype::Uint8, shape, data }
    }

    /// Lengths in KiB, in the arena (`true`) or on the heap; what is lent, and where from.
    #[test]
    fn a_tensor_travels_the_cheapest_way_there_is() {
        const ELSEWHERE: Option<bool> = None;
        const AS_IT_IS: Option<bool> = Some(true);
        const COPIED: Option<bool> = Some(false);
        type Case<'a> = (&'a str, &'a [(usize, bool)], &'a [Option<bool>]);
        let cases: [Case<'_>; 6] = [
            ("small", &[(1, false), (1, true)], &[ELSEWHERE, ELSEWHERE]),
            ("large, there", &[(100, true)], &[AS_IT_IS]),
            ("large, elsewhere", &[(100, false)], &[COPIED]),
            ("up to the limit", &[(64, false)], &[ELSEWHERE]),
            (
                "together over the limit",
                &[(40, false), (40, false), (20, false)],
                &[ELSEWHERE, COPIED, ELSEWHERE],
            ),
            ("worth lending", &[(16, true), (15, true)], &[AS_IT_IS, ELSEWHERE]),
        ];
        for (name, list, want) in cases {
            let arena = Arena::new(1 << 20).unwrap();
            let bytes = |(kib, inside): &(usize, bool)| {
                let heap = vec![7; kib << 10];
                tensor(if *inside { arena.copy(&heap).unwrap() } else { heap.into() })
            };
            let tensors: Tensors = list.iter().map(bytes).collect();
            let places = places(&tensors, Some(&arena));
            let same = |(place, tensor): (&Option<Bytes>, &Tensor)| {
                place.as_ref().map(|place| place.as_ptr() == tensor.data.as_ptr())
            };
            let got: Vec<_> = places.iter().zip(&tensors).map(same).collect();
            assert_eq!(got, want, "{name}");
            let inline = |tensor: &Outgoing<'_>| matches!(tensor.bytes, frame_encode::Bytes::Inline(_));
            let inline: Vec<_> = outgoing(&tensors, &places, Some(&arena)).iter().map(inline).collect();
            assert_eq!(inline, want.iter().map(Option::is_none).collect::<Vec<_>>(), "{name}");
        }
    }

    #[test]
    fn without_room_and_without_an_arena_all_is_inline() {
        let tensors: Tensors = std::iter::once(tensor(vec![0; 1 << 20].into())).collect();
        assert_eq!(places(&tensors, Some(&Arena::new(4096).unwrap())).as_slice(), [None]);
        assert_eq!(places(&tensors, None).as_slice(), [None]);
    }

    /// The sender may change its memory while lengths are parsed.
    #[test]
    fn bytes_elements_are_copied_out_of_the_peers_memory() {
        use std::os::fd::AsFd;
        let arena = Arena::new(4096).unwrap();
        let memory =
            PeerArena::map(arena.as_fd().try_clone_to_owned().unwrap(), arena.bytes(), None).unwrap();
        let mut lease = arena.lease(8).unwrap();
        lease.as_mut().copy_from_slice(&[4, 0, 0, 0, 1, 2, 3, 4]);
        for (datatype, held) in [(Datatype::Bytes, 0), (Datatype::Uint8, 1)] {
            let place = Place::Arena { offset: 0, len: 8 };
            let wire = WireTensor { index: 0, datatype, shape: [1, 8].as_slice().into(), place };
            let mut holds = 0;
            let tensors = incoming(std::iter::once(wire).collect(), Some(&memory), || holds += 1).unwrap();
            lease.as_mut()[0] = 9;
            let first = if held == 0 { 4 } else { 9 };
            assert_eq!((tensors[0].data[0], holds), (first, held), "{datatype:?}");
            lease.as_mut()[0] = 4;
        }
    }

    /// Of which each is within it: a few entries of 24 bytes could ask for any number of copies.
    #[test]
    fn copies_come_to_no_more_than_the_memory() {
        use std::os::fd::AsFd;
        let arena = Arena::new(4096).unwrap();
        let memory =
            PeerArena::map(arena.as_fd().try_clone_to_owned().unwrap(), arena.bytes(), None).unwrap();
        let wire = |index, len| {
            let place = Place::Arena { offset: 0, len };
            WireTensor { index, datatype: Datatype::Bytes, shape: [1].as_slice().into(), place }
        };
        let read = |lens: [u64; 2]| {
            let list = [wire(0, lens[0]), wire(1, lens[1])].into_iter().collect();
            incoming(list, Some(&memory), || ()).map(|tensors| tensors.len())
        };
        assert_eq!(read([2048, 2048]), Ok(2));
        let more = Malformed::Tensor(1, "more than the memory that was passed");
        assert_eq!(read([2048, 2049]), Err(more));
    }
}
