//! A request as the protocol's JSON, with inputs in it or, as bytes, behind it: what its caller could have sent.

use super::reply::{Encoded, Form, parameters, tensor};
use super::text::Append;
use crate::base::{fault::Fault, inference::Inference};
use smallvec::SmallVec;

/// A fault says that JSON has no form for an input.
pub fn write(inference: &Inference, form: Form) -> Result<Encoded, Fault> {
    let mut blobs = SmallVec::new();
    let mut out = vec![b'{'];
    if !inference.id.is_empty() {
        out.text("\"id\":");
        out.string(&inference.id);
        out.push(b',');
    }
    if !inference.parameters.is_empty() {
        parameters(&mut out, &inference.parameters);
        out.push(b',');
    }
    out.text("\"inputs\":[");
    for (nth, input) in inference.inputs.iter().enumerate() {
        if nth > 0 {
            out.push(b',');
        }
        tensor(&mut out, &mut blobs, &input.name, &input.tensor, form)?;
    }
    out.text("]}");
    Ok(Encoded { json: out, blobs, binary: form == Form::Binary })
}
