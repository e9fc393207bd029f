//! Requests of `generate`: a flat object, whose members a contract tells apart.

use super::{check_refusal, json::one_nan, memory::Most};
use crate::base::{
    call::Timing,
    contract::Contract,
    fault::Fault,
    inference::{Answer, Input},
    strings::Strings,
    tensor::{byte_len, elements},
};
use crate::wire::{
    budget::Budget,
    json::{flat, generate, request::InferRequest},
};
use bytes::Bytes;
use serde_json::Value;
use std::sync::{Arc, OnceLock};

const TENSORS: usize = 1 << 20;
/// As of a request with its tensors' shapes.
const MOST: Most = Most { each: 16, beside: 1 << 20 };

/// Its outputs are its inputs, so that what was read can be written.
fn contract() -> &'static Arc<Contract> {
    static CONTRACT: OnceLock<Arc<Contract>> = OnceLock::new();
    CONTRACT.get_or_init(|| {
        let tensor = |(name, datatype, shape): (&str, &str, &[i64])| {
            serde_json::json!({"name": name, "datatype": datatype, "shape": shape})
        };
        let tensors: [(&str, &str, &[i64]); 4] =
            [("n", "INT64", &[-1]), ("f", "FP32", &[2, -1]), ("s", "BYTES", &[-1]), ("b", "BOOL", &[1])];
        let tensors = tensors.map(tensor);
        let contract = serde_json::json!({"model": "m", "version": 1, "platform": "python", "inputs": tensors,
            "outputs": tensors, "batching": {"max_rows": 8}});
        Arc::new(serde_json::from_value(contract).expect("it is a contract"))
    })
}

fn read(body: &Bytes) -> Result<InferRequest, Fault> {
    let mut leave = |_| Ok(());
    generate::read(body, contract(), 8, &mut Budget::new(TENSORS, body.len(), &mut leave))
}

pub fn any_generate(data: &[u8]) {
    let sent = Bytes::copy_from_slice(data);
    match MOST.hold(data.len(), || read(&sent)) {
        Err(fault) => check_refusal(&fault),
        Ok(request) => {
            assert!(request.parameters.len() <= 4096 && request.id.len() <= 4096);
            request.inputs.iter().for_each(fits);
            if let Ok(Value::Object(theirs)) = serde_json::from_slice(data) {
                request.inputs.iter().for_each(|input| agrees(input, &theirs[input.name.as_str()]));
            }
            comes_back(&request);
        }
    }
}

/// One row, of as many elements as there are.
fn fits(input: &Input) {
    let (shape, data) = (&input.tensor.shape, &input.tensor.data);
    let spec = contract().inputs.iter().find(|spec| spec.name == input.name).expect("it is an input's name");
    assert_eq!((shape.len(), shape.first()), (spec.shape.len() + 1, Some(&1)));
    match byte_len(spec.datatype, shape) {
        Some(len) => assert_eq!(len, data.len()),
        None => {
            assert_eq!(elements(shape), Some(Strings::of(data).map(|text| assert!(text.is_ok())).count()))
        }
    }
}

/// The elements that serde_json finds, in their order.
fn agrees(input: &Input, theirs: &Value) {
    let mut flat = Vec::new();
    flatten(theirs, &mut flat);
    assert_eq!(elements(&input.tensor.shape), Some(flat.len()), "{}", input.name);
    let data = &input.tensor.data;
    match input.name.as_str() {
        "n" => {
            let ours: Vec<_> = data.as_chunks().0.iter().map(|number| i64::from_le_bytes(*number)).collect();
            assert_eq!(ours, flat.iter().map(|number| whole(number)).collect::<Vec<_>>());
        }
        "s" => {
            let ours: Vec<_> = Strings::of(data).map(Result::unwrap).collect();
            assert_eq!(ours, flat.iter().map(|text| text.as_str().unwrap().as_bytes()).collect::<Vec<_>>());
        }
        "b" => assert_eq!(data[0] == 1, flat[0].as_bool().unwrap()),
        _ => assert!(flat.iter().all(|number| number.is_number())),
    }
}

/// To serde_json -0 is no integer.
fn whole(number: &Value) -> i64 {
    number.as_i64().unwrap_or_else(|| {
        assert_eq!(number.as_f64(), Some(0.0), "{number}");
        0
    })
}

fn flatten<'a>(value: &'a Value, into: &mut Vec<&'a Value>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| flatten(value, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            into.push(value)
        }
    }
}

/// What is written as an answer, and read as a request, is the same.
fn comes_back(request: &InferRequest) {
    let place = |input: &Input| contract().outputs.iter().position(|spec| spec.name == input.name).unwrap();
    let answer = Answer {
        contract: Arc::clone(contract()),
        id: request.id.clone(),
        outputs: request.inputs.iter().map(|input| (place(input), input.tensor.clone())).collect(),
        parameters: Vec::new(),
        timing: Timing::default(),
        prediction: None,
    };
    let mut json = Vec::new();
    flat::write(&mut json, &answer).expect("what was JSON can be JSON");
    assert!(!json.contains(&b'\n'), "it is one line of an event");
    let again = read(&json.into()).expect("what we write we read");
    assert_eq!(again.id, request.id);
    let tensors = |request: &InferRequest| {
        request.inputs.iter().map(|input| (input.name.clone(), one_nan(&input.tensor))).collect::<Vec<_>>()
    };
    assert_eq!(tensors(&again), tensors(request));
}
