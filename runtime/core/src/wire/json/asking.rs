//! A call → the body of an inference request to another server of the protocol: JSON, and behind it the tensors, if that
//! server takes them as bytes. Those are chained, not copied.

use super::{
    reply::{self, Encoded},
    text::Append,
};
use crate::base::fault::Fault;
use crate::wire::asking::Asking;
use smallvec::SmallVec;

impl Asking<'_> {
    /// `binary`: the server takes and makes tensors as bytes. A fault is the caller's: its tensors have no form in JSON.
    pub fn write_json(&self, binary: bool) -> Result<Encoded, Fault> {
        let mut out = Vec::with_capacity(256 + if binary { 0 } else { self.expected() });
        let mut blobs = SmallVec::new();
        out.push(b'{');
        if binary || !self.parameters.is_empty() {
            out.text("\"parameters\":{");
            if binary {
                out.text("\"binary_data_output\":true");
            }
            for (nth, (key, value)) in self.parameters.iter().enumerate() {
                if binary || nth > 0 {
                    out.push(b',');
                }
                reply::parameter(&mut out, key, value);
            }
            out.text("},");
        }
        out.text("\"inputs\":[");
        for (nth, (spec, tensor)) in self.tensors().enumerate() {
            if nth > 0 {
                out.push(b',');
            }
            reply::head(&mut out, &spec.name, tensor.datatype, self.shape(tensor));
            if binary {
                reply::behind(&mut out, &tensor.data);
                blobs.push(tensor.data.clone());
            } else {
                out.text(",\"data\":[");
                reply::elements(&mut out, tensor).ok_or_else(|| {
                    let (name, datatype) = (&spec.name, tensor.datatype.name());
                    Fault::invalid(format!(
                        "input '{name}' is {datatype}, and the server that has this version takes JSON alone, which has \
                         no form for what came"
                    ))
                })?;
                out.text("]}");
            }
        }
        out.text("]}");
        Ok(Encoded { json: out, blobs, binary })
    }

    fn expected(&self) -> usize {
        self.tensors.iter().map(reply::expected_of).sum()
    }
}
