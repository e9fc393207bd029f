use super::{
    frame::{
        Frame, HEAD, Head, Kind, MAX_FRAME, MAX_META, Malformed, NO_DEADLINE, Place, RELEASED, WireTensor,
    },
    frame_decode::Decoder,
    frame_encode::{TooLong, encode},
    frame_meta::{self, proto},
    frame_testing::{self, Heard, hear},
};
use crate::base::{
    call::{Sealed, Timing},
    contract::{Batching, Contract, Feedback, Join, Pad, TensorSpec, Term},
    datatype::Datatype,
    fault::{Fault, Phase},
    inference::Value,
    sequence::{Control, ControlKind, SequenceBatching, Strategy as Sequencing},
    units::Version,
};
use bytes::{BufMut, Bytes};
use proptest::prelude::*;

fn written(frame: &Frame) -> Vec<u8> {
    let mut out = Vec::new();
    frame_testing::write(frame, &mut out).unwrap();
    out
}

fn read(bytes: &[u8]) -> Heard {
    hear(1 << 16, std::iter::once(bytes))
}

fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let bytes = |most| prop::collection::vec(any::<u8>(), 0..most).prop_map(Bytes::from);
    let place = prop_oneof![
        bytes(40).prop_map(Place::Inline),
        (any::<u64>(), any::<u64>()).prop_map(|(offset, len)| Place::Arena { offset, len }),
        any::<u64>().prop_map(|len| Place::Device { len }),
    ];
    let shape = prop::collection::vec(0..=i64::MAX, 0..6).prop_map(Into::into);
    let tensor = (any::<u16>(), prop::sample::select(Datatype::ALL), shape, place)
        .prop_map(|(index, datatype, shape, place)| WireTensor { index, datatype, shape, place });
    let kind = prop::sample::select(Kind::ALL);
    let head = (kind, 0..=RELEASED, any::<u8>(), any::<u64>(), any::<u64>()).prop_map(
        |(kind, flags, attempt, call, remaining_us)| Head { kind, flags, attempt, call, remaining_us },
    );
    let frame = (head, bytes(50), prop::collection::vec(tensor, 0..4))
        .prop_map(|(head, meta, tensors)| Frame { head, meta, tensors: tensors.into() });
    prop::collection::vec(frame, 0..5)
}

proptest! {
    #[test]
    fn frames_come_back(list in frames()) {
        let wire: Vec<u8> = list.iter().flat_map(written).collect();
        prop_assert_eq!(read(&wire), Heard { frames: list, malformed: None, is_whole: true });
    }
}

fn one() -> Frame {
    let place = Place::Inline(Bytes::from_static(&[1, 2, 3, 4]));
    let tensor = WireTensor { index: 0, datatype: Datatype::Fp32, shape: [1].as_slice().into(), place };
    let head = Head { remaining_us: NO_DEADLINE, ..Head::new(Kind::Infer, 7) };
    Frame { head, meta: Bytes::from_static(b"meta"), tensors: std::iter::once(tensor).collect() }
}

#[test]
fn every_way_to_be_malformed_is_named() {
    let table = HEAD + 4;
    let lengths = Malformed::Lengths { len: 40, meta: 99, tensors: 1 };
    let cases = [
        ("magic", 30, 0, Malformed::Magic(0x5200)),
        ("kind", 4, 0, Malformed::Kind(0)),
        ("kind", 4, 99, Malformed::Kind(99)),
        ("flags", 5, 2, Malformed::Flags(2)),
        ("padding", 7, 1, Malformed::Flags(1)),
        ("length", 2, 2, Malformed::TooLong(40 + (2 << 16), 1 << 16)),
        ("metadata longer than the frame", 24, 99, lengths),
        ("datatype", table + 2, 99, Malformed::Tensor(0, "unknown datatype")),
        ("rank", table + 3, 200, Malformed::Tensor(0, "the table ends within its entry")),
        ("place", table + 4, 2, Malformed::Slack(4)),
        ("place", table + 4, 3, Malformed::Tensor(0, "in an unknown place")),
        ("entry padding", table + 5, 2, Malformed::Tensor(0, "its padding is not zero")),
        ("inline offset", table + 8, 1, Malformed::Tensor(0, "inline, yet with an offset")),
        ("inline length", table + 16, 5, Malformed::Tensor(0, "longer than what is left of the frame")),
        ("inline length", table + 16, 3, Malformed::Slack(1)),
        ("axis", table + 31, 0x80, Malformed::Tensor(0, "an axis is negative")),
    ];
    for (name, at, byte, want) in cases {
        let mut wire = written(&one());
        wire[at] = byte;
        assert_eq!(read(&wire).malformed, Some(want), "{name}");
    }
}

#[test]
fn a_long_claim_reserves_memory_only_as_bytes_come() {
    let mut decoder = Decoder::new(MAX_FRAME);
    let mut wire = written(&one());
    wire[..4].copy_from_slice(&u32::try_from(MAX_FRAME).unwrap().to_le_bytes());
    decoder.room().put_slice(&wire);
    assert_eq!(decoder.next_frame(), Ok(None));
    for byte in 0..100 {
        assert!(decoder.room().capacity() <= 5 << 20);
        decoder.room().put_u8(byte);
    }
}

/// Its memory is taken once, when its length is known: to move it as its last bytes come would cost as much as to copy it.
#[test]
fn a_long_frame_stays_where_it_began() {
    let place = Place::Inline(vec![7; 600_000].into());
    let tensor =
        WireTensor { index: 0, datatype: Datatype::Uint8, shape: [600_000].as_slice().into(), place };
    let wire = written(&Frame { tensors: std::iter::once(tensor).collect(), ..one() });
    let mut decoder = Decoder::new(1 << 20);
    let mut starts = std::collections::BTreeSet::new();
    for piece in wire.chunks(1000) {
        decoder.room().put_slice(piece);
        starts.insert(decoder.room().as_ptr().addr());
    }
    assert!(decoder.next_frame().unwrap().is_some() && starts.len() <= 2, "it moved {} times", starts.len());
}

