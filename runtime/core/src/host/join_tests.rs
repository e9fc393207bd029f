//! Rows of different sizes in one batch: what the model sees, and what each caller gets back.

use super::super::{Conduct, Gathered, Intake, Output, desk::Desk, desk::contract};
use super::*;
use crate::base::{
    call::{Call, Carrier},
    contract::{Batching, Contract, Join, Pad, TensorSpec},
    datatype::Datatype,
    tensor::{Shape, Tensor, elements},
};
use crate::mem::arena::Arena;
use proptest::prelude::*;
use smallvec::smallvec;

const FILL: u16 = 0x0507;

/// `x` is padded, `r` is ragged, and an echo gives them back as `y` and `z`.
fn echoing(pad: Pad, lanes: u32, allowed_rows: Vec<u32>) -> Contract {
    let input = |name: &str, shape: &[i64], join| TensorSpec {
        join,
        ..TensorSpec::new(name, Datatype::Uint16, shape)
    };
    let output = |name: &str, shape: &[i64], like: &str| TensorSpec {
        like: Some(like.into()),
        ..TensorSpec::new(name, Datatype::Uint16, shape)
    };
    let plain = contract(8, lanes);
    let max_delay_ms = 0.3;
    Contract {
        inputs: vec![input("x", &[-1, 2, -1], Join::Pad(pad)), input("r", &[-1, 3], Join::Ragged)],
        outputs: vec![output("y", &[-1, 2, -1], "x"), output("z", &[-1, 3], "r")],
        batching: Batching { allowed_rows, max_delay_ms, ..plain.batching.clone() },
        ..plain
    }
}

/// Values from `first` on, none of which is the fill's.
fn tensor(shape: Shape, first: u16) -> Tensor {
    let values =
        (0..elements(&shape).unwrap()).map(|at| (first.wrapping_add(u16::try_from(at).unwrap())) | 0x8000);
    let data: Vec<u8> = values.flat_map(u16::to_le_bytes).collect();
    Tensor { datatype: Datatype::Uint16, shape, data: data.into() }
}

fn ask(desk: &Arc<Desk>, id: u64, (rows, long, wide, run): (i64, i64, i64, i64)) -> Call {
    let call = desk.call(id, &vec![0.0; usize::try_from(rows).unwrap()]);
    let first = u16::try_from(id * 1000 % 0x7fff).unwrap();
    let inputs =
        smallvec![tensor(smallvec![rows, long, 2, wide], first), tensor(smallvec![rows, run, 3], first)];
    Call { inputs, ..call }
}

/// What is wrong with what the model saw, or returned.
fn echo(batch: Batch) -> Result<(), String> {
    let inputs = batch.inputs().clone();
    let output = |input: &'_ Gathered| match input {
        Gathered::Fixed { datatype, shape, data } => (*datatype, shape.clone(), data.clone()),
        Gathered::Elements { .. } | Gathered::OnDevice { .. } => panic!("no BYTES here"),
    };
    let outputs: Vec<_> = inputs.iter().map(output).collect();
    check_padding(&batch, &outputs[0].2)?;
    let lent = outputs
        .iter()
        .map(|(datatype, shape, data)| Output::Fixed { datatype: *datatype, shape: shape.clone(), data })
        .collect();
    batch.complete(clock::now(), Ok(lent)).map_or(Ok(()), Err)
}

