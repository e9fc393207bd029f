use super::*;
use crate::base::{
    call::{Outcome, Outlet, Produced, Reply},
    contract::Batching,
    units::{CallId, Rows, Tick, Version},
};
use bytes::Bytes;
use proptest::prelude::*;
use std::sync::Arc;

pub(in crate::decide) fn padded_to(multiple_of: u32, sizes: &[u32]) -> Join {
    Join::Pad(Pad { fill: 0, multiple_of, sizes: sizes.into() })
}

fn input(join: Join, shape: &[i64]) -> TensorSpec {
    TensorSpec { join, ..TensorSpec::new("x", Datatype::Uint8, shape) }
}

pub(in crate::decide) fn contract(
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
    max_rows: u32,
) -> Contract {
    Contract {
        model: "m".into(),
        version: Version(1),
        platform: "python".into(),
        inputs,
        outputs,
        batching: Batching { max_rows, ..Batching::default() },
        repeatable: false,
        lanes: 1,
        streams: false,
        unbatched: false,
        sequences: None,
        feedback: None,
    }
}

#[derive(Debug)]
struct Nobody;

impl Outlet for Nobody {
    fn emit(&self, _: CallId, _: Produced) {}
    fn settle(&self, _: CallId, _: Outcome) {}
    fn executed(&self, _: &Contract, _: crate::base::call::Execution) {}
    fn flush(&self) {}
}

/// Only shapes are looked at.
pub(in crate::decide) fn call(shapes: &[&[i64]]) -> Call {
    let tensor =
        |shape: &&[i64]| Tensor { datatype: Datatype::Uint8, shape: (*shape).into(), data: Bytes::new() };
    Call {
        id: CallId(1),
        inputs: shapes.iter().map(tensor).collect(),
        rows: Rows::new(u32::try_from(shapes[0][0]).unwrap()),
        parameters: Vec::new(),
        arrived: Tick::default(),
        deadline: Tick::NEVER,
        level: 1,
        attempt: 0,
        credit: 0,
        slot: None,
        on_device: None,
        callers: None,
        reply: Reply::new(CallId(1), Arc::new(Nobody)),
    }
}

/// A join, a declared shape, two that were sent, and whether they share a batch.
type Pair<'a> = (Join, &'a [i64], &'a [i64], &'a [i64], bool);

#[test]
fn who_shares_a_batch() {
    // With 1024 rows, padding may take a megabyte of a row: 1024 by 1024.
    let cases: [Pair<'_>; 15] = [
        (Join::Stack, &[-1], &[1, 3], &[2, 3], true),
        (Join::Stack, &[-1], &[1, 3], &[1, 4], false),
        (Join::Ragged, &[-1, 2], &[1, 3, 2], &[4, 9, 2], true),
        (padded_to(0, &[]), &[-1], &[1, 3], &[1, 4], true),
        (padded_to(8, &[]), &[-1], &[1, 0], &[1, 900], true),
        (padded_to(0, &[]), &[-1, -1], &[1, 1, 1024], &[1, 1024, 1], true),
        (padded_to(0, &[]), &[-1, -1], &[1, 1, 1025], &[1, 1024, 1], false),
        (padded_to(0, &[]), &[-1, -1], &[1, 1, 1025], &[1, 1, 1025], true),
        (padded_to(1000, &[]), &[-1, -1], &[1, 1, 1001], &[1, 1, 1], false),
        (padded_to(0, &[]), &[-1], &[1, i64::MAX], &[1, 1], false),
        (padded_to(0, &[4, 8]), &[-1], &[1, 1], &[1, 4], true),
        (padded_to(0, &[4, 8]), &[-1], &[1, 4], &[1, 5], false),
        (padded_to(0, &[4, 8]), &[-1, 3, -1], &[1, 4, 3, 5], &[1, 1, 3, 8], true),
        (padded_to(0, &[4, 8]), &[-1, 3, -1], &[1, 4, 3, 5], &[1, 5, 3, 4], false),
        (padded_to(0, &[4]), &[-1, 9], &[1, 4, 9], &[2, 3, 9], true),
    ];
    for (join, spec, one, other, want) in cases {
        let sharing = Sharing::new(&[input(join.clone(), spec)], 1024);
        let may = |one, other| sharing.may_share(&call(&[one]).inputs, &call(&[other]).inputs);
        assert_eq!((may(one, other), may(other, one)), (want, want), "{join:?} {one:?} {other:?}");
    }
}

#[test]
fn a_lower_limit_lets_longer_rows_share() {
    let mut sharing = Sharing::new(&[input(padded_to(0, &[]), &[-1])], 1024);
    let (short, long) = (call(&[&[1, 1]]), call(&[&[1, 2 << 20]]));
    assert!(!sharing.may_share(&short.inputs, &long.inputs));
    sharing.limit(512);
    assert!(sharing.may_share(&short.inputs, &long.inputs));
}

