//! What a request carries that may decide who answers it.

use super::policy::Fact;
use crate::base::inference::{Inference, Parameters, Value};
use compact_str::CompactString;

/// The same request has the same facts over HTTP and gRPC.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// Of headers or metadata those that tables name, in lower case.
    pub headers: &'a [(CompactString, CompactString)],
    pub parameters: &'a [(CompactString, Value)],
}

impl<'a> Facts<'a> {
    pub fn of(inference: &'a Inference) -> Facts<'a> {
        let parameters: &Parameters = &inference.parameters;
        Facts { headers: &inference.facts, parameters }
    }

    /// Shows the value to `look`, as text: whole numbers in decimal, truths as `true` and `false`. `None` where there
    /// is none: an empty text is none, and so is a number with a fraction, which has no one way to be written.
    pub fn read<T>(&self, fact: &Fact, look: impl FnOnce(&str) -> T) -> Option<T> {
        let mut digits = itoa::Buffer::new();
        let text = match fact {
            Fact::Header(name) => find(self.headers, name)?.as_str(),
            Fact::Parameter(name) => match find(self.parameters, name)? {
                Value::Text(text) => text,
                Value::Int(number) => digits.format(*number),
                Value::Uint(number) => digits.format(*number),
                Value::Bool(true) => "true",
                Value::Bool(false) => "false",
                Value::Double(_) => return None,
            },
        };
        (!text.is_empty()).then(|| look(text))
    }
}

fn find<'a, T>(pairs: &'a [(CompactString, T)], wanted: &str) -> Option<&'a T> {
    pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_text_in_one_way() {
        let headers = [("x-team".into(), "red".into()), ("x-none".into(), "".into())];
        let parameters = [
            ("x-team".into(), Value::Text("blue".to_owned())),
            ("user".into(), Value::Int(-17)),
            ("level".into(), Value::Uint(u64::MAX)),
            ("beta".into(), Value::Bool(true)),
            ("plain".into(), Value::Bool(false)),
            ("half".into(), Value::Double(2.0)),
            ("empty".into(), Value::Text(String::new())),
        ];
        let facts = Facts { headers: &headers, parameters: &parameters };
        let (header, parameter) = (Fact::Header, Fact::Parameter);
        let table = [
            (header("x-team".into()), Some("red")),
            (header("x-none".into()), None),
            (header("user".into()), None),
            (parameter("x-team".into()), Some("blue")),
            (parameter("user".into()), Some("-17")),
            (parameter("level".into()), Some("18446744073709551615")),
            (parameter("beta".into()), Some("true")),
            (parameter("plain".into()), Some("false")),
            (parameter("half".into()), None),
            (parameter("empty".into()), None),
            (parameter("nothing".into()), None),
        ];
        for (fact, want) in table {
            assert_eq!(facts.read(&fact, str::to_owned).as_deref(), want, "{fact:?}");
        }
    }
}
