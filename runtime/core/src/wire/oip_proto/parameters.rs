//! Parameters of requests and answers: `map<string, InferParameter>`.

use super::field::{Fields, delimited_len, put_head, put_text, put_varint, text_len, varint_len};
use crate::base::{
    fault::Fault,
    inference::{InRegion, Parameters, Value},
    sequence::Correlation,
};
use crate::wire::limits::{NAME_BYTES, Room, TEXT_BYTES, short_enough};
use crate::wire::shared;
use bytes::{BufMut, BytesMut};
use compact_str::CompactString;
use std::time::Duration;

/// Set by us on every message of a stream.
pub const FINAL_RESPONSE: &str = "triton_final_response";

/// Asks for an empty message that closes a request's answers on a stream.
pub(super) const EMPTY_FINAL: &str = "triton_enable_empty_final_response";

/// Entries as they came: a value may be missing, a key may come twice.
pub(super) type Entries = Vec<(CompactString, Option<Value>)>;

/// Reads one entry of the map.
pub(super) fn read_entry(entry: &[u8], room: &mut Room) -> Result<(CompactString, Option<Value>), Fault> {
    let (mut key, mut value) = (CompactString::default(), None);
    let mut fields = Fields(entry);
    while let Some((number, wire)) = fields.next()? {
        room.take()?;
        match number {
            1 => key = wire.name("a key")?.into(),
            2 => value = read_value(wire.bytes()?, room)?.or(value),
            _ => {}
        }
    }
    Ok((key, value))
}

fn read_value(message: &[u8], room: &mut Room) -> Result<Option<Value>, Fault> {
    let mut value = None;
    let mut fields = Fields(message);
    while let Some((number, wire)) = fields.next()? {
        room.take()?;
        value = Some(match number {
            1 => Value::Bool(wire.varint()? != 0),
            2 => Value::Int(wire.varint()?.cast_signed()),
            3 => Value::Text(wire.text(TEXT_BYTES, "a parameter's text")?.to_owned()),
            4 => Value::Double(wire.double()?),
            5 => Value::Uint(wire.varint()?),
            _ => continue,
        });
    }
    Ok(value)
}

/// As in any protobuf map, the last entry of a key holds. Sorted by key: a map has no order.
pub(super) fn settle_keys(entries: &mut Entries) {
    if entries.len() > 1 {
        entries.reverse();
        entries.sort_by(|(a, _), (b, _)| a.cmp(b)); // stable: the last to come is first among equals
        entries.dedup_by(|(a, _), (b, _)| a == b);
    }
}

/// A request's parameters, checked, and what among them is for the server alone.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Checked {
    pub(super) parameters: Parameters,
    pub(super) timeout: Option<Duration>,
}

fn wrong_type(key: &str, expected: &str) -> Fault {
    Fault::invalid(format!("invalid value type for '{key}' parameter, expected {expected}."))
}

/// Applies the protocol's rules to each key.
pub(super) fn check(mut entries: Entries) -> Result<Checked, Fault> {
    settle_keys(&mut entries);
    let mut checked = Checked::default();
    checked.parameters.reserve_exact(entries.len());
    for (key, value) in entries {
        let value = value.ok_or_else(|| {
            let expected = "expected bool_param, int64_param, double_param or string_param.";
            Fault::invalid(format!("parameter '{key}' has no value, {expected}"))
        })?;
        match (key.as_str(), &value) {
            (Correlation::ID, Value::Int(_)) => {}
            (Correlation::ID, Value::Text(text)) => short_enough(text)?,
            (Correlation::ID, _) => return Err(wrong_type(&key, "int64_param or string_param")),
            (Correlation::START | Correlation::END, Value::Bool(_)) => {}
            (Correlation::START | Correlation::END, _) => return Err(wrong_type(&key, "bool_param")),
            ("priority", Value::Uint(_) | Value::Int(0..)) => {}
            ("priority", Value::Int(_)) => {
                return Err(Fault::invalid("invalid value for 'priority' parameter, expected value >= 0."));
            }
            ("priority", _) => return Err(wrong_type(&key, "int64_param or uint64_param")),
            ("timeout", Value::Int(micros)) => {
                let micros = u64::try_from(*micros).map_err(|_| {
                    Fault::invalid("invalid value for 'timeout' parameter, expected microseconds >= 0.")
                })?;
                checked.timeout = (micros > 0).then(|| Duration::from_micros(micros));
                continue;
            }
            ("timeout", _) => return Err(wrong_type(&key, "int64_param")),
            (EMPTY_FINAL, Value::Bool(_)) => continue, // the stream's
            ("triton_enable_empty_final_response", _) => return Err(wrong_type(&key, "bool_param")),
            (reserved, _) if reserved.starts_with("triton_") => {
                return Err(Fault::invalid(format!(
                    "parameter keys starting with 'triton_' are reserved for Triton usage and should not be \
                     specified; got '{reserved}'"
                )));
            }
            (_, Value::Uint(_)) => {
                return Err(wrong_type(&key, "bool_param, int64_param, double_param or string_param"));
            }
            (_, Value::Bool(_) | Value::Int(_) | Value::Double(_) | Value::Text(_)) => {}
        }
        checked.parameters.push((key, value));
    }
    Ok(checked)
}

