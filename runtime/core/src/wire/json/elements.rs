//! A tensor's `data`: numbers go straight into little-endian bytes, whatever the nesting.

use super::scan::Scan;
use crate::base::{datatype::Datatype, fault::Fault, fault::Kind, strings};

/// What an input's `data` must come to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'a> {
    pub(super) input: &'a str,
    pub(super) datatype: Datatype,
    /// Elements, by the shape.
    pub(super) count: usize,
    /// Bytes that all elements may take, after what other inputs took.
    pub(super) limit: usize,
}

impl Wish<'_> {
    fn shape_flaw(&self) -> Fault {
        let (input, count) = (self.input, self.count);
        Fault::invalid(format!(
            "Unable to parse 'data': Shape does not match true shape of 'data' field: \
             the shape of input '{input}' asks for {count} elements"
        ))
    }

    #[cold]
    fn unfit(&self, what: &str) -> Fault {
        let (input, datatype) = (self.input, self.datatype.name());
        let end = what.char_indices().nth(60).map_or(what.len(), |(at, _)| at);
        let what = what.get(..end).unwrap_or_default();
        Fault::invalid(format!(
            "Unable to parse 'data': {what} is no {datatype}, which input '{input}' holds"
        ))
    }
}

/// Takes an array of elements, nested in any grouping, as Triton does: only their number counts.
pub(super) fn read(scan: &mut Scan<'_>, wish: &Wish<'_>) -> Result<Vec<u8>, Fault> {
    match wish.datatype {
        Datatype::Bool => fixed(scan, wish, |scan| match scan.peek() {
            Some(b't') if scan.accept_word("true") => Ok([1]),
            Some(b'f') if scan.accept_word("false") => Ok([0]),
            _ => Err(other(scan, wish)),
        }),
        Datatype::Uint8 => unsigned(scan, wish, |value| u8::try_from(value).ok().map(u8::to_le_bytes)),
        Datatype::Uint16 => unsigned(scan, wish, |value| u16::try_from(value).ok().map(u16::to_le_bytes)),
        Datatype::Uint32 => unsigned(scan, wish, |value| u32::try_from(value).ok().map(u32::to_le_bytes)),
        Datatype::Uint64 => unsigned(scan, wish, |value| Some(value.to_le_bytes())),
        Datatype::Int8 => signed(scan, wish, |value| i8::try_from(value).ok().map(i8::to_le_bytes)),
        Datatype::Int16 => signed(scan, wish, |value| i16::try_from(value).ok().map(i16::to_le_bytes)),
        Datatype::Int32 => signed(scan, wish, |value| i32::try_from(value).ok().map(i32::to_le_bytes)),
        Datatype::Int64 => signed(scan, wish, |value| Some(value.to_le_bytes())),
        Datatype::Fp32 => fixed(scan, wish, |scan| match scan.peek() {
            Some(b'-' | b'0'..=b'9') => {
                let number = scan.number()?;
                number.to_f32().map(f32::to_le_bytes).ok_or_else(|| wish.unfit(number.text))
            }
            _ => Err(other(scan, wish)),
        }),
        Datatype::Fp64 => fixed(scan, wish, |scan| match scan.peek() {
            Some(b'-' | b'0'..=b'9') => {
                let number = scan.number()?;
                number.to_f64().map(f64::to_le_bytes).ok_or_else(|| wish.unfit(number.text))
            }
            _ => Err(other(scan, wish)),
        }),
        Datatype::Bytes => text(scan, wish),
        Datatype::Fp16 | Datatype::Bf16 => Err(Fault::invalid(format!(
            "receiving {} data via JSON is not supported. Please use the binary data format for input '{}'",
            wish.datatype.name(),
            wish.input
        ))),
    }
}

fn unsigned<const N: usize>(
    scan: &mut Scan<'_>,
    wish: &Wish<'_>,
    narrow: impl Fn(u64) -> Option<[u8; N]>,
) -> Result<Vec<u8>, Fault> {
    fixed(scan, wish, |scan| match scan.peek() {
        Some(b'-' | b'0'..=b'9') => {
            let number = scan.number()?;
            number.to_u64().and_then(&narrow).ok_or_else(|| wish.unfit(number.text))
        }
        _ => Err(other(scan, wish)),
    })
}

