//! What a request says, as generated code reads it.

use crate::base::{
    datatype::Datatype,
    inference::{InRegion, Inference, Value},
    named::Named,
    strings,
    tensor::Tensor,
    units::Version,
};
use crate::wire::oip_proto::messages::{
    InferParameter, InferTensorContents, ModelInferRequest, infer_parameter::ParameterChoice as Choice,
};
use std::collections::HashMap;

fn value(parameter: &InferParameter) -> Value {
    match parameter.parameter_choice.clone().expect("a parameter without a value is refused") {
        Choice::BoolParam(flag) => Value::Bool(flag),
        Choice::Int64Param(number) => Value::Int(number),
        Choice::Uint64Param(number) => Value::Uint(number),
        Choice::DoubleParam(number) => Value::Double(number),
        Choice::StringParam(text) => Value::Text(text),
    }
}

/// Bytes that say the same of equal values, NaN included.
fn told(value: &Value) -> (u8, Vec<u8>) {
    match value {
        Value::Bool(flag) => (0, vec![u8::from(*flag)]),
        Value::Int(number) => (1, number.to_le_bytes().to_vec()),
        Value::Uint(number) => (2, number.to_le_bytes().to_vec()),
        Value::Double(number) => (3, number.to_le_bytes().to_vec()),
        Value::Text(text) => (4, text.clone().into_bytes()),
    }
}

/// For the server alone.
const TAKEN_OUT: [&str; 2] = ["timeout", "triton_enable_empty_final_response"];

fn written(datatype: Datatype, contents: &InferTensorContents) -> Vec<u8> {
    let InferTensorContents { bool_contents, int_contents, int64_contents, .. } = contents;
    let InferTensorContents { uint_contents, uint64_contents, fp32_contents, .. } = contents;
    let InferTensorContents { fp64_contents, bytes_contents, .. } = contents;
    match datatype {
        Datatype::Bool => bool_contents.iter().map(|flag| u8::from(*flag)).collect(),
        Datatype::Int8 => {
            int_contents.iter().flat_map(|it| i8::try_from(*it).unwrap().to_le_bytes()).collect()
        }
        Datatype::Int16 => {
            int_contents.iter().flat_map(|it| i16::try_from(*it).unwrap().to_le_bytes()).collect()
        }
        Datatype::Int32 => int_contents.iter().flat_map(|it| it.to_le_bytes()).collect(),
        Datatype::Int64 => int64_contents.iter().flat_map(|it| it.to_le_bytes()).collect(),
        Datatype::Uint8 => {
            uint_contents.iter().flat_map(|it| u8::try_from(*it).unwrap().to_le_bytes()).collect()
        }
        Datatype::Uint16 => {
            uint_contents.iter().flat_map(|it| u16::try_from(*it).unwrap().to_le_bytes()).collect()
        }
        Datatype::Uint32 => uint_contents.iter().flat_map(|it| it.to_le_bytes()).collect(),
        Datatype::Uint64 => uint64_contents.iter().flat_map(|it| it.to_le_bytes()).collect(),
        Datatype::Fp32 => fp32_contents.iter().flat_map(|it| it.to_le_bytes()).collect(),
        Datatype::Fp64 => fp64_contents.iter().flat_map(|it| it.to_le_bytes()).collect(),
        Datatype::Bytes => {
            let mut out = Vec::new();
            bytes_contents.iter().for_each(|element| strings::push(&mut out, element).unwrap());
            out
        }
        // Contents may be there and hold none of the fields there are.
        Datatype::Fp16 | Datatype::Bf16 => Vec::new(),
    }
}

/// Where in shared memory a tensor lies, as its parameters say.
fn in_region(parameters: &HashMap<String, InferParameter>) -> Option<InRegion> {
    let count = |key| match parameters.get(key).map(value) {
        Some(Value::Int(count)) => Some(u64::try_from(count).expect("not below zero")),
        Some(Value::Uint(count)) => Some(count),
        other => {
            assert_eq!(other, None);
            None
        }
    };
    let (len, offset) = (count("shared_memory_byte_size"), count("shared_memory_offset"));
    match parameters.get("shared_memory_region").map(value) {
        Some(Value::Text(region)) => {
            let len = len.expect("a region comes with a size");
            Some(InRegion { region: region.into(), offset: offset.unwrap_or(0), len, device: None })
        }
        other => {
            assert_eq!((other, len, offset), (None, None, None));
            None
        }
    }
}

/// Panics where the two readings differ.
pub(super) fn agree(ours: &Inference, theirs: &ModelInferRequest) {
    assert_eq!((ours.model.as_str(), ours.id.as_str()), (&*theirs.model_name, &*theirs.id));
    let version = theirs.model_version.parse().ok().map(|number| Version(number).into());
    assert_eq!(ours.version, version.or_else(|| Named::alias(&theirs.model_version)));
    let parameters: HashMap<_, _> =
        ours.parameters.iter().map(|(key, value)| (key.to_string(), told(value))).collect();
    assert_eq!(parameters.len(), ours.parameters.len(), "a key stands twice");
    let kept = theirs.parameters.iter().filter(|(key, _)| !TAKEN_OUT.contains(&key.as_str()));
    assert_eq!(parameters, kept.map(|(key, choice)| (key.clone(), told(&value(choice)))).collect());
    let names: Vec<_> = ours.outputs.iter().map(|wanted| wanted.name.as_str()).collect();
    assert_eq!(names, theirs.outputs.iter().map(|wanted| wanted.name.as_str()).collect::<Vec<_>>());
    for (ours, theirs) in ours.outputs.iter().zip(&theirs.outputs) {
        let top = theirs.parameters.get("classification").map(value);
        let top = top.map_or(0, |top| if let Value::Int(top) = top { top } else { panic!("{top:?}") });
        assert_eq!(i64::from(ours.classification), top.min(i64::from(u32::MAX)));
        assert_eq!(ours.region.as_deref(), in_region(&theirs.parameters).as_ref());
    }
    assert_eq!(ours.inputs.len(), theirs.inputs.len());
    let mut raw = theirs.raw_input_contents.iter();
    for (ours, input) in ours.inputs.iter().zip(&theirs.inputs) {
        assert_eq!(ours.name.as_str(), input.name);
        assert_eq!(ours.region.as_deref(), in_region(&input.parameters).as_ref());
        let Tensor { datatype, shape, data } = &ours.tensor;
        assert_eq!((datatype.name(), shape.as_slice()), (&*input.datatype, input.shape.as_slice()));
        assert!(shape.len() <= 64 && shape.iter().all(|size| *size >= 0));
        let mut raw = || raw.next().expect("each input without contents or a region has one");
        match &input.contents {
            _ if ours.region.is_some() => assert!(data.is_empty()),
            Some(contents) if theirs.raw_input_contents.is_empty() => {
                assert_eq!(data, &written(*datatype, contents));
            }
            _ => assert_eq!(data, raw()),
        }
    }
}