fn value_len(value: &Value) -> usize {
    match value {
        Value::Bool(_) => 2,
        Value::Int(number) => 1 + varint_len(number.cast_unsigned()),
        Value::Uint(number) => 1 + varint_len(*number),
        Value::Double(_) => 9,
        Value::Text(text) => delimited_len(text.len()), // a oneof is written even when it is empty
    }
}

/// Bytes of one entry of the map, without the field's own key and length.
pub(super) fn entry_len(key: &str, value: &Value) -> usize {
    text_len(key) + delimited_len(value_len(value))
}

/// Writes one entry as field `number`.
pub(super) fn put_entry(out: &mut BytesMut, number: u8, key: &str, value: &Value) {
    put_head(out, number, entry_len(key, value));
    put_text(out, 1, key);
    put_head(out, 2, value_len(value));
    match value {
        Value::Bool(flag) => out.put_slice(&[0x08, u8::from(*flag)]),
        Value::Int(integer) => {
            out.put_u8(0x10);
            put_varint(out, integer.cast_unsigned());
        }
        Value::Text(text) => {
            put_head(out, 3, text.len());
            out.put_slice(text.as_bytes());
        }
        Value::Double(real) => {
            out.put_u8(0x21);
            out.put_f64_le(*real);
        }
        Value::Uint(integer) => {
            out.put_u8(0x28);
            put_varint(out, *integer);
        }
    }
}

/// The value of a tensor's parameter, if it is there.
pub(super) fn find<'a>(
    entries: &'a [(CompactString, Option<Value>)],
    key: &str,
) -> Option<&'a Option<Value>> {
    // From the back: the last entry of a key holds.
    entries.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
}

/// Where in shared memory a tensor lies that has these parameters.
pub(super) fn in_region(
    entries: &[(CompactString, Option<Value>)],
    of: &dyn std::fmt::Display,
) -> Result<Option<Box<InRegion>>, Fault> {
    if entries.is_empty() {
        return Ok(None);
    }
    let wrong = |key: &str, expected: &str| {
        Fault::invalid(format!("invalid value for '{key}' parameter of {of}, expected {expected}."))
    };
    let count = |key: &str| {
        let Some(value) = find(entries, key) else { return Ok(None) };
        let count = match value {
            Some(Value::Int(count)) => u64::try_from(*count).ok(),
            Some(Value::Uint(count)) => Some(*count),
            Some(Value::Bool(_) | Value::Double(_) | Value::Text(_)) | None => None,
        };
        count.map(Some).ok_or_else(|| wrong(key, "int64_param of 0 or more"))
    };
    let region = match find(entries, shared::REGION) {
        None => None,
        Some(Some(Value::Text(region))) if region.len() <= NAME_BYTES => Some(region.into()),
        Some(_) => return Err(wrong(shared::REGION, "string_param")),
    };
    shared::Told { region, len: count(shared::LEN)?, offset: count(shared::OFFSET)? }.whole(of)
}