#[test]
fn what_is_too_long_leaves_no_trace() {
    let mut out = b"before".to_vec();
    let meta = |out: &mut Vec<u8>| out.resize(out.len() + MAX_META + 1, 0);
    assert!(matches!(encode(&mut out, &Head::new(Kind::Hello, 0), meta, &[]), Err(TooLong(_))));
    assert_eq!(out, b"before");
}

#[test]
fn inline_tensors_are_views_of_the_read_buffer() {
    let mut decoder = Decoder::new(1 << 16);
    decoder.room().put_slice(&written(&one()));
    let start = decoder.room().as_ptr().addr();
    let frame = decoder.next_frame().unwrap().unwrap();
    let Place::Inline(bytes) = &frame.tensors[0].place else { panic!("it was inline") };
    assert_eq!(bytes.as_ptr().addr() - start, HEAD + 4 + 24 + 8);
}

#[test]
fn metadata_says_what_base_says() {
    let spec = |name: &str, datatype, shape: &[i64]| TensorSpec::new(name, datatype, shape);
    let pad = Pad { fill: u64::MAX - 99, multiple_of: 8, sizes: vec![64, 128] };
    let contract = Contract {
        model: "photos".into(),
        version: Version(3),
        platform: "torch".into(),
        inputs: vec![
            spec("image", Datatype::Bytes, &[-1]),
            TensorSpec { join: Join::Ragged, ..spec("ragged", Datatype::Int8, &[-1]) },
            TensorSpec { join: Join::Pad(pad), ..spec("padded", Datatype::Int64, &[-1]) },
        ],
        outputs: vec![
            spec("class", Datatype::Int64, &[5]),
            TensorSpec { like: Some("padded".into()), ..spec("probability", Datatype::Bf16, &[-1]) },
        ],
        batching: Batching {
            max_rows: 8,
            max_delay_ms: 0.5,
            queue_rows: 9,
            deadline_ms: Some(200.0),
            cost: vec![
                Term::Rows,
                Term::Elements("x".into()),
                Term::Bytes("y".into()),
                Term::Value("z".into()),
            ],
            max_cost: Some(7),
            ..Batching::default()
        },
        repeatable: true,
        lanes: 2,
        streams: false,
        unbatched: false,
        sequences: None,
        feedback: Some(Box::new(Feedback { output: 1, within_hours: 72, share: 2500 })),
    };
    assert_eq!(frame_meta::contract_in(frame_meta::contract_out(&contract)), Ok(contract.clone()));

    let control = |kind| Control { kind, tensor: spec(kind.code(), Datatype::Int32, &[1]) };
    let controls = ControlKind::ALL.iter().map(|kind| control(*kind)).collect();
    for strategy in [Sequencing::Direct, Sequencing::Oldest] {
        let controls = Vec::clone(&controls);
        let sequences = SequenceBatching { strategy, idle_ms: 0.5, max_sequences: 7, controls };
        let stateful = Contract { sequences: Some(Box::new(sequences)), ..contract.clone() };
        let sent = frame_meta::contract_out(&stateful);
        assert_eq!(frame_meta::contract_in(sent.clone()), Ok(stateful));
        for spoil in [
            |one: &mut proto::SequenceBatching| one.strategy = 2,
            |one: &mut proto::SequenceBatching| one.controls[0].kind = 9,
        ] {
            let mut newer = sent.clone();
            newer.sequences.as_mut().into_iter().for_each(spoil);
            assert!(frame_meta::contract_in(newer).is_err());
        }
    }

    let mut newer = frame_meta::contract_out(&contract);
    newer.feedback.as_mut().unwrap().within_hours = 1 << 16;
    assert!(frame_meta::contract_in(newer).is_err());

    let mut newer = frame_meta::contract_out(&contract);
    newer.inputs[1].join = Some(proto::Join { how: 3, ..Default::default() });
    assert!(frame_meta::contract_in(newer).is_err(), "it cannot be kept, and must not pass as stacked");

    let values = [
        Value::Bool(false),
        Value::Int(i64::MIN),
        Value::Uint(u64::MAX),
        Value::Double(-0.5),
        Value::Text("ü".into()),
    ];
    let parameters = values.into_iter().map(|value| ("p".into(), value)).collect();
    assert_eq!(frame_meta::parameters_in(frame_meta::parameters_out(&parameters)), Ok(parameters));

    let timing = Timing {
        queue_ns: 1,
        input_ns: 2,
        infer_ns: 3,
        output_ns: 4,
        batch_rows: 5,
        sealed: Sealed::Hurried,
    };
    let fault = Fault::invalid("no").at(Phase::NotStarted);
    let failure = frame_meta::failure_out(&fault, &timing);
    assert_eq!(frame_meta::failure_in(failure), Ok((fault, timing)));
    assert!(frame_meta::failure_in(proto::Failure { kind: 99, ..Default::default() }).is_err());
}

#[test]
fn a_version_is_named_where_its_messages_have_it() {
    let mut out = Vec::new();
    frame_meta::append_version(&mut out, "m", Version(7));
    let meta = Bytes::from(out);
    let infer: proto::Infer = frame_meta::decode(&meta).unwrap();
    let executed: proto::Executed = frame_meta::decode(&meta).unwrap();
    assert_eq!(
        (infer, executed),
        (
            proto::Infer { model: "m".into(), version: 7, ..Default::default() },
            proto::Executed { model: "m".into(), version: 7, ..Default::default() },
        )
    );
}
