//! Values of a wanted type; what comes instead is named with the words that Triton's clients know.

use super::scan::Scan;
use crate::base::{fault::Fault, inference::Value};
use crate::wire::limits::{NAME_BYTES, TEXT_BYTES, short_enough};
use std::borrow::Cow;

pub(super) fn missing(key: &str) -> Fault {
    Fault::invalid(format!("Unable to parse '{key}': attempt to access non-existing object member '{key}'"))
}

pub(super) fn mistyped(key: &str, what: &str) -> Fault {
    Fault::invalid(format!("Unable to parse '{key}': attempt to access JSON non-{what} as {what}"))
}

/// The next value begins with `byte`, as a value of this kind does.
pub(super) fn need(scan: &mut Scan<'_>, byte: u8, key: &str, what: &str) -> Result<(), Fault> {
    if scan.peek() == Some(byte) {
        return Ok(());
    }
    scan.skip()?; // what is no JSON at all is told as that
    Err(mistyped(key, what))
}

/// An id, or a name of something.
pub(super) fn string<'a>(scan: &mut Scan<'a>, key: &str) -> Result<Cow<'a, str>, Fault> {
    need(scan, b'"', key, "string")?;
    scan.string_within(NAME_BYTES, key)
}

pub(super) fn boolean(scan: &mut Scan<'_>, key: &str) -> Result<bool, Fault> {
    if scan.accept_word("true") {
        return Ok(true);
    }
    if scan.accept_word("false") {
        return Ok(false);
    }
    scan.skip()?;
    Err(mistyped(key, "boolean"))
}

pub(super) fn unsigned(scan: &mut Scan<'_>, key: &str) -> Result<u64, Fault> {
    if let Some(b'-' | b'0'..=b'9') = scan.peek() {
        return scan.number()?.to_u64().ok_or_else(|| mistyped(key, "unsigned-integer"));
    }
    scan.skip()?;
    Err(mistyped(key, "unsigned-integer"))
}

/// The same for a member that a caller may not know: what it holds is said besides.
pub(super) fn unsigned_as(scan: &mut Scan<'_>, key: &str, meaning: &str) -> Result<u64, Fault> {
    let start = *scan;
    unsigned(scan, key).map_err(|fault| match start.clone().skip() {
        Ok(()) => Fault { note: format!("{}: {key} is {meaning}", fault.note).into(), ..fault },
        Err(_) => fault, // no JSON at all
    })
}

/// A sequence's: a number that is not negative, or a text.
pub(super) fn correlation_id(scan: &mut Scan<'_>, key: &str) -> Result<Value, Fault> {
    if let Some(b'-' | b'0'..=b'9') = scan.peek() {
        let id = scan.number()?.to_u64().ok_or_else(|| mistyped(key, "string"))?;
        return Ok(i64::try_from(id).map_or(Value::Uint(id), Value::Int));
    }
    need(scan, b'"', key, "string")?;
    let text = scan.string_within(TEXT_BYTES, "a parameter's text")?;
    short_enough(&text)?;
    Ok(Value::Text(text.into_owned()))
}

/// A parameter's value: anything but null, an array or an object.
pub(super) fn value(scan: &mut Scan<'_>, key: &str) -> Result<Value, Fault> {
    match scan.peek() {
        Some(b'"') => {
            let text = scan.string_within(TEXT_BYTES, "a parameter's text")?;
            Ok(Value::Text(text.into_owned()))
        }
        Some(b't' | b'f') => boolean(scan, key).map(Value::Bool),
        Some(b'-' | b'0'..=b'9') => {
            let number = scan.number()?;
            let whole = number.is_whole();
            let signed = number.to_i64().map(Value::Int).or_else(|| number.to_u64().map(Value::Uint));
            let value = if whole { signed } else { number.to_f64().map(Value::Double) };
            value.ok_or_else(|| {
                Fault::invalid(format!("parameter '{key}' does not fit 64 bits: {}", number.text))
            })
        }
        _ => {
            scan.skip()?;
            Err(Fault::invalid(format!(
                "parameter '{key}' has invalid type. It should be either 'int', 'bool', or 'string'."
            )))
        }
    }
}
