//! An answer as Triton's `generate` writes it: outputs under their names, those of one element without brackets.

use super::{
    reply::{elements, parameters, unsayable},
    text::Append,
};
use crate::base::{fault::Fault, inference::Answer, tensor};

/// Appends one object. A fault is the caller's: it asked for JSON of what JSON cannot say.
pub fn write(out: &mut Vec<u8>, answer: &Answer) -> Result<(), Fault> {
    let contract = &answer.contract;
    out.push(b'{');
    if !answer.id.is_empty() {
        out.text("\"id\":");
        out.string(&answer.id);
        out.push(b',');
    }
    out.text("\"model_name\":");
    out.string(&contract.model);
    out.text(",\"model_version\":\"");
    out.integer(contract.version.told().0);
    out.push(b'"');
    if !answer.parameters.is_empty() {
        out.push(b',');
        parameters(out, &answer.parameters);
    }
    for (index, tensor) in &answer.outputs {
        let spec = contract.outputs.get(*index);
        let spec = spec.ok_or_else(|| Fault::internal("an answer holds an output that no contract names"))?;
        out.push(b',');
        out.string(&spec.name);
        out.push(b':');
        let is_one = tensor::elements(&tensor.shape) == Some(1);
        if !is_one {
            out.push(b'[');
        }
        elements(out, tensor)
            .ok_or_else(|| unsayable(&spec.name, tensor.datatype, "ask with /infer for its bytes"))?;
        if !is_one {
            out.push(b']');
        }
    }
    out.push(b'}');
    Ok(())
}
