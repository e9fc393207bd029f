//! Typed tensor contents → the bytes of the tensor.

use super::field::{Fields, Value, each_varint, fixed};
use crate::base::{
    datatype::Datatype,
    fault::{Fault, Kind},
};
use crate::wire::budget::Budget;
use bytes::Bytes;

/// The field of `InferTensorContents` that carries a datatype; none for those that travel raw only.
fn field_of(datatype: Datatype) -> Option<u32> {
    match datatype {
        Datatype::Bool => Some(1),
        Datatype::Int8 | Datatype::Int16 | Datatype::Int32 => Some(2),
        Datatype::Int64 => Some(3),
        Datatype::Uint8 | Datatype::Uint16 | Datatype::Uint32 => Some(4),
        Datatype::Uint64 => Some(5),
        Datatype::Fp32 => Some(6),
        Datatype::Fp64 => Some(7),
        Datatype::Bytes => Some(8),
        Datatype::Fp16 | Datatype::Bf16 => None,
    }
}

/// What a field holds, as messages name it.
fn name_of(field: u32) -> &'static str {
    match field {
        1 => "BOOL",
        2 => "INT32",
        3 => "INT64",
        4 => "UINT32",
        5 => "UINT64",
        6 => "FP32",
        7 => "FP64",
        _ => "BYTES",
    }
}

/// A tensor's bytes out of its `contents` messages (more than one is legal and means their sum). An
/// integer that does not fit the datatype is refused.
///
/// `budget` is for what is written out; a varint of one byte becomes up to eight.
pub(super) fn tensor_bytes(
    message: &Bytes,
    input: &str,
    contents: &[&[u8]],
    datatype: Datatype,
    budget: &mut Budget<'_>,
    wrong_type: impl Fn(&'static str) -> Fault,
) -> Result<Bytes, Fault> {
    let own = field_of(datatype);
    let width = datatype.size().unwrap_or(4);
    let mut runs = 0_usize;
    let mut size = 0_usize;
    let mut only = None;
    // First look: is everything in the right field, and how large will it be?
    for part in contents {
        let mut fields = Fields(part);
        while let Some((number, value)) = fields.next()? {
            if !(1..=8).contains(&number) || matches!(value, Value::Bytes([])) && number != 8 {
                continue; // unknown to us, or an empty run
            }
            if own != Some(number) {
                return Err(wrong_type(name_of(number)));
            }
            size = size.saturating_add(written_size(datatype, width, &value)?);
            runs += 1;
            if let Value::Bytes(run) = value {
                only = Some(run);
            }
        }
    }
    if let (1, Some(run), Datatype::Fp32 | Datatype::Fp64) = (runs, only, datatype) {
        return Ok(message.slice_ref(run)); // packed floats are the tensor's bytes already
    }
    if size > budget.left() {
        let note = format!("typed tensor contents take {size} bytes, more than a request may; send raw");
        return Err(Fault::new(Kind::TooLarge, note));
    }
    budget.spend(size);
    budget.take(size)?;
    let mut out = Vec::with_capacity(size);
    for part in contents {
        let mut fields = Fields(part);
        while let Some((number, value)) = fields.next()? {
            if own == Some(number) {
                write(input, datatype, width, &value, &mut out)?;
            }
        }
    }
    Ok(Bytes::from(out))
}

/// Whether contents are a single packed run of floats, which is found without a look at what it holds.
pub(super) fn is_one_run(contents: &[u8]) -> bool {
    let mut fields = Fields(contents);
    matches!(fields.next(), Ok(Some((6 | 7, Value::Bytes(_))))) && matches!(fields.next(), Ok(None))
}

fn written_size(datatype: Datatype, width: usize, value: &Value<'_>) -> Result<usize, Fault> {
    Ok(match datatype {
        Datatype::Bytes => value.bytes()?.len().saturating_add(4),
        Datatype::Fp32 => fixed::<4>(value)?.len(),
        Datatype::Fp64 => fixed::<8>(value)?.len(),
        Datatype::Bool
        | Datatype::Int8
        | Datatype::Int16
        | Datatype::Int32
        | Datatype::Int64
        | Datatype::Uint8
        | Datatype::Uint16
        | Datatype::Uint32
        | Datatype::Uint64
        | Datatype::Fp16
        | Datatype::Bf16 => match value {
            Value::Bytes(packed) => packed.iter().filter(|byte| **byte < 0x80).count().saturating_mul(width),
            Value::Varint(_) | Value::Fixed64(_) | Value::Fixed32(_) => width,
        },
    })
}

fn write(
    input: &str,
    datatype: Datatype,
    width: usize,
    value: &Value<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    match datatype {
        Datatype::Bytes => {
            let element = value.bytes()?;
            let len =
                u32::try_from(element.len()).map_err(|_| Fault::invalid("a BYTES element exceeds 4 GiB"))?;
            out.extend_from_slice(&len.to_le_bytes());
            out.extend_from_slice(element);
        }
        Datatype::Fp32 => out.extend_from_slice(fixed::<4>(value)?),
        Datatype::Fp64 => out.extend_from_slice(fixed::<8>(value)?),
        Datatype::Bool => each_varint(*value, |number| {
            out.push(u8::from(number != 0));
            Ok(())
        })?,
        Datatype::Int8
        | Datatype::Int16
        | Datatype::Int32
        | Datatype::Int64
        | Datatype::Uint8
        | Datatype::Uint16
        | Datatype::Uint32
        | Datatype::Uint64
        | Datatype::Fp16
        | Datatype::Bf16 => each_varint(*value, |number| {
            if !fits(datatype, number) {
                return Err(unfit(input, datatype, number));
            }
            out.extend(number.to_le_bytes().iter().take(width));
            Ok(())
        })?,
    }
    Ok(())
}

/// What a field of 32 bits holds: protobuf itself says that no more of a varint counts.
fn low(number: u64) -> u32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

fn fits(datatype: Datatype, number: u64) -> bool {
    match datatype {
        Datatype::Int8 => i8::try_from(low(number).cast_signed()).is_ok(),
        Datatype::Int16 => i16::try_from(low(number).cast_signed()).is_ok(),
        Datatype::Uint8 => u8::try_from(low(number)).is_ok(),
        Datatype::Uint16 => u16::try_from(low(number)).is_ok(),
        Datatype::Bool
        | Datatype::Int32
        | Datatype::Int64
        | Datatype::Uint32
        | Datatype::Uint64
        | Datatype::Fp16
        | Datatype::Bf16
        | Datatype::Fp32
        | Datatype::Fp64
        | Datatype::Bytes => true,
    }
}

#[cold]
fn unfit(input: &str, datatype: Datatype, number: u64) -> Fault {
    let name = datatype.name();
    let what = if matches!(datatype, Datatype::Int8 | Datatype::Int16) {
        low(number).cast_signed().to_string()
    } else {
        low(number).to_string()
    };
    Fault::invalid(format!("{what} is no {name}, which input '{input}' holds"))
}
