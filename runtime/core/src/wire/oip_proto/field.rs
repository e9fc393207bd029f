//! The protobuf wire format: fields out of bytes, without copying, and back.

use crate::base::fault::Fault;
use crate::wire::limits::{NAME_BYTES, too_long};
use bytes::{BufMut, BytesMut};

/// One field's value. Groups are older than this protocol and refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::wire) enum Value<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
}

fn malformed(what: &'static str) -> Fault {
    Fault::invalid(format!("failed to parse the request message: {what}"))
}

impl<'a> Value<'a> {
    pub(in crate::wire) fn bytes(self) -> Result<&'a [u8], Fault> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            Value::Varint(_) | Value::Fixed64(_) | Value::Fixed32(_) => {
                Err(malformed("expected a length-delimited field, got a number"))
            }
        }
    }

    /// A string of at most `most` bytes; `what` names it if it has more.
    pub(in crate::wire) fn text(self, most: usize, what: &str) -> Result<&'a str, Fault> {
        let bytes = self.bytes()?;
        if bytes.len() > most {
            return Err(too_long(what, most));
        }
        std::str::from_utf8(bytes).map_err(|_| malformed("a string is not UTF-8"))
    }

    /// An id, or a name of something.
    pub(in crate::wire) fn name(self, what: &str) -> Result<&'a str, Fault> {
        self.text(NAME_BYTES, what)
    }

    pub(super) fn varint(self) -> Result<u64, Fault> {
        match self {
            Value::Varint(number) => Ok(number),
            Value::Bytes(_) | Value::Fixed64(_) | Value::Fixed32(_) => {
                Err(malformed("expected a varint field"))
            }
        }
    }

    pub(in crate::wire) fn double(self) -> Result<f64, Fault> {
        match self {
            Value::Fixed64(bytes) => Ok(f64::from_le_bytes(bytes)),
            Value::Bytes(_) | Value::Varint(_) | Value::Fixed32(_) => {
                Err(malformed("expected a double field"))
            }
        }
    }
}

/// The fields of one message, in the order of the wire.
#[derive(Clone, Debug)]
pub(in crate::wire) struct Fields<'a>(pub(in crate::wire) &'a [u8]);

impl<'a> Fields<'a> {
    /// The next field's number and value; `None` at the end.
    pub(in crate::wire) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, Fault> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key =
            u32::try_from(varint(&mut self.0)?).map_err(|_| malformed("a field number is too large"))?;
        let value = match key & 7 {
            0 => Value::Varint(varint(&mut self.0)?),
            1 => Value::Fixed64(self.array()?),
            2 => {
                let len = usize::try_from(varint(&mut self.0)?).unwrap_or(usize::MAX);
                let (head, rest) = self
                    .0
                    .split_at_checked(len)
                    .ok_or_else(|| malformed("a field is longer than its message"))?;
                self.0 = rest;
                Value::Bytes(head)
            }
            5 => Value::Fixed32(self.array()?),
            3 | 4 => return Err(malformed("groups are not supported")),
            _ => return Err(malformed("a field has an unknown wire type")),
        };
        match key >> 3 {
            0 => Err(malformed("a field has the number 0")),
            number => Ok(Some((number, value))),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (head, rest) = self.0.split_first_chunk().ok_or_else(|| malformed("it ends within a number"))?;
        self.0 = rest;
        Ok(*head)
    }
}

/// Takes one varint off the front.
pub(super) fn varint(rest: &mut &[u8]) -> Result<u64, Fault> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, tail) = rest.split_first().ok_or_else(|| malformed("it ends within a varint"))?;
        *rest = tail;
        if shift == 63 && *byte > 1 {
            return Err(malformed("a varint exceeds 64 bits"));
        }
        value |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Ok(value);
        }
    }
    Err(malformed("a varint exceeds 64 bits"))
}

/// Calls `each` for every varint of a packed run, or for the single value of an unpacked one.
pub(super) fn each_varint(
    value: Value<'_>,
    mut each: impl FnMut(u64) -> Result<(), Fault>,
) -> Result<(), Fault> {
    match value {
        Value::Varint(number) => each(number),
        Value::Bytes(mut packed) => {
            while !packed.is_empty() {
                each(varint(&mut packed)?)?;
            }
            Ok(())
        }
        Value::Fixed64(_) | Value::Fixed32(_) => Err(malformed("expected varints")),
    }
}

/// The bytes of a run of fixed-size numbers: packed, or one of its own. They are little-endian already.
pub(in crate::wire) fn fixed<'a, const N: usize>(value: &'a Value<'a>) -> Result<&'a [u8], Fault> {
    let run: &[u8] = match value {
        Value::Bytes(packed) => packed,
        Value::Fixed64(one) => one,
        Value::Fixed32(one) => one,
        Value::Varint(_) => return Err(malformed("expected fixed-size numbers")),
    };
    let one_fits = matches!(value, Value::Bytes(_)) || run.len() == N;
    if one_fits && run.len().is_multiple_of(N) {
        Ok(run)
    } else {
        Err(malformed("a run of numbers ends within one"))
    }
}

pub(super) const fn varint_len(value: u64) -> usize {
    // Seven bits a byte, at least one: 9/64 is close enough to 1/7 for all of 64 bits.
    ((64 - (value | 1).leading_zeros() as usize) * 9 + 64) / 64
}

/// Bytes of a length-delimited field with a number below 16.
pub(super) const fn delimited_len(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}

pub(super) fn put_varint(out: &mut BytesMut, mut value: u64) {
    loop {
        let low = value.to_le_bytes()[0];
        value >>= 7;
        if value == 0 {
            return out.put_u8(low & 0x7f);
        }
        out.put_u8(low | 0x80);
    }
}

/// Key and length of a length-delimited field with a number below 16.
pub(super) fn put_head(out: &mut BytesMut, number: u8, len: usize) {
    out.put_u8(number << 3 | 2);
    put_varint(out, len as u64);
}

/// proto3 leaves out what is empty.
pub(super) fn put_text(out: &mut BytesMut, number: u8, text: &str) {
    if !text.is_empty() {
        put_head(out, number, text.len());
        out.put_slice(text.as_bytes());
    }
}

pub(super) fn text_len(text: &str) -> usize {
    if text.is_empty() { 0 } else { delimited_len(text.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_round_trip_at_every_width() {
        for shift in 0..64 {
            for value in [1_u64 << shift, (1 << shift) - 1, u64::MAX >> shift] {
                let mut out = BytesMut::new();
                put_varint(&mut out, value);
                assert_eq!(out.len(), varint_len(value), "{value}");
                let mut rest = &out[..];
                assert_eq!(varint(&mut rest).unwrap(), value);
                assert!(rest.is_empty());
            }
        }
    }

    #[test]
    fn hostile_fields_are_refused() {
        let cases: &[&[u8]] = &[
            &[0x0a],                                                             // no length
            &[0x0a, 5, 1],                                                       // longer than the message
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], // longer than memory
            &[0x08, 0x80],                                                       // ends in a varint
            &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], // 65 bits
            &[0x09, 1, 2, 3],                                                    // ends in a double
            &[0x02, 0],                                                          // number 0
            &[0x0b],                                                             // a group
            &[0x0e],                                                             // wire type 6
        ];
        for case in cases {
            assert!(Fields(case).next().is_err(), "{case:?}");
        }
    }
}
