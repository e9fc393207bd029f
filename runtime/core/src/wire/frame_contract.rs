//! A version's contract in the metadata of frames.

use super::{frame::Malformed, frame_meta::proto};
use crate::base::{
    contract::{Batching, Contract, Feedback, Join, Pad, TensorSpec, Term},
    datatype::Datatype,
    sequence::{Control, ControlKind, SequenceBatching, Strategy},
    units::Version,
};

pub fn contract_out(contract: &Contract) -> proto::Contract {
    let Contract { model, version, platform, inputs, outputs, batching, .. } = contract;
    let Contract { repeatable, lanes, streams, unbatched, sequences, feedback, .. } = contract;
    proto::Contract {
        model: model.to_string(),
        version: version.0,
        platform: platform.to_string(),
        inputs: inputs.iter().map(spec_out).collect(),
        outputs: outputs.iter().map(spec_out).collect(),
        batching: Some(batching_out(batching)),
        repeatable: *repeatable,
        lanes: *lanes,
        streams: *streams,
        unbatched: *unbatched,
        sequences: sequences.as_deref().map(sequences_out),
        feedback: feedback.as_deref().map(feedback_out),
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
        unbatched: contract.unbatched,
        sequences: contract.sequences.map(sequences_in).transpose()?,
        feedback: contract.feedback.map(feedback_in).transpose()?,
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

fn spec_out(spec: &TensorSpec) -> proto::TensorSpec {
    proto::TensorSpec {
        name: spec.name.to_string(),
        datatype: spec.datatype.number().into(),
        shape: spec.shape.clone(),
        join: join_out(&spec.join),
        like: spec.like.as_ref().map(ToString::to_string),
    }
}

fn sequences_out(sequences: &SequenceBatching) -> proto::SequenceBatching {
    let control = |control: &Control| proto::Control {
        kind: control.kind.number().into(),
        tensor: Some(spec_out(&control.tensor)),
    };
    proto::SequenceBatching {
        strategy: match sequences.strategy {
            Strategy::Oldest => 0,
            Strategy::Direct => 1,
        },
        idle_ms: sequences.idle_ms,
        max_sequences: sequences.max_sequences,
        controls: sequences.controls.iter().map(control).collect(),
    }
}

fn sequences_in(sequences: proto::SequenceBatching) -> Result<Box<SequenceBatching>, Malformed> {
    let control = |control: proto::Control| {
        let kind = u8::try_from(control.kind).ok().and_then(ControlKind::from_number);
        let both = kind.zip(control.tensor);
        let (kind, tensor) =
            both.ok_or_else(|| Malformed::Meta(format!("a control input is of kind {}", control.kind)))?;
        Ok(Control { kind, tensor: spec_in(tensor)? })
    };
    Ok(Box::new(SequenceBatching {
        strategy: match sequences.strategy {
            0 => Strategy::Oldest,
            1 => Strategy::Direct,
            other => return Err(Malformed::Meta(format!("sequences are batched as {other}"))),
        },
        idle_ms: sequences.idle_ms,
        max_sequences: sequences.max_sequences,
        controls: sequences.controls.into_iter().map(control).collect::<Result<_, _>>()?,
    }))
}

fn feedback_out(feedback: &Feedback) -> proto::Feedback {
    let Feedback { output, within_hours, share } = feedback;
    let output = u32::try_from(*output).unwrap_or(u32::MAX);
    proto::Feedback { output, within_hours: u32::from(*within_hours), share: *share }
}

fn feedback_in(feedback: proto::Feedback) -> Result<Box<Feedback>, Malformed> {
    let proto::Feedback { output, within_hours, share } = feedback;
    let bad = || Malformed::Meta(format!("labels of output {output} may take {within_hours} hours"));
    let output = usize::try_from(output).map_err(|_| bad())?;
    let within_hours = u16::try_from(within_hours).map_err(|_| bad())?;
    Ok(Box::new(Feedback { output, within_hours, share }))
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
