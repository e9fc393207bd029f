//! The metadata messages of frames, to and from the words of `base`.

use super::frame::Malformed;
use crate::base::{
    call::{Execution, Sealed, Timing},
    contract::{Batching, Contract, Join, Pad, TensorSpec, Term},
    datatype::Datatype,
    fault::{Fault, Kind, Phase},
    inference::{Parameters, Value},
    units::Version,
};
use bytes::Bytes;
use prost::Message;

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

pub fn executed_out(contract: &Contract, execution: &Execution) -> proto::Executed {
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
    let (model, version) = (contract.model.to_string(), contract.version.0);
    proto::Executed {
        model,
        version,
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
    }
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

pub fn contract_out(contract: &Contract) -> proto::Contract {
    let Contract { model, version, platform, inputs, outputs, batching, repeatable, lanes, streams } =
        contract;
    let spec = |spec: &TensorSpec| proto::TensorSpec {
        name: spec.name.to_string(),
        datatype: spec.datatype.number().into(),
        shape: spec.shape.clone(),
        join: join_out(&spec.join),
        like: spec.like.as_ref().map(ToString::to_string),
    };
    proto::Contract {
        model: model.to_string(),
        version: version.0,
        platform: platform.to_string(),
        inputs: inputs.iter().map(spec).collect(),
        outputs: outputs.iter().map(spec).collect(),
        batching: Some(batching_out(batching)),
        repeatable: *repeatable,
        lanes: *lanes,
        streams: *streams,
    }
}

pub fn contract_in(contract: proto::Contract) -> Result<Contract, Malformed> {
    let specs = |list: Vec<proto::TensorSpec>| list.into_iter().map(spec_in).collect::<Result<Vec<_>, _>>();
    let missing = || Malformed::Meta(format!("the contract of model '{}' has no batching", contract.model));
    let batching = contract.batching.ok_or_else(missing)?;
    Ok(Contract {
        model: contract.model.into(),
        version: Version(contract.version),
        platform: contract.platform.into(),
        inputs: specs(contract.inputs)?,
        outputs: specs(contract.outputs)?,
        batching: batching_in(batching)?,
        repeatable: contract.repeatable,
        lanes: contract.lanes,
        streams: contract.streams,
    })
}

pub fn batching_out(batching: &Batching) -> proto::Batching {
    proto::Batching {
        max_rows: batching.max_rows,
        max_delay_ms: batching.max_delay_ms,
        queue_rows: batching.queue_rows,
        deadline_ms: batching.deadline_ms,
        priorities: batching.priorities.into(),
        default_priority: batching.default_priority.map(u32::from),
        allowed_rows: batching.allowed_rows.clone(),
        tenant_header: batching.tenant_header.as_ref().map(ToString::to_string),
        cost: batching.cost.iter().map(term_out).collect(),
        max_cost: batching.max_cost,
        split_oversize: batching.split_oversize,
    }
}

pub fn batching_in(batching: proto::Batching) -> Result<Batching, Malformed> {
    let level = |level: u32| u8::try_from(level).unwrap_or(u8::MAX).max(1);
    Ok(Batching {
        max_rows: batching.max_rows,
        max_delay_ms: batching.max_delay_ms,
        queue_rows: batching.queue_rows,
        deadline_ms: batching.deadline_ms,
        priorities: level(batching.priorities),
        default_priority: batching.default_priority.map(level),
        allowed_rows: batching.allowed_rows,
        tenant_header: batching.tenant_header.map(Into::into),
        cost: batching.cost.into_iter().map(term_in).collect::<Result<_, _>>()?,
        max_cost: batching.max_cost,
        split_oversize: batching.split_oversize,
    })
}

fn term_out(term: &Term) -> proto::CostTerm {
    let count = match term {
        Term::Rows => 0,
        Term::Elements(_) => 1,
        Term::Bytes(_) => 2,
        Term::Value(_) => 3,
    };
    proto::CostTerm { count, input: term.input().map(ToString::to_string).unwrap_or_default() }
}

fn term_in(term: proto::CostTerm) -> Result<Term, Malformed> {
    let input = term.input.into();
    match term.count {
        0 => Ok(Term::Rows),
        1 => Ok(Term::Elements(input)),
        2 => Ok(Term::Bytes(input)),
        3 => Ok(Term::Value(input)),
        count => Err(Malformed::Meta(format!("a cost counts {count} of input '{input}'"))),
    }
}

fn join_out(join: &Join) -> Option<proto::Join> {
    match join {
        Join::Stack => None,
        Join::Pad(Pad { fill, multiple_of, sizes }) => {
            Some(proto::Join { how: 1, fill: *fill, multiple_of: *multiple_of, sizes: sizes.clone() })
        }
        Join::Ragged => Some(proto::Join { how: 2, ..proto::Join::default() }),
    }
}

fn join_in(join: Option<proto::Join>, name: &str) -> Result<Join, Malformed> {
    let Some(proto::Join { how, fill, multiple_of, sizes }) = join else { return Ok(Join::Stack) };
    match how {
        1 => Ok(Join::Pad(Pad { fill, multiple_of, sizes })),
        2 => Ok(Join::Ragged),
        how => Err(Malformed::Meta(format!("rows of input '{name}' join as {how}"))),
    }
}

fn spec_in(spec: proto::TensorSpec) -> Result<TensorSpec, Malformed> {
    let datatype = u8::try_from(spec.datatype).ok().and_then(Datatype::from_number);
    let datatype = datatype
        .ok_or_else(|| Malformed::Meta(format!("tensor '{}' has datatype {}", spec.name, spec.datatype)))?;
    let join = join_in(spec.join, &spec.name)?;
    let like = spec.like.map(Into::into);
    Ok(TensorSpec { name: spec.name.into(), datatype, shape: spec.shape, join, like })
}
