//! `ModelInferRequest`, as protobuf.

use super::{check_refusal, fit::fits, memory::Most, proto_reference};
use crate::base::{fault::Fault, inference::Inference, units::Tick};
use crate::wire::budget::Budget;
use crate::wire::oip_proto::{
    messages::ModelInferRequest,
    request::{Request, Surroundings},
};
use bytes::Bytes;
use prost::Message;

/// Bytes that typed contents may take once they are written out.
const BUDGET: usize = 1 << 20;

/// A varint of one byte becomes eight. Of what takes two bytes on the wire and a hundred here there are 4096 at
/// most, in a list that doubles: as many inputs, outputs, parameters.
const MOST: Most = Most { each: 16, beside: 4 << 20 };

pub(super) fn read(message: &Bytes) -> Result<Inference, Fault> {
    let around = Surroundings {
        arrived: Tick::default(),
        deadline: Tick::NEVER,
        facts: Vec::new(),
        traced: false,
        callers: None,
    };
    let mut leave = |_| Ok(());
    let mut budget = Budget::new(BUDGET, message.len(), &mut leave);
    Request::read(message)?.into_inference(message, around, &mut budget)
}

/// One message. Generated code reads it as ours does; and what ours calls malformed is so to it.
pub fn any_proto(data: &[u8]) {
    let message = Bytes::copy_from_slice(data);
    let theirs = ModelInferRequest::decode(data);
    match MOST.hold(data.len(), || read(&message)) {
        Err(fault) => {
            check_refusal(&fault);
            let ours = fault.note.contains("groups are not supported");
            let malformed = fault.note.starts_with("failed to parse the request message");
            assert!(ours || !malformed || theirs.is_err(), "generated code reads it: {fault}");
        }
        Ok(inference) => {
            let theirs = theirs.expect("what we read is also legal to the generated code");
            proto_reference::agree(&inference, &theirs);
            within_limits(&inference);
            fits(data.len(), inference.inputs.clone(), &inference.outputs);
            // Fields may come in any order, packed or not: as the generated code writes them they say the same.
            let again = Bytes::from(theirs.encode_to_vec());
            proto_reference::agree(&read(&again).expect("the same, written anew"), &theirs);
        }
    }
}

fn within_limits(inference: &Inference) {
    let Inference { model, id, inputs, outputs, .. } = inference;
    let names = inputs.iter().map(|input| &input.name).chain(outputs.iter().map(|output| &output.name));
    assert!(names.chain([model, id]).all(|name| name.len() <= 4096), "a name is longer than any may be");
    assert!(inputs.iter().all(|input| input.tensor.shape.len() <= 64));
}
