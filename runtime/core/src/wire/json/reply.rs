//! An answer as the protocol's JSON, with outputs in it or, as bytes, behind it.

use super::text::Append;
use crate::base::{
    datatype::Datatype,
    fault::Fault,
    inference::{Answer, Parameters, Value},
    strings::Strings,
    tensor::Tensor,
};
use bytes::Bytes;
use smallvec::SmallVec;

/// How one output goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Json,
    Binary,
    /// Its data went elsewhere: the answer says no more than its shape.
    Elsewhere,
}

/// A reply's body, in pieces that go out one behind the other.
#[derive(Debug)]
pub struct Encoded {
    pub json: Vec<u8>,
    /// Views of the outputs' own memory; empty when all went into the JSON.
    pub blobs: SmallVec<[Bytes; 2]>,
    /// An output went as bytes: the client must be told where the JSON ends.
    pub binary: bool,
}

/// `form` decides by an output's name. A fault is the caller's: it asked for JSON of what JSON cannot say.
pub fn write(answer: &Answer, form: impl Fn(&str) -> Form) -> Result<Encoded, Fault> {
    let contract = &answer.contract;
    let mut blobs = SmallVec::new();
    let mut out = Vec::with_capacity(160 + expected(answer, &form));
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
        parameters(&mut out, &answer.parameters);
    }
    out.text(",\"outputs\":[");
    for (nth, (index, tensor)) in answer.outputs.iter().enumerate() {
        let spec = contract.outputs.get(*index);
        let spec = spec.ok_or_else(|| Fault::internal("an answer holds an output that no contract names"))?;
        if nth > 0 {
            out.push(b',');
        }
        self::tensor(&mut out, &mut blobs, &spec.name, tensor, form(&spec.name))?;
    }
    out.text("]}");
    let binary = !blobs.is_empty();
    Ok(Encoded { json: out, blobs, binary })
}

/// What stands before a tensor's data.
pub(super) fn head(out: &mut Vec<u8>, name: &str, datatype: Datatype, shape: &[i64]) {
    out.text("{\"name\":");
    out.string(name);
    out.text(",\"datatype\":\"");
    out.text(datatype.name());
    out.text("\",\"shape\":[");
    separated(out, shape.iter(), |out, size| {
        out.integer(*size);
        Some(())
    });
    out.push(b']');
}

/// The end of a tensor whose data stands behind the JSON.
pub(super) fn behind(out: &mut Vec<u8>, data: &Bytes) {
    out.text(",\"parameters\":{\"binary_data_size\":");
    out.integer(data.len());
    out.text("}}");
}

/// One of an answer's, or of a request's.
pub(super) fn tensor(
    out: &mut Vec<u8>,
    blobs: &mut SmallVec<[Bytes; 2]>,
    name: &str,
    tensor: &Tensor,
    form: Form,
) -> Result<(), Fault> {
    head(out, name, tensor.datatype, &tensor.shape);
    match form {
        Form::Binary => {
            behind(out, &tensor.data);
            blobs.push(tensor.data.clone());
        }
        Form::Elsewhere => out.push(b'}'),
        Form::Json => {
            out.text(",\"data\":[");
            elements(out, tensor).ok_or_else(|| unsayable(name, tensor.datatype, BINARY))?;
            out.text("]}");
        }
    }
    Ok(())
}

/// About how long the JSON becomes, so that it is allocated once.
fn expected(answer: &Answer, form: impl Fn(&str) -> Form) -> usize {
    let name = |index: usize| answer.contract.outputs.get(index).map(|spec| spec.name.as_str());
    let json = |index: usize| name(index).is_some_and(|name| form(name) == Form::Json);
    let each = answer.outputs.iter();
    each.map(|(index, tensor)| if json(*index) { expected_of(tensor) } else { 80 }).sum()
}

