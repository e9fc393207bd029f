//! The hand-written codec against the generated one.

use super::answer::{self, Pieces};
use super::messages::ModelStreamInferResponse;
use super::messages::infer_parameter::ParameterChoice as Choice;
use super::messages::model_infer_request::{InferInputTensor, InferRequestedOutputTensor};
use super::messages::{InferParameter, InferTensorContents, ModelInferRequest, ModelInferResponse};
use super::request::{Request, Surroundings};
use crate::base::{
    call::Timing,
    contract::{Batching, Contract, TensorSpec},
    datatype::Datatype,
    fault::{Fault, Kind},
    inference::{Answer, Inference, Value},
    tensor::Tensor,
    units::{Tick, Version},
};
use crate::wire::budget::Budget;
use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;
use std::collections::HashMap;
use std::sync::Arc;

pub(super) fn read(message: &Bytes) -> Result<Inference, Fault> {
    let around = Surroundings {
        arrived: Tick::default(),
        deadline: Tick::NEVER,
        facts: Vec::new(),
        traced: false,
        callers: None,
    };
    let mut leave = |_| Ok(());
    let mut budget = Budget::new(1 << 20, message.len(), &mut leave);
    Request::read(message)?.into_inference(message, around, &mut budget)
}

pub(super) fn refusal(request: &ModelInferRequest) -> Fault {
    read(&request.encode_to_vec().into()).expect_err("it should be refused")
}

pub(super) fn input(
    datatype: &str,
    shape: Vec<i64>,
    contents: Option<InferTensorContents>,
) -> InferInputTensor {
    InferInputTensor { name: "x".into(), datatype: datatype.into(), shape, contents, ..Default::default() }
}

pub(super) fn asking(inputs: Vec<InferInputTensor>, raw: &[&'static [u8]]) -> ModelInferRequest {
    ModelInferRequest {
        model_name: "m".into(),
        inputs,
        raw_input_contents: raw.iter().map(|raw| Bytes::from_static(raw)).collect(),
        ..Default::default()
    }
}

fn choice() -> impl Strategy<Value = Choice> {
    prop_oneof![
        any::<bool>().prop_map(Choice::BoolParam),
        any::<i64>().prop_map(Choice::Int64Param),
        ".{0,12}".prop_map(Choice::StringParam),
        (-1e9..1e9).prop_map(Choice::DoubleParam),
    ]
}

prop_compose! {
    fn request()(
        model_name in ".{0,40}", version in 1..i64::MAX, id in ".{0,30}",
        parameters in prop::collection::hash_map("[a-s_]{0,8}", choice(), 0..5),
        inputs in prop::collection::vec((".{0,8}", 0..Datatype::ALL.len(), prop::collection::vec(0..i64::MAX, 0..6)), 0..4),
        outputs in prop::collection::vec(".{0,8}", 0..4),
        raw in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 4),
    ) -> ModelInferRequest {
        let tensor = |(name, datatype, shape): (String, usize, Vec<i64>)| InferInputTensor {
            name, datatype: Datatype::ALL[datatype].name().into(), shape, ..Default::default()
        };
        let wanted = |name| InferRequestedOutputTensor { name, ..Default::default() };
        ModelInferRequest {
            model_name, id, model_version: version.to_string(),
            parameters: parameters.into_iter()
                .map(|(key, choice)| (key, InferParameter { parameter_choice: Some(choice) })).collect(),
            inputs: inputs.into_iter().map(tensor).collect(),
            outputs: outputs.into_iter().map(wanted).collect(),
            raw_input_contents: raw.into_iter().map(Bytes::from).collect(),
        }
    }
}

fn to_value(parameter: &InferParameter) -> Value {
    match parameter.parameter_choice.clone().unwrap() {
        Choice::BoolParam(flag) => Value::Bool(flag),
        Choice::Int64Param(number) => Value::Int(number),
        Choice::Uint64Param(number) => Value::Uint(number),
        Choice::DoubleParam(number) => Value::Double(number),
        Choice::StringParam(text) => Value::Text(text),
    }
}

