//! What a message may hold is read, and one more of it is refused.

use super::messages::infer_parameter::ParameterChoice as Choice;
use super::messages::model_infer_request::{InferInputTensor, InferRequestedOutputTensor};
use super::messages::{InferParameter, ModelInferRequest};
use super::request::Request;
use super::tests::{asking, input, read, refusal};
use crate::base::fault::Kind;
use bytes::Bytes;
use prost::Message;

#[test]
fn names_and_texts_are_bounded_as_in_json() {
    let (fits, not) = ("a".repeat(4096), "a".repeat(4097));
    let of = |name: &str| {
        let wanted = InferRequestedOutputTensor { name: name.into(), ..Default::default() };
        let key = [(name.to_owned(), parameter(Choice::BoolParam(true)))].into();
        let tensor = |name: &str, datatype: &str| InferInputTensor {
            name: name.into(),
            datatype: datatype.into(),
            ..input("FP32", vec![1], None)
        };
        [
            ("the model's name", ModelInferRequest { model_name: name.into(), ..Default::default() }),
            ("the version", ModelInferRequest { model_version: name.into(), ..Default::default() }),
            ("id", ModelInferRequest { id: name.into(), ..Default::default() }),
            ("a key", ModelInferRequest { parameters: key, ..Default::default() }),
            ("name", ModelInferRequest { outputs: vec![wanted], ..Default::default() }),
            ("name", asking(vec![tensor(name, "FP32")], &[])),
            ("datatype", asking(vec![tensor("x", name)], &[])),
        ]
    };
    for (what, request) in of(&fits) {
        assert!(Request::read(&request.encode_to_vec().into()).is_ok(), "{what}");
    }
    for (what, request) in of(&not) {
        let fault = refusal(&request);
        assert_eq!(
            (fault.kind, &*fault.note),
            (Kind::TooLarge, &*format!("{what} may have 4096 bytes, this one has more"))
        );
    }
    let text = |len: usize| {
        let text = parameter(Choice::StringParam("a".repeat(len)));
        ModelInferRequest { parameters: [("p".to_owned(), text)].into(), ..Default::default() }
    };
    assert!(Request::read(&text(65_536).encode_to_vec().into()).is_ok());
    assert_eq!(refusal(&text(65_537)).note, "a parameter's text may have 65536 bytes, this one has more");
}

/// Each would keep a thread busy, and none of them says anything.
#[test]
fn fields_without_end_are_refused() {
    let inside =
        |number: u8, part: &[u8]| [&[number << 3 | 2, u8::try_from(part.len()).unwrap()], part].concat();
    let unknown = [0x98, 0x06, 1]; // number 99
    for one in [unknown.to_vec(), inside(1, b""), inside(3, b"id"), inside(5, &unknown), inside(6, &unknown)]
    {
        let message = Bytes::from(one.repeat(65_537));
        let fault = Request::read(&message).unwrap_err();
        assert_eq!(fault.kind, Kind::TooLarge, "{one:?}");
    }
    assert!(Request::read(&unknown.repeat(65_536).into()).is_ok());
}

#[test]
fn a_sequence_is_named_by_a_number_or_a_short_text() {
    let asked = |key: &str, choice: Choice| {
        let parameters = [(key.to_owned(), parameter(choice))].into();
        read(&ModelInferRequest { parameters, ..Default::default() }.encode_to_vec().into()).map(drop)
    };
    let text = |len: usize| Choice::StringParam("a".repeat(len));
    for (key, choice) in [
        ("sequence_id", Choice::Int64Param(-1)),
        ("sequence_id", text(128)),
        ("sequence_start", Choice::BoolParam(true)),
        ("sequence_end", Choice::BoolParam(false)),
    ] {
        assert!(asked(key, choice).is_ok(), "{key}");
    }
    for (key, choice, expected) in [
        ("sequence_id", Choice::Uint64Param(1), "int64_param or string_param"),
        ("sequence_id", Choice::BoolParam(true), "int64_param or string_param"),
        ("sequence_start", Choice::Int64Param(1), "bool_param"),
        ("sequence_end", text(1), "bool_param"),
    ] {
        let want = format!("invalid value type for '{key}' parameter, expected {expected}.");
        assert_eq!(asked(key, choice).unwrap_err().note, want);
    }
    let long = asked("sequence_id", text(129)).unwrap_err();
    assert_eq!(long.note, "a sequence_id may have 128 bytes, this one has more");
}

fn parameter(choice: Choice) -> InferParameter {
    InferParameter { parameter_choice: Some(choice) }
}