pub(super) fn expected_of(tensor: &Tensor) -> usize {
    let len = match tensor.datatype.size() {
        Some(4 | 8) => tensor.data.len().saturating_mul(3), // 12 characters for a float, 24 for a double
        Some(_) => tensor.data.len().saturating_mul(5),
        None => tensor.data.len(),
    };
    len.saturating_add(80)
}

const BINARY: &str =
    "Please use the binary data format (\"parameters\":{\"binary_data\":true} of the output)";

/// `instead`: what to do.
pub(super) fn unsayable(output: &str, datatype: Datatype, instead: &str) -> Fault {
    let why = if datatype == Datatype::Bytes {
        "an element of it is no UTF-8 text"
    } else {
        "that datatype has no form in JSON"
    };
    let datatype = datatype.name();
    Fault::invalid(format!(
        "sending {datatype} data via JSON is not supported for output '{output}': {why}. {instead}"
    ))
}

fn separated<T>(
    out: &mut Vec<u8>,
    values: impl Iterator<Item = T>,
    mut each: impl FnMut(&mut Vec<u8>, T) -> Option<()>,
) -> Option<()> {
    for (nth, value) in values.enumerate() {
        if nth > 0 {
            out.push(b',');
        }
        each(out, value)?;
    }
    Some(())
}

fn integers<const N: usize, T: itoa::Integer>(out: &mut Vec<u8>, data: &[u8], read: impl Fn([u8; N]) -> T) {
    let (values, _) = data.as_chunks::<N>();
    separated(out, values.iter(), |out, value| {
        out.integer(read(*value));
        Some(())
    });
}

/// All elements, flat. `None` for what JSON cannot say.
pub(super) fn elements(out: &mut Vec<u8>, tensor: &Tensor) -> Option<()> {
    let data = &*tensor.data;
    match tensor.datatype {
        Datatype::Bool => {
            return separated(out, data.iter(), |out, value| {
                out.text(if *value == 0 { "false" } else { "true" });
                Some(())
            });
        }
        Datatype::Uint8 => integers(out, data, u8::from_le_bytes),
        Datatype::Uint16 => integers(out, data, u16::from_le_bytes),
        Datatype::Uint32 => integers(out, data, u32::from_le_bytes),
        Datatype::Uint64 => integers(out, data, u64::from_le_bytes),
        Datatype::Int8 => integers(out, data, i8::from_le_bytes),
        Datatype::Int16 => integers(out, data, i16::from_le_bytes),
        Datatype::Int32 => integers(out, data, i32::from_le_bytes),
        Datatype::Int64 => integers(out, data, i64::from_le_bytes),
        Datatype::Fp32 => {
            let (values, _) = data.as_chunks::<4>();
            return separated(out, values.iter(), |out, value| {
                out.float(f32::from_le_bytes(*value));
                Some(())
            });
        }
        Datatype::Fp64 => {
            let (values, _) = data.as_chunks::<8>();
            return separated(out, values.iter(), |out, value| {
                out.float(f64::from_le_bytes(*value));
                Some(())
            });
        }
        Datatype::Bytes => {
            return separated(out, Strings::of(data), |out, element| {
                out.string(std::str::from_utf8(element.ok()?).ok()?);
                Some(())
            });
        }
        Datatype::Fp16 | Datatype::Bf16 => return None,
    }
    Some(())
}

pub(super) fn parameters(out: &mut Vec<u8>, parameters: &Parameters) {
    out.text("\"parameters\":{");
    for (nth, (key, value)) in parameters.iter().enumerate() {
        if nth > 0 {
            out.push(b',');
        }
        parameter(out, key, value);
    }
    out.push(b'}');
}

pub(super) fn parameter(out: &mut Vec<u8>, key: &str, value: &Value) {
    out.string(key);
    out.push(b':');
    match value {
        Value::Bool(value) => out.text(if *value { "true" } else { "false" }),
        Value::Int(value) => out.integer(*value),
        Value::Uint(value) => out.integer(*value),
        Value::Text(value) => out.string(value),
        Value::Double(value) => out.float(*value),
    }
}