#[test]
fn who_cannot_be_padded_is_refused() {
    let cases: [(Join, &[i64], &[i64], &str); 7] = [
        (padded_to(0, &[4, 8]), &[-1], &[1, 8], ""),
        (
            padded_to(0, &[4, 8]),
            &[-1],
            &[1, 9],
            "has rows of [9], but the sizes of its free axes are at most 8",
        ),
        (padded_to(8, &[]), &[-1], &[1, i64::MAX], "are at most"),
        (padded_to(4096, &[]), &[-1, -1], &[64, 1, 1], ""),
        (padded_to(4096, &[]), &[-1, -1], &[65, 1, 1], "would be padded to [65, 4096, 4096]"),
        (padded_to(0, &[]), &[-1, -1], &[1, i64::MAX, 0], ""),
        (Join::Ragged, &[-1], &[1, 1 << 40], ""),
    ];
    for (join, spec, sent, want) in cases {
        let contract = contract(vec![input(join, spec)], vec![], 64);
        let told =
            refusal(&contract, &call(&[sent])).map(|fault| fault.note.into_owned()).unwrap_or_default();
        assert!(told.contains(want) && told.is_empty() == want.is_empty(), "{sent:?}: {told}");
    }
}

#[test]
fn joins_are_such_as_can_be_kept() {
    let output = |shape: &[i64], like: &str| TensorSpec {
        like: Some(like.into()),
        ..TensorSpec::new("y", Datatype::Uint8, shape)
    };
    let bytes = |join| TensorSpec { datatype: Datatype::Bytes, ..input(join, &[-1]) };
    let ragged = || input(Join::Ragged, &[-1, 2]);
    let cases: [(TensorSpec, Option<TensorSpec>, &str); 15] = [
        (input(Join::Stack, &[3]), None, ""),
        (ragged(), Some(output(&[-1, 7], "x")), ""),
        (input(padded_to(8, &[]), &[-1, 3, -1]), Some(output(&[2, -1, -1], "x")), ""),
        (bytes(padded_to(8, &[])), None, "input 'x': it is of BYTES"),
        (bytes(Join::Ragged), None, "input 'x': it is of BYTES"),
        (input(padded_to(8, &[]), &[3]), None, "its shape is [3]: no axis is of any size"),
        (input(padded_to(0, &[8, 8]), &[-1]), None, "its sizes [8, 8] do not rise"),
        (input(padded_to(0, &[1 << 13]), &[-1, -1]), None, "64 rows padded to 8192 are more than"),
        (input(padded_to(1 << 13, &[]), &[-1, -1]), None, "64 rows padded to 8192 are more than"),
        (
            input(Join::Ragged, &[2, -1]),
            None,
            "which must be the only one of any size (-1), but its shape is [2, -1]",
        ),
        (input(Join::Ragged, &[-1, -1]), None, "which must be the only one"),
        (
            input(Join::Stack, &[-1]),
            Some(output(&[-1], "x")),
            "output 'y': the rows of input 'x' have one shape",
        ),
        (ragged(), Some(output(&[-1], "z")), "the model declares no input 'z'"),
        (ragged(), Some(output(&[2, -1], "x")), "and that of input 'x' is [-1, 2]"),
        (
            ragged(),
            Some(TensorSpec { datatype: Datatype::Bytes, ..output(&[-1], "x") }),
            "output 'y': it is of BYTES",
        ),
    ];
    for (input, output, want) in cases {
        let told =
            misfit(&contract(vec![input.clone()], output.into_iter().collect(), 64)).unwrap_or_default();
        assert!(told.contains(want) && told.is_empty() == want.is_empty(), "{input:?}: {told}");
    }
    let streams = Contract { streams: true, ..contract(vec![ragged()], vec![], 1) };
    assert!(misfit(&streams).unwrap().contains("answers in parts"));
}

proptest! {
    /// Else a batch could not be told by one number for those who share it.
    #[test]
    fn sharing_is_an_equivalence(
        sizes in proptest::collection::vec(0_u32..2100, 0..4),
        shapes in proptest::array::uniform3((0_i64..2048, 0_i64..2048)),
    ) {
        let mut sizes = sizes;
        sizes.sort_unstable();
        sizes.dedup();
        let sharing = Sharing::new(&[input(padded_to(3, &sizes), &[-1, -1])], 1024);
        let [a, b, c] = shapes.map(|(one, other)| call(&[&[1, one, other]]).inputs);
        prop_assert!(sharing.may_share(&a, &a));
        prop_assert_eq!(sharing.may_share(&a, &b), sharing.may_share(&b, &a));
        prop_assert!(!(sharing.may_share(&a, &b) && sharing.may_share(&b, &c)) || sharing.may_share(&a, &c));
    }
}