fn signed<const N: usize>(
    scan: &mut Scan<'_>,
    wish: &Wish<'_>,
    narrow: impl Fn(i64) -> Option<[u8; N]>,
) -> Result<Vec<u8>, Fault> {
    fixed(scan, wish, |scan| match scan.peek() {
        Some(b'-' | b'0'..=b'9') => {
            let number = scan.number()?;
            number.to_i64().and_then(&narrow).ok_or_else(|| wish.unfit(number.text))
        }
        _ => Err(other(scan, wish)),
    })
}

/// Something else than an element stands here: names it, or says that it is no JSON at all.
#[cold]
fn other(scan: &mut Scan<'_>, wish: &Wish<'_>) -> Fault {
    let start = scan.at();
    match scan.skip() {
        Ok(()) => wish.unfit(scan.since(start)),
        Err(flaw) => flaw,
    }
}

fn fixed<'a, const N: usize>(
    scan: &mut Scan<'a>,
    wish: &Wish<'_>,
    mut element: impl FnMut(&mut Scan<'a>) -> Result<[u8; N], Fault>,
) -> Result<Vec<u8>, Fault> {
    let size = wish.count.checked_mul(N).filter(|size| *size <= wish.limit).ok_or_else(|| too_large(wish))?;
    // An element and its comma are two characters at least: a large shape with little data takes little memory.
    let mut data = Vec::with_capacity(size.min((scan.left() / 2 + 1).saturating_mul(N)));
    leaves(scan, |scan| {
        let value = element(scan)?;
        if data.len() == size {
            return Err(wish.shape_flaw());
        }
        data.extend_from_slice(&value);
        Ok(())
    })?;
    if data.len() == size { Ok(data) } else { Err(wish.shape_flaw()) }
}

fn text(scan: &mut Scan<'_>, wish: &Wish<'_>) -> Result<Vec<u8>, Fault> {
    let mut data = Vec::new();
    let mut count = 0_usize;
    leaves(scan, |scan| {
        if scan.peek() != Some(b'"') {
            return Err(other(scan, wish));
        }
        let element = scan.string()?;
        count += 1;
        if count > wish.count {
            return Err(wish.shape_flaw());
        }
        let room = wish.limit.saturating_sub(data.len());
        if element.len().saturating_add(4) > room || strings::push(&mut data, element.as_bytes()).is_none() {
            return Err(too_large(wish));
        }
        Ok(())
    })?;
    if count == wish.count { Ok(data) } else { Err(wish.shape_flaw()) }
}

fn too_large(wish: &Wish<'_>) -> Fault {
    let (input, limit) = (wish.input, wish.limit);
    let note = format!(
        "input '{input}' exceeds the {limit} bytes that are left of the maximum allowed value for tensors from JSON"
    );
    Fault::new(Kind::TooLarge, note)
}