/// All that no caller sent is the fill, in as many rows as the sizes say.
fn check_padding(batch: &Batch, data: &[u8]) -> Result<(), String> {
    let extent = &batch.extents()[0];
    let ((sizes, _), whole) = (extent.sizes(), &extent.whole);
    let mut values = data.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    for row in sizes.chunks_exact(2) {
        for long in 0..whole[1] {
            for _ in 0..whole[2] {
                for wide in 0..whole[3] {
                    let is_sent = long < row[0] && wide < row[1];
                    let value = values.next().unwrap();
                    if (value == FILL) == is_sent {
                        return Err(format!("{value:#x} at {long}, {wide} of {row:?}"));
                    }
                }
            }
        }
    }
    values.next().map_or(Ok(()), |value| Err(format!("{value:#x} beyond the last row")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn each_caller_gets_back_what_it_sent(
        sent in proptest::collection::vec((1_i64..4, 0_i64..7, 0_i64..7, 0_i64..5), 1..24),
        multiple_of in 0_u32..5,
        buckets in any::<bool>(),
        lanes in 1_u32..4,
        allowed in any::<bool>(),
    ) {
        let sizes = if buckets { vec![2, 4, 6] } else { Vec::new() };
        let pad = Pad { fill: FILL.into(), multiple_of, sizes };
        let contract = echoing(pad, lanes, if allowed { vec![3, 8] } else { Vec::new() });
        let arena = Some(Arena::new(1 << 16).unwrap());
        let intake = Arc::new(Intake::new(Arc::new(contract), Conduct::default(), arena, None));
        let (desk, wrong) = (Arc::<Desk>::default(), parking_lot::Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..lanes {
                // A lane that panics would leave the rest unanswered.
                scope.spawn(|| while let Some(batch) = intake.next_batch() {
                    wrong.lock().extend(echo(batch).err());
                });
            }
            for (id, shape) in sent.iter().enumerate() {
                intake.send(ask(&desk, u64::try_from(id).unwrap(), *shape));
            }
            desk.wait_for(sent.len());
            intake.close();
        });
        prop_assert_eq!(wrong.into_inner(), Vec::<String>::new());
        for (id, shape) in sent.iter().enumerate() {
            let id = u64::try_from(id).unwrap();
            let got = desk.outcomes.lock()[&id].result.as_ref().unwrap().outputs.clone();
            prop_assert_eq!(got, ask(&Arc::default(), id, *shape).inputs, "call {}", id);
        }
    }
}

fn intake(contract: Contract) -> Arc<Intake> {
    Arc::new(Intake::new(Arc::new(contract), Conduct::default(), None, None))
}

#[test]
fn a_buffer_that_is_used_again_shows_nothing_of_who_used_it_before() {
    let desk = Arc::<Desk>::default();
    let intake = intake(echoing(Pad { fill: FILL.into(), ..Pad::default() }, 1, Vec::new()));
    let mut places = Vec::new();
    for (id, sizes) in [(0, (6, 6)), (2, (1, 6)), (4, (6, 1))] {
        intake.send(ask(&desk, id, (1, 6, sizes.0, 1)));
        intake.send(ask(&desk, id + 1, (1, sizes.1, 6, 1)));
        let batch = intake.next_batch().unwrap();
        let Gathered::Fixed { data, .. } = &batch.inputs()[0] else { panic!("fixed") };
        places.push(data.as_ptr());
        check_padding(&batch, data).unwrap();
        drop(batch);
    }
    assert!(places.windows(2).any(|pair| pair[0] == pair[1]), "no buffer was used again");
}

#[test]
fn alone_and_of_an_allowed_size_nothing_is_copied() {
    let desk = Arc::<Desk>::default();
    let intake = intake(echoing(Pad { multiple_of: 2, ..Pad::default() }, 1, vec![4, 8]));
    for (rows, is_copied) in [(4, false), (3, true)] {
        let call = ask(&desk, 1, (rows, 2, 4, 3));
        let sent: Vec<_> = call.inputs.iter().map(|input| input.data.as_ptr()).collect();
        intake.send(call);
        let batch = intake.next_batch().unwrap();
        let places = batch.inputs().iter().map(|input| match input {
            Gathered::Fixed { data, .. } => data.as_ptr(),
            Gathered::Elements { .. } | Gathered::OnDevice { .. } => panic!("fixed"),
        });
        let copied: Vec<bool> = places.zip(sent).map(|(place, sent)| place != sent).collect();
        assert_eq!(
            copied,
            [is_copied, false],
            "rows that are nobody's are copies, and empty where it is ragged"
        );
        drop(batch);
        desk.outcomes.lock().clear();
    }
}

/// More than goes inline: cut straight into the memory that gateways map, or into the heap where it is full.
#[test]
fn large_outputs_are_cut_into_the_arena() {
    let desk = Arc::<Desk>::default();
    let arena = Arena::new(80 << 10).unwrap();
    // What was there before must not be seen.
    let mut before = arena.lease(80 << 10).unwrap();
    before.as_mut().fill(0xee);
    drop(before);
    let contract = echoing(Pad { fill: FILL.into(), ..Pad::default() }, 1, Vec::new());
    let intake = Arc::new(Intake::new(Arc::new(contract), Conduct::default(), Some(arena.clone()), None));
    let shapes = [(1, 100, 90, 9000), (2, 90, 100, 2)];
    for (id, shape) in (0..).zip(shapes) {
        intake.send(ask(&desk, id, shape));
    }
    echo(intake.next_batch().unwrap()).unwrap();
    let mut located = 0;
    for (id, shape) in (0..).zip(shapes) {
        let got = desk.outcomes.lock()[&id].result.as_ref().unwrap().outputs.clone();
        located += got.iter().filter(|tensor| arena.locate(&tensor.data).is_some()).count();
        assert!(got == ask(&Arc::default(), id, shape).inputs, "call {id}");
    }
    assert_eq!(located, 1, "36 kB, 72 kB, 54 kB and 24 bytes");
}

#[test]
fn the_parts_of_a_batch_that_failed_are_joined_anew() {
    let desk = Arc::<Desk>::default();
    let pad = Pad { fill: FILL.into(), ..Pad::default() };
    let intake = intake(Contract { repeatable: true, ..echoing(pad, 1, Vec::new()) });
    let shapes = [(1, 2, 3, 2), (2, 4, 1, 3), (1, 1, 1, 0), (1, 5, 2, 1)];
    for (id, shape) in (0..).zip(shapes) {
        intake.send(ask(&desk, id, shape));
    }
    intake.next_batch().unwrap().fail(clock::now(), "boom".into());
    while desk.outcomes.lock().len() < shapes.len() {
        echo(intake.next_batch().unwrap()).unwrap();
    }
    for (id, shape) in (0..).zip(shapes) {
        let got = desk.outcomes.lock()[&id].result.as_ref().unwrap().outputs.clone();
        assert_eq!(got, ask(&Arc::default(), id, shape).inputs, "call {id}");
    }
}

#[test]
fn an_output_that_is_not_like_its_input_is_told() {
    let desk = Arc::<Desk>::default();
    let intake = intake(echoing(Pad::default(), 1, Vec::new()));
    intake.send(ask(&desk, 1, (1, 2, 3, 2)));
    intake.send(ask(&desk, 2, (1, 4, 1, 3)));
    let batch = intake.next_batch().unwrap();
    let zeros = [0; 96];
    let output = |shape: &[i64], len| Output::Fixed {
        datatype: Datatype::Uint16,
        shape: shape.into(),
        data: &zeros[..len],
    };
    let told = batch.complete(clock::now(), Ok(vec![output(&[2, 4, 2, 3], 96), output(&[2, 3, 3], 36)]));
    let told = told.unwrap();
    assert!(told.contains("output 'z' as UINT16[5,3]") && told.contains("UINT16[2,3,3]"), "{told}");
    assert_eq!((desk.note(1), desk.kind(2)), (told, Some(Kind::ModelFailed)));
}

#[test]
fn what_is_longer_than_every_size_is_refused_before_it_waits() {
    let desk = Arc::<Desk>::default();
    let intake = intake(echoing(Pad { sizes: vec![2, 4], ..Pad::default() }, 1, Vec::new()));
    intake.send(ask(&desk, 1, (1, 5, 1, 1)));
    assert_eq!((desk.kind(1), intake.occupancy().0), (Some(Kind::Invalid), Rows::ZERO));
    assert!(desk.note(1).contains("at most 4 (batching.join)"), "{}", desk.note(1));
}
