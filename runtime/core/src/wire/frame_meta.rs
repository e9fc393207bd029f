//! The metadata messages of frames, to and from the words of `base`.

pub use super::frame_contract::{batching_in, batching_out, contract_in, contract_out};

use super::frame::Malformed;
use crate::base::{
    call::{Execution, Sealed, Timing},
    contract::Contract,
    fault::{Fault, Kind, Phase},
    inference::{Parameters, Value},
    units::Version,
};
use bytes::Bytes;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};

/// Generated from `proto/link.proto`.
#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub, reason = "generated")]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/headrace.link.rs"));
}

/// What this build speaks, and the oldest it still understands.
pub const PROTOCOL: u32 = 1;
pub const OLDEST_PROTOCOL: u32 = 1;

pub fn decode<M: Message + Default>(meta: &Bytes) -> Result<M, Malformed> {
    M::decode(meta.as_ref()).map_err(|error| Malformed::Meta(error.to_string()))
}

/// Appends a message; a `Vec` never runs out of room.
pub fn append(out: &mut Vec<u8>, message: &impl Message) {
    message.encode_raw(out);
}

/// Appends the fields in which an `Infer` and an `Executed` say which version they are of: a message of its own would
/// have to own the name.
pub fn append_version(out: &mut Vec<u8>, model: &str, version: Version) {
    encode_key(1, WireType::LengthDelimited, out);
    encode_varint(u64::try_from(model.len()).unwrap_or(u64::MAX), out);
    out.extend_from_slice(model.as_bytes());
    prost::encoding::uint64::encode(2, &version.0, out);
}

pub fn parameters_out(parameters: &Parameters) -> Vec<proto::Parameter> {
    use proto::parameter::Value as Wire;
    let wire = |value: &Value| match value {
        Value::Bool(value) => Wire::BoolValue(*value),
        Value::Int(value) => Wire::IntValue(*value),
        Value::Uint(value) => Wire::UintValue(*value),
        Value::Double(value) => Wire::DoubleValue(*value),
        Value::Text(value) => Wire::TextValue(value.clone()),
    };
    parameters
        .iter()
        .map(|(name, value)| proto::Parameter { name: name.to_string(), value: Some(wire(value)) })
        .collect()
}

pub fn parameters_in(list: Vec<proto::Parameter>) -> Result<Parameters, Malformed> {
    use proto::parameter::Value as Wire;
    let value = |parameter: proto::Parameter| {
        let value = match parameter.value {
            Some(Wire::BoolValue(value)) => Value::Bool(value),
            Some(Wire::IntValue(value)) => Value::Int(value),
            Some(Wire::UintValue(value)) => Value::Uint(value),
            Some(Wire::DoubleValue(value)) => Value::Double(value),
            Some(Wire::TextValue(value)) => Value::Text(value),
            None => return Err(Malformed::Meta(format!("parameter '{}' has no value", parameter.name))),
        };
        Ok((parameter.name.into(), value))
    };
    list.into_iter().map(value).collect()
}

pub fn timing_out(timing: &Timing) -> Option<proto::Timing> {
    let Timing { queue_ns, input_ns, infer_ns, output_ns, batch_rows, sealed } = *timing;
    let sealed = sealed.number().into();
    Some(proto::Timing { queue_ns, input_ns, infer_ns, output_ns, batch_rows, sealed })
}

pub fn timing_in(timing: Option<proto::Timing>) -> Timing {
    let timing = timing.unwrap_or_default();
    let proto::Timing { queue_ns, input_ns, infer_ns, output_ns, batch_rows, sealed } = timing;
    Timing { queue_ns, input_ns, infer_ns, output_ns, batch_rows, sealed: sealed_in(sealed) }
}

pub fn failure_out(fault: &Fault, timing: &Timing) -> proto::Failure {
    proto::Failure {
        kind: fault.kind.number().into(),
        phase: (fault.phase as u8).into(),
        note: fault.note.to_string(),
        timing: timing_out(timing),
    }
}

pub fn failure_in(failure: proto::Failure) -> Result<(Fault, Timing), Malformed> {
    let kind = u8::try_from(failure.kind).ok().and_then(Kind::from_number);
    let phase = u8::try_from(failure.phase).ok().and_then(Phase::from_number);
    let (Some(kind), Some(phase)) = (kind, phase) else {
        return Err(Malformed::Meta(format!("fault kind {} phase {}", failure.kind, failure.phase)));
    };
    Ok((Fault::new(kind, failure.note).at(phase), timing_in(failure.timing)))
}

pub fn append_executed(out: &mut Vec<u8>, contract: &Contract, execution: &Execution) {
    append_version(out, &contract.model, contract.version);
    let Execution {
        rows,
        padding,
        padding_bytes,
        sealed,
        input_ns,
        infer_ns,
        output_ns,
        between_ns,
        cost,
        failed,
    } = *execution;
    let sealed = sealed.number().into();
    let rest = proto::Executed {
        rows,
        input_ns,
        infer_ns,
        output_ns,
        failed,
        padding,
        sealed,
        padding_bytes,
        between_ns,
        cost,
        ..proto::Executed::default()
    };
    append(out, &rest);
}

pub fn executed_in(executed: &proto::Executed) -> Execution {
    let proto::Executed {
        rows,
        padding,
        padding_bytes,
        sealed,
        input_ns,
        infer_ns,
        output_ns,
        between_ns,
        cost,
        failed,
        ..
    } = *executed;
    let sealed = sealed_in(sealed);
    Execution {
        rows,
        padding,
        padding_bytes,
        sealed,
        input_ns,
        infer_ns,
        output_ns,
        between_ns,
        cost,
        failed,
    }
}

/// Of a host that knows more of them: the one that says least.
fn sealed_in(sealed: u32) -> Sealed {
    u8::try_from(sealed).ok().and_then(Sealed::from_number).unwrap_or_default()
}