proptest! {
    #[test]
    fn a_request_reads_as_the_generated_code_reads_it(request in request()) {
        let message = Bytes::from(request.encode_to_vec());
        let read = read(&message).unwrap();
        prop_assert_eq!(read.model.as_str(), &request.model_name);
        prop_assert_eq!(read.version.unwrap().to_string(), request.model_version);
        prop_assert_eq!(read.id.as_str(), &request.id);
        let parameters: HashMap<_, _> = read.parameters.iter().map(|(k, v)| (k.to_string(), v.clone())).collect();
        let expected: HashMap<_, _> = request.parameters.iter().map(|(k, v)| (k.clone(), to_value(v))).collect();
        prop_assert_eq!(parameters, expected);
        let names: Vec<_> = read.outputs.iter().map(|wanted| wanted.name.to_string()).collect();
        prop_assert_eq!(names, request.outputs.iter().map(|wanted| wanted.name.clone()).collect::<Vec<_>>());
        prop_assert_eq!(read.inputs.len(), request.inputs.len());
        for (at, (ours, theirs)) in read.inputs.iter().zip(&request.inputs).enumerate() {
            prop_assert_eq!(ours.name.as_str(), &theirs.name);
            prop_assert_eq!(ours.tensor.datatype.name(), &theirs.datatype);
            prop_assert_eq!(ours.tensor.shape.as_slice(), theirs.shape.as_slice());
            prop_assert_eq!(&ours.tensor.data, &request.raw_input_contents[at]);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused_and_what_is_read_is_also_legal_to_the_generated_code(
        request in request(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()
    ) {
        let mut message = request.encode_to_vec();
        let at = at.index(message.len());
        message[at] = byte;
        message.truncate(cut.index(message.len()) + 1);
        let message = Bytes::from(message);
        let ours = read(&message);
        if ModelInferRequest::decode(message).is_err() {
            prop_assert!(ours.is_err());
        }
    }
}

#[test]
fn data_comes_one_way_only() {
    let floats = || Some(InferTensorContents { fp32_contents: vec![1.0], ..Default::default() });
    let both = Some(InferTensorContents { fp64_contents: vec![1.0], ..floats().unwrap() });
    let cases = [
        (
            asking(vec![input("FP32", vec![1], floats())], &[b"1234"]),
            "contents field must not be specified when \
          using raw_input_contents for 'x' for model 'm'",
        ),
        (
            asking(vec![input("FP32", vec![1], None)], &[]),
            "unable to find data for input tensor 'x' for model 'm' in request.",
        ),
        (
            asking(vec![input("FP32", vec![1], None), input("FP32", vec![1], None)], &[b"1234"]),
            "unable to find data for input tensor 'x' for model 'm' in request.",
        ),
        (
            asking(vec![input("INT32", vec![1], floats())], &[]),
            "unexpected explicit tensor data for input tensor 'x' for model 'm' of type 'FP32', expected datatype 'INT32'",
        ),
        (
            asking(vec![input("FP16", vec![1], floats())], &[]),
            "unexpected explicit tensor data for input tensor 'x' for model 'm' of type 'FP32', expected datatype 'FP16'",
        ),
        (
            asking(vec![input("FP32", vec![1], both)], &[]),
            "unexpected explicit tensor data for input tensor 'x' for model 'm' of type 'FP64', expected datatype 'FP32'",
        ),
        (
            asking(vec![input("FP32", vec![-1], None)], &[b"1234"]),
            "unexpected shape for input 'x' for model 'm'. Expected sizes >= 0, got [-1]",
        ),
    ];
    for (request, expected) in cases {
        assert_eq!(refusal(&request).note, expected);
    }
    let surplus = asking(vec![input("FP32", vec![1], None)], &[b"1234", b"more"]);
    assert_eq!(read(&surplus.encode_to_vec().into()).unwrap().inputs.len(), 1);
}

#[test]
fn what_would_swell_is_refused_before_it_does() {
    let many = InferTensorContents { int64_contents: vec![1; 1 << 18], ..Default::default() };
    assert_eq!(refusal(&asking(vec![input("INT64", vec![1 << 18], Some(many))], &[])).kind, Kind::TooLarge);
    assert_eq!(refusal(&asking(vec![input("FP32", vec![1; 65], None)], &[b""])).kind, Kind::TooLarge);
    let outputs = vec![InferRequestedOutputTensor::default(); 5000];
    let named: HashMap<_, _> =
        (0..2048).map(|key: u32| (key.to_string(), InferParameter::default())).collect();
    let with = |parameters| InferInputTensor { parameters, ..input("FP32", vec![1], None) };
    let note = |inputs| refusal(&asking(inputs, &[])).note;
    assert!(!note(vec![with(named.clone()); 2]).contains("4096 parameters"));
    let three = vec![with(named.clone()), with(named), with(HashMap::from([Default::default()]))];
    assert!(note(three).contains("4096 parameters"), "all inputs share one limit");
    assert_eq!(refusal(&ModelInferRequest { outputs, ..Default::default() }).kind, Kind::TooLarge);
}

fn answer(id: &str, parameters: Vec<(String, Value)>, tensors: Vec<(Vec<i64>, Vec<u8>)>) -> Answer {
    let spec = |at| TensorSpec::new(format!("y{at}"), Datatype::Uint8, [-1]);
    let contract = Contract {
        model: "m".into(),
        version: Version(3),
        platform: "python".into(),
        inputs: Vec::new(),
        outputs: (0..tensors.len()).map(spec).collect(),
        batching: Batching { max_rows: 1, queue_rows: 1, ..Batching::default() },
        repeatable: false,
        lanes: 1,
        streams: false,
        unbatched: false,
        sequences: None,
        feedback: None,
    };
    let tensor = |(shape, data): (Vec<i64>, Vec<u8>)| Tensor {
        datatype: Datatype::Uint8,
        shape: shape.into(),
        data: data.into(),
    };
    Answer {
        contract: Arc::new(contract),
        id: id.into(),
        outputs: tensors.into_iter().map(tensor).enumerate().collect(),
        parameters: parameters.into_iter().map(|(key, value)| (key.into(), value)).collect(),
        timing: Timing::default(),
        prediction: None,
    }
}

fn message(pieces: &Pieces) -> Vec<u8> {
    let whole = pieces.concat();
    assert_eq!(whole[0], 0);
    assert_eq!(u32::from_be_bytes(whole[1..5].try_into().unwrap()) as usize, whole.len() - 5);
    whole[5..].to_vec()
}

proptest! {
    #[test]
    fn an_answer_is_what_the_generated_code_reads(
        id in ".{0,20}", parameters in prop::collection::hash_map(".{0,6}", choice(), 0..4),
        tensors in prop::collection::vec((prop::collection::vec(any::<i64>(), 0..4), 0..9000_usize), 0..4),
    ) {
        let tensors: Vec<_> = tensors.into_iter().map(|(shape, len)| (shape, vec![7; len])).collect();
        let theirs: HashMap<_, _> =
            parameters.into_iter().map(|(k, c)| (k, InferParameter { parameter_choice: Some(c) })).collect();
        let ours = theirs.iter().map(|(key, parameter)| (key.clone(), to_value(parameter))).collect();
        let answer = answer(&id, ours, tensors.clone());
        let read = ModelInferResponse::decode(&message(&answer::unary(&answer).unwrap())[..]).unwrap();
        prop_assert_eq!((&*read.model_name, &*read.model_version, &read.id), ("m", "3", &id));
        prop_assert_eq!(&read.parameters, &theirs);
        for (at, (shape, data)) in tensors.iter().enumerate() {
            prop_assert_eq!(&read.outputs[at].name, &format!("y{at}"));
            prop_assert_eq!((&*read.outputs[at].datatype, &read.outputs[at].shape), ("UINT8", shape));
            prop_assert_eq!(&read.raw_output_contents[at], data);
        }
        prop_assert_eq!(read.raw_output_contents.len(), tensors.len());

        let streamed = message(&answer::streamed(&answer).unwrap());
        let mut streamed = ModelStreamInferResponse::decode(&streamed[..]).unwrap().infer_response.unwrap();
        let last = streamed.parameters.remove("triton_final_response").unwrap();
        prop_assert_eq!(last.parameter_choice, Some(Choice::BoolParam(true)));
        prop_assert_eq!(streamed, read);
    }
}

#[test]
fn a_streams_fault_names_its_request() {
    let fault = message(&answer::streamed_fault("7", "no such model").unwrap());
    let fault = ModelStreamInferResponse::decode(&fault[..]).unwrap();
    let response = fault.infer_response.unwrap();
    assert_eq!((&*fault.error_message, &*response.id), ("no such model", "7"));
    assert!(response.parameters.contains_key("triton_final_response"));
}