/// Calls `leaf` for everything in an array that is no array itself.
#[inline]
fn leaves<'a>(
    scan: &mut Scan<'a>,
    mut leaf: impl FnMut(&mut Scan<'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    if scan.peek() != Some(b'[') {
        return Err(Fault::invalid("Unable to parse 'data': attempt to access JSON non-array as array"));
    }
    let mut open = 0_usize;
    loop {
        // A value is due, or the end of an array that has just begun.
        if scan.accept(b'[') {
            scan.enter()?;
            open += 1;
            if scan.peek() != Some(b']') {
                continue;
            }
        } else {
            leaf(scan)?;
        }
        // A value has ended: arrays that end here, or a comma.
        loop {
            if scan.accept(b',') {
                break;
            }
            if !scan.accept(b']') {
                return Err(scan.flaw("Missing a comma or ] after an array element."));
            }
            scan.leave();
            open -= 1;
            if open == 0 {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, datatype: Datatype, count: usize) -> Result<Vec<u8>, String> {
        let mut scan = Scan::new(text.as_bytes(), 4).unwrap();
        let wish = Wish { input: "x", datatype, count, limit: 1000 };
        let data = read(&mut scan, &wish).map_err(|fault| fault.note.into_owned())?;
        scan.end().map(|()| data).map_err(|fault| fault.note.into_owned())
    }

    #[test]
    fn nesting_is_free_and_the_count_is_not() {
        for text in
            ["[1,2,3,4]", "[[1,2],[3,4]]", " [ [1] , [[2 ,3]], 4 ] ", "[[1,2,3,4]]", "[[],1,2,[3,4],[]]"]
        {
            assert_eq!(parse(text, Datatype::Uint8, 4), Ok(vec![1, 2, 3, 4]), "{text}");
        }
        for text in ["[1,2,3]", "[1,2,3,4,5]", "[]", "[[[]]]"] {
            assert!(parse(text, Datatype::Uint8, 4).unwrap_err().contains("Shape does not match"), "{text}");
        }
        assert_eq!(parse("[]", Datatype::Fp32, 0), Ok(vec![]));
        for text in ["[1,2", "[1,,2]", "[1,]", "[1 2]", "[[1,2]", "[[[[[1]]]]]", "[", "[,1]", "[1}"] {
            assert!(parse(text, Datatype::Uint8, 2).unwrap_err().starts_with("failed to parse"), "{text}");
        }
    }

    #[test]
    fn each_datatype_takes_its_own_range() {
        use Datatype::{Bool, Bytes, Fp16, Fp32, Int8, Int64, Uint8, Uint64};
        let ok = [
            (Bool, "[true,false]", vec![1, 0]),
            (Int8, "[-128,127]", vec![0x80, 0x7f]),
            (Uint64, "[18446744073709551615,0]", [[0xff; 8], [0; 8]].concat()),
            (Int64, "[-9223372036854775808,-1]", [i64::MIN.to_le_bytes(), [0xff; 8]].concat()),
            (Fp32, "[1,-2.5e0]", [1_f32.to_le_bytes(), (-2.5_f32).to_le_bytes()].concat()),
            (Bytes, r#"["","é\n"]"#, vec![0, 0, 0, 0, 3, 0, 0, 0, 0xc3, 0xa9, b'\n']),
        ];
        for (datatype, text, data) in ok {
            assert_eq!(parse(text, datatype, 2), Ok(data), "{datatype:?}");
        }
        let bad = [
            (Bool, "[1,0]", "1 is no BOOL"),
            (Int8, "[128,0]", "128 is no INT8"),
            (Uint8, "[-1,0]", "-1 is no UINT8"),
            (Uint8, "[1.0,0]", "1.0 is no UINT8"),
            (Fp32, "[1e39,0]", "1e39 is no FP32"),
            (Fp32, "[null,0]", "null is no FP32"),
            (Fp32, "[NaN,0]", "failed to parse the request JSON buffer"),
            (Bytes, "[1,2]", "1 is no BYTES"),
            (Fp16, "[1,2]", "Please use the binary data format"),
        ];
        for (datatype, text, want) in bad {
            let got = parse(text, datatype, 2).unwrap_err();
            assert!(got.contains(want), "{datatype:?} {text}: {got}");
        }
    }

    #[test]
    fn a_long_element_is_quoted_in_part() {
        for letter in ["a", "ü", "€", "🦀"] {
            for shift in 0..4 {
                let text = format!("[\"{}{}\"]", "a".repeat(shift), letter.repeat(1000));
                let got = parse(&text, Datatype::Uint8, 1).unwrap_err();
                assert!(got.chars().count() < 160 && got.contains(&letter.repeat(20)), "{got}");
            }
        }
    }

    #[test]
    fn a_shape_beyond_the_limit_takes_no_memory() {
        assert!(parse("[1]", Datatype::Fp64, usize::MAX).unwrap_err().contains("exceeds"));
        assert!(parse("[1]", Datatype::Fp64, 126).unwrap_err().contains("exceeds"));
        assert!(
            parse(&format!("[\"{}\"]", "a".repeat(997)), Datatype::Bytes, 1).unwrap_err().contains("exceeds")
        );
    }
}
