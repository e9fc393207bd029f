//! Inference requests over HTTP, below HTTP: JSON, and bytes behind it.

use super::{check_refusal, fit::fits, json_reference, memory::Most};
use crate::base::{
    call::Timing,
    contract::{Batching, Contract, TensorSpec},
    datatype::Datatype,
    fault::Fault,
    inference::{Answer, Input},
    tensor::Tensor,
    units::Version,
};
use crate::wire::budget::Budget;
use crate::wire::json::{
    reply::{self, Form},
    request::{self, InferRequest},
};
use bytes::Bytes;
use std::sync::Arc;

const TENSORS: usize = 1 << 20;

/// Reads a body whose tensors may take `most` bytes.
fn read(body: &Bytes, json_len: usize, most: usize) -> Result<InferRequest, Fault> {
    let mut leave = |_| Ok(());
    request::read(body, json_len, "m", 8, &mut Budget::new(most, json_len, &mut leave))
}

/// A number of two characters becomes eight bytes; an input of 50 characters takes 130 bytes, in a list that doubles.
/// 4096 parameters of a few characters each take 56 bytes each, in such a list.
const MOST: Most = Most { each: 16, beside: 1 << 20 };

/// Two bytes say where the JSON ends; 0xffff, and what is beyond the body: there.
pub fn any_json(data: &[u8]) {
    let Some((len, body)) = data.split_first_chunk() else { return };
    let len = match u16::from_le_bytes(*len) {
        u16::MAX => body.len(),
        len => usize::from(len).min(body.len()),
    };
    let (json, blobs) = body.split_at(len);
    let sent = Bytes::copy_from_slice(body);
    let theirs = serde_json::from_slice::<serde_json::Value>(json);
    match MOST.hold(body.len(), || read(&sent, len, TENSORS)) {
        Err(fault) => {
            check_refusal(&fault);
            assert!(!(theirs.is_ok() && says_it_is_none(&fault)), "serde_json reads it: {fault}");
        }
        Ok(request) => {
            let text = std::str::from_utf8(json).unwrap();
            json_reference::agree(&request, text, blobs);
            within_limits(&request);
            fits(body.len(), request.inputs.clone(), &request.outputs);
            comes_back(request);
        }
    }
}

/// Each few bytes of text become a hundred in memory: there are limits to how many.
fn within_limits(request: &InferRequest) {
    let InferRequest { id, parameters, inputs, outputs, .. } = request;
    assert!(parameters.len() <= 4096 && inputs.len() <= 4096 && outputs.len() <= 4096);
    let names = inputs.iter().map(|input| &input.name).chain(outputs.iter().map(|output| &output.name));
    assert!(names.chain(parameters.iter().map(|(key, _)| key)).chain([id]).all(|name| name.len() <= 4096));
    assert!(inputs.iter().all(|input| input.tensor.shape.len() <= 64));
    assert!(inputs.iter().map(|input| input.tensor.data.len()).sum::<usize>() <= TENSORS + (1 << 20));
}

fn says_it_is_none(fault: &Fault) -> bool {
    let ours = ["nesting is deeper than allowed", "stands twice"];
    fault.note.starts_with("failed to parse the request JSON buffer")
        && !ours.iter().any(|note| fault.note.contains(note))
}

/// JSON has one word for all that are none.
pub(super) fn one_nan(tensor: &Tensor) -> Tensor {
    let data = if tensor.datatype == Datatype::Fp32 {
        let floats = tensor.data.as_chunks().0.iter().map(|float| f32::from_le_bytes(*float));
        floats.flat_map(|float| if float.is_nan() { f32::NAN } else { float }.to_le_bytes()).collect()
    } else if tensor.datatype == Datatype::Fp64 {
        let floats = tensor.data.as_chunks().0.iter().map(|float| f64::from_le_bytes(*float));
        floats.flat_map(|float| if float.is_nan() { f64::NAN } else { float }.to_le_bytes()).collect()
    } else {
        tensor.data.clone()
    };
    Tensor { data, ..tensor.clone() }
}

/// Tensors that are written as an answer's, and read as a request's, are the same.
fn comes_back(request: InferRequest) {
    let is_whole = |input: &Input| {
        let tensor = &input.tensor;
        crate::base::tensor::byte_len(tensor.datatype, &tensor.shape) == Some(tensor.data.len())
    };
    let inputs: Vec<Input> = request.inputs.into_iter().filter(is_whole).collect();
    let spec = |input: &Input| TensorSpec::new(input.name.clone(), input.tensor.datatype, []);
    let contract = Contract {
        model: "m".into(),
        version: Version(1),
        platform: "python".into(),
        inputs: Vec::new(),
        outputs: inputs.iter().map(spec).collect(),
        batching: Batching { max_rows: 1, queue_rows: 1, ..Batching::default() },
        repeatable: false,
        lanes: 1,
        streams: false,
        unbatched: false,
        sequences: None,
        feedback: None,
    };
    let answer = Answer {
        contract: Arc::new(contract),
        id: request.id,
        outputs: inputs.iter().map(|input| input.tensor.clone()).enumerate().collect(),
        parameters: request.parameters,
        timing: Timing::default(),
        prediction: None,
    };
    for form in [Form::Json, Form::Binary] {
        match reply::write(&answer, |_| form) {
            Ok(sent) => {
                let json = std::str::from_utf8(&sent.json).unwrap();
                let id = json_reference::member(json, "id");
                let id = id.map(|id| serde_json::from_str::<String>(&id));
                assert_eq!(id.unwrap_or(Ok(String::new())).unwrap(), answer.id.as_str());
                // The last member; an unescaped quotation mark stands in no string before it.
                let (_, outputs) = json.split_once("\"outputs\":").unwrap();
                let tensors = format!("{{\"inputs\":{outputs}");
                let body = [tensors.as_bytes(), &sent.blobs.concat()].concat();
                let again = read(&body.into(), tensors.len(), 4 << 20);
                let again = again.expect("what we write we read").inputs;
                let pairs = |input: &Input| (input.name.clone(), one_nan(&input.tensor));
                assert_eq!(
                    again.iter().map(pairs).collect::<Vec<_>>(),
                    inputs.iter().map(pairs).collect::<Vec<_>>()
                );
            }
            Err(fault) => {
                assert!(form == Form::Json && fault.note.contains("binary data format"), "{fault}");
            }
        }
    }
}
