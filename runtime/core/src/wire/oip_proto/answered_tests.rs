use super::answered::{Streamed, answered, streamed};
use super::messages as m;
use crate::base::{
    contract::{Batching, Contract, TensorSpec},
    datatype::Datatype,
    inference::Value,
    units::{Rows, Version},
};
use bytes::Bytes;
use m::infer_parameter::ParameterChoice;
use m::model_infer_response::InferOutputTensor;
use proptest::prelude::*;
use prost::Message;

fn contract(unbatched: bool, streams: bool) -> Contract {
    let outputs =
        vec![TensorSpec::new("a", Datatype::Fp32, [2]), TensorSpec::new("b", Datatype::Bytes, [-1])];
    Contract {
        model: "m".into(),
        version: Version(1),
        platform: "test".into(),
        inputs: vec![],
        outputs,
        batching: Batching { max_rows: 8, ..Batching::default() },
        repeatable: false,
        lanes: 1,
        streams,
        unbatched,
        sequences: None,
        feedback: None,
    }
}

fn output(name: &str, datatype: &str, shape: &[i64]) -> InferOutputTensor {
    InferOutputTensor {
        name: name.into(),
        datatype: datatype.into(),
        shape: shape.into(),
        ..Default::default()
    }
}

/// Of two rows, in another order than the contract's.
fn response() -> m::ModelInferResponse {
    let flag = |flag| m::InferParameter { parameter_choice: Some(ParameterChoice::BoolParam(flag)) };
    m::ModelInferResponse {
        parameters: [("cached".into(), flag(true)), ("triton_final_response".into(), flag(true))].into(),
        outputs: vec![output("b", "BYTES", &[2, 1]), output("a", "FP32", &[2, 2])],
        raw_output_contents: vec![Bytes::from_static(b"\x01\0\0\0x\0\0\0\0"), vec![1; 16].into()],
        ..Default::default()
    }
}

#[test]
fn outputs_come_in_the_contracts_order_as_views_of_the_message() {
    let message: Bytes = response().encode_to_vec().into();
    let read = answered(&message, &contract(false, false), Rows::new(2)).unwrap();
    let [a, b] = read.produced.outputs.as_slice() else { panic!("two outputs") };
    assert_eq!((a.datatype, a.shape.as_slice(), a.data.len()), (Datatype::Fp32, &[2, 2][..], 16));
    assert_eq!((b.shape.as_slice(), b.data.as_ref()), (&[2, 1][..], &b"\x01\0\0\0x\0\0\0\0"[..]));
    assert!(message.as_ptr_range().contains(&a.data.as_ptr()));
    assert!(read.is_final);
    assert_eq!(read.produced.parameters, [("cached".into(), Value::Bool(true))]);
}

#[test]
fn typed_contents_are_written_out_and_a_model_without_rows_gets_one() {
    let fp32 = m::InferTensorContents { fp32_contents: vec![1.5, -2.0], ..Default::default() };
    let bytes =
        m::InferTensorContents { bytes_contents: vec![Bytes::from_static(b"xy")], ..Default::default() };
    let mut response = response();
    response.outputs = vec![output("a", "FP32", &[2]), output("b", "BYTES", &[1])];
    response.outputs[0].contents = Some(fp32);
    response.outputs[1].contents = Some(bytes);
    response.raw_output_contents.clear();
    let read = answered(&response.encode_to_vec().into(), &contract(true, false), Rows::new(1)).unwrap();
    let [a, b] = read.produced.outputs.as_slice() else { panic!("two outputs") };
    assert_eq!((a.shape.as_slice(), a.data.as_ref()), (&[1, 2][..], &[0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0][..]));
    assert_eq!((b.shape.as_slice(), b.data.as_ref()), (&[1, 1][..], &b"\x02\0\0\0xy"[..]));
}

#[test]
fn what_does_not_fit_is_not_believed() {
    type Change = fn(&mut m::ModelInferResponse);
    let cases: [(&str, Change); 9] = [
        ("output 'b' is missing", |r| r.outputs[0].name = "c".into()),
        ("output 'a' is INT32", |r| r.outputs[1].datatype = "INT32".into()),
        ("has the shape [3, 2] for 2 rows", |r| r.outputs[1].shape = vec![3, 2]),
        ("has the shape [2, 2, 1]", |r| r.outputs[1].shape.push(1)),
        ("has the shape [2, -1]", |r| r.outputs[0].shape[1] = -1),
        ("output 'a' has 15 bytes", |r| r.raw_output_contents[1] = vec![1; 15].into()),
        ("output 'b' has 3 bytes", |r| r.raw_output_contents[0] = vec![1; 3].into()),
        ("output 'b' has 9 bytes", |r| {
            r.outputs[0].shape[1] = i64::MAX;
            r.raw_output_contents[0] = vec![0xff; 9].into();
        }),
        ("more than the 2 outputs", |r| r.outputs.push(InferOutputTensor::default())),
    ];
    for (want, change) in cases {
        let mut response = response();
        change(&mut response);
        let fault =
            answered(&response.encode_to_vec().into(), &contract(false, false), Rows::new(2)).unwrap_err();
        assert!(fault.note.contains(want), "{want}: {fault}");
    }
}

#[test]
fn a_stream_says_a_part_an_error_or_an_end() {
    let read = |message: m::ModelStreamInferResponse| {
        streamed(&message.encode_to_vec().into(), &contract(false, true), Rows::new(2)).unwrap()
    };
    let part = m::ModelStreamInferResponse { infer_response: Some(response()), ..Default::default() };
    assert!(matches!(read(part), Streamed::Answered(part) if part.produced.outputs.len() == 2));
    let failed = m::ModelStreamInferResponse { error_message: "no".into(), ..Default::default() };
    assert!(matches!(read(failed), Streamed::Failed(note) if note == "no"));
    let mut empty = response();
    empty.outputs.clear();
    empty.raw_output_contents.clear();
    let end = m::ModelStreamInferResponse { infer_response: Some(empty), ..Default::default() };
    assert!(matches!(read(end), Streamed::Answered(end) if end.is_final && end.produced.outputs.is_empty()));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>, at in 0_usize..200, byte: u8) {
        let mut changed = response().encode_to_vec();
        let at = at % changed.len();
        changed[at] = byte;
        for message in [bytes, changed] {
            let message = Bytes::from(message);
            for streams in [false, true] {
                let contract = contract(false, streams);
                if let Ok(read) = answered(&message, &contract, Rows::new(2)) {
                    let count = read.produced.outputs.len();
                    prop_assert!(count == 2 || (streams && count == 0));
                }
                let _ = streamed(&message, &contract, Rows::new(2));
            }
        }
    }
}
