//! Sequences: requests that a stateful model answers in order, and remembers between.

use super::{
    contract::TensorSpec,
    fault::Fault,
    inference::{Parameters, Value},
    numbered::numbered,
};
use compact_str::CompactString;
use serde::Deserialize;
use std::fmt;

/// Bytes of an id that is a text, as Triton has it.
pub const MOST_ID_BYTES: usize = 128;

/// A sequence's name, which its caller chose. A number and a text are never the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CorrelationId {
    Number(u64),
    Text(CompactString),
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CorrelationId::Number(number) => number.fmt(out),
            CorrelationId::Text(text) => text.fmt(out),
        }
    }
}

/// Which sequence a request is of, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correlation {
    pub id: CorrelationId,
    pub start: bool,
    pub end: bool,
}

impl Correlation {
    pub const ID: &str = "sequence_id";
    pub const START: &str = "sequence_start";
    pub const END: &str = "sequence_end";

    /// `None`: the request names no sequence. Whoever read the parameters has checked their types.
    pub fn of(parameters: &Parameters) -> Option<Correlation> {
        let value = |key| parameters.iter().find(|(name, _)| name == key).map(|(_, value)| value);
        let id = match value(Correlation::ID)? {
            Value::Uint(0) | Value::Int(0) => return None,
            Value::Uint(number) => CorrelationId::Number(*number),
            Value::Int(number) => CorrelationId::Number(number.cast_unsigned()),
            Value::Text(text) if !text.is_empty() => CorrelationId::Text(text.into()),
            Value::Text(_) | Value::Bool(_) | Value::Double(_) => return None,
        };
        let flag = |key| value(key) == Some(&Value::Bool(true));
        Some(Correlation { id, start: flag(Correlation::START), end: flag(Correlation::END) })
    }

    /// The message is Triton's.
    pub fn not_started(&self, model: &str) -> Fault {
        Fault::invalid(format!(
            "inference request for sequence {} to model '{model}' must specify the START flag on the first request of \
             the sequence",
            self.id
        ))
    }
}

/// How a version is given the requests of its sequences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Each sequence has a row of its own in every batch, for as long as it lives.
    Direct,
    /// A batch has at most one request of each sequence, in the order in which they would be served anyway.
    #[default]
    Oldest,
}

/// Operations of a stateful version; what stands here does not change while it serves.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SequenceBatching {
    #[serde(default)]
    pub strategy: Strategy,
    /// A sequence that asks nothing for so long is forgotten.
    pub idle_ms: f64,
    /// Sequences that are at work in one host; others wait with their first request.
    pub max_sequences: u32,
    /// Inputs that the host fills, behind those that callers send.
    #[serde(default)]
    pub controls: Vec<Control>,
}

numbered! {
    /// What a control input tells the model of each row.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    ControlKind:
    /// 1 in the first request of a sequence.
    Start = 1 "start",
    /// 1 in the last one.
    End = 2 "end",
    /// 1 where there is a request, 0 in rows that are nobody's.
    Ready = 3 "ready",
    /// The sequence's id.
    Id = 4 "id",
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    pub kind: ControlKind,
    /// Of one element a row.
    pub tensor: TensorSpec,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_sequence_by_a_number_or_a_text() {
        let number = |number| Some(CorrelationId::Number(number));
        let table = [
            (Value::Uint(7), number(7)),
            (Value::Int(7), number(7)),
            (Value::Int(-1), number(u64::MAX)),
            (Value::Text("7".into()), Some(CorrelationId::Text("7".into()))),
            (Value::Uint(0), None),
            (Value::Int(0), None),
            (Value::Text(String::new()), None),
            (Value::Bool(true), None),
            (Value::Double(7.0), None),
        ];
        for (value, want) in table {
            let parameters = vec![(Correlation::ID.into(), value.clone())];
            assert_eq!(Correlation::of(&parameters).map(|one| one.id), want, "{value:?}");
        }
        assert_eq!(Correlation::of(&vec![(Correlation::START.into(), Value::Bool(true))]), None);
    }

    #[test]
    fn a_flag_is_set_where_it_is_true() {
        let of = |start, end| {
            let flags = [(Correlation::START, start), (Correlation::END, end)];
            let flags = flags.into_iter().filter_map(|(key, flag)| Some((key.into(), Value::Bool(flag?))));
            let parameters = [(Correlation::ID.into(), Value::Uint(1))].into_iter().chain(flags).collect();
            Correlation::of(&parameters).map(|one| (one.start, one.end)).unwrap()
        };
        assert_eq!(of(None, None), (false, false));
        assert_eq!(of(Some(true), Some(false)), (true, false));
        assert_eq!(of(Some(false), Some(true)), (false, true));
        assert_eq!(of(Some(true), Some(true)), (true, true));
    }
}
