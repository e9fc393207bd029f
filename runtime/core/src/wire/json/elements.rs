//! A tensor's `data`: numbers go straight into little-endian bytes, whatever the nesting.

use super::{number::Number, scan::Scan};
use crate::base::{datatype::Datatype, fault::Fault, fault::Kind};
use crate::wire::budget::Budget;

/// What an input's `data` must come to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'a> {
    pub(super) input: &'a str,
    pub(super) datatype: Datatype,
    /// Elements, by the shape.
    pub(super) count: usize,
    /// One may stand without brackets.
    pub(super) bare: bool,
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
pub(super) fn read(scan: &mut Scan<'_>, wish: &Wish<'_>, budget: &mut Budget<'_>) -> Result<Vec<u8>, Fault> {
    let data = match wish.datatype {
        Datatype::Bool => fixed(scan, wish, budget, |scan| match scan.peek() {
            Some(b't') if scan.accept_word("true") => Ok([1]),
            Some(b'f') if scan.accept_word("false") => Ok([0]),
            _ => Err(other(scan, wish)),
        }),
        Datatype::Uint8 => {
            unsigned(scan, wish, budget, |value| u8::try_from(value).ok().map(u8::to_le_bytes))
        }
        Datatype::Uint16 => {
            unsigned(scan, wish, budget, |value| u16::try_from(value).ok().map(u16::to_le_bytes))
        }
        Datatype::Uint32 => {
            unsigned(scan, wish, budget, |value| u32::try_from(value).ok().map(u32::to_le_bytes))
        }
        Datatype::Uint64 => unsigned(scan, wish, budget, |value| Some(value.to_le_bytes())),
        Datatype::Int8 => signed(scan, wish, budget, |value| i8::try_from(value).ok().map(i8::to_le_bytes)),
        Datatype::Int16 => {
            signed(scan, wish, budget, |value| i16::try_from(value).ok().map(i16::to_le_bytes))
        }
        Datatype::Int32 => {
            signed(scan, wish, budget, |value| i32::try_from(value).ok().map(i32::to_le_bytes))
        }
        Datatype::Int64 => signed(scan, wish, budget, |value| Some(value.to_le_bytes())),
        Datatype::Fp32 => fixed(scan, wish, budget, |scan| {
            float(scan, wish, |number| number.to_f32().map(f32::to_le_bytes), f32::to_le_bytes)
        }),
        Datatype::Fp64 => fixed(scan, wish, budget, |scan| {
            float(
                scan,
                wish,
                |number| number.to_f64().map(f64::to_le_bytes),
                |beyond| f64::from(beyond).to_le_bytes(),
            )
        }),
        Datatype::Bytes => text(scan, wish, budget),
        Datatype::Fp16 | Datatype::Bf16 => Err(Fault::invalid(format!(
            "receiving {} data via JSON is not supported. Please use the binary data format for input '{}'",
            wish.datatype.name(),
            wish.input
        ))),
    }?;
    budget.spend(data.len());
    Ok(data)
}

fn unsigned<const N: usize>(
    scan: &mut Scan<'_>,
    wish: &Wish<'_>,
    budget: &mut Budget<'_>,
    narrow: impl Fn(u64) -> Option<[u8; N]>,
) -> Result<Vec<u8>, Fault> {
    fixed(scan, wish, budget, |scan| match scan.peek() {
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
    budget: &mut Budget<'_>,
    narrow: impl Fn(i64) -> Option<[u8; N]>,
) -> Result<Vec<u8>, Fault> {
    fixed(scan, wish, budget, |scan| match scan.peek() {
        Some(b'-' | b'0'..=b'9') => {
            let number = scan.number()?;
            number.to_i64().and_then(&narrow).ok_or_else(|| wish.unfit(number.text))
        }
        _ => Err(other(scan, wish)),
    })
}

/// `exact`: what a number is; `beyond`: what stands for none, but is a float.
#[inline]
fn float<'a, const N: usize>(
    scan: &mut Scan<'a>,
    wish: &Wish<'_>,
    exact: impl Fn(Number<'a>) -> Option<[u8; N]>,
    beyond: impl Fn(f32) -> [u8; N],
) -> Result<[u8; N], Fault> {
    match scan.peek() {
        Some(b'-' | b'0'..=b'9') => match scan.number() {
            Ok(number) => exact(number).ok_or_else(|| wish.unfit(number.text)),
            // The minus was passed.
            Err(flaw) => no_number(scan).map(|value| beyond(-value)).ok_or(flaw),
        },
        _ => no_number(scan).map(beyond).ok_or_else(|| other(scan, wish)),
    }
}

/// What JSON has no number for, as Triton and Python write and read it.
#[cold]
pub(super) fn no_number(scan: &mut Scan<'_>) -> Option<f32> {
    let words = [("NaN", f32::NAN), ("Infinity", f32::INFINITY), ("Inf", f32::INFINITY)];
    words.into_iter().find_map(|(word, value)| scan.accept_letters(word).then_some(value))
}

/// Something else than an element stands here: names it, or says that it is no JSON at all.
#[cold]
fn other(scan: &mut Scan<'_>, wish: &Wish<'_>) -> Fault {
    let start = scan.at();
    if no_number(scan).is_some() {
        return wish.unfit(scan.since(start));
    }
    match scan.skip() {
        Ok(()) => wish.unfit(scan.since(start)),
        Err(flaw) => flaw,
    }
}

fn fixed<'a, const N: usize>(
    scan: &mut Scan<'a>,
    wish: &Wish<'_>,
    budget: &mut Budget<'_>,
    mut element: impl FnMut(&mut Scan<'a>) -> Result<[u8; N], Fault>,
) -> Result<Vec<u8>, Fault> {
    let size = wish.count.checked_mul(N).filter(|size| *size <= wish.limit).ok_or_else(|| too_large(wish))?;
    // An element and its comma are two characters at least: a large shape with little data takes little memory.
    let room = size.min((scan.left() / 2 + 1).saturating_mul(N));
    budget.take(room)?;
    let mut data = Vec::with_capacity(room);
    leaves(scan, wish.bare, |scan| {
        let value = element(scan)?;
        if data.len() == size {
            return Err(wish.shape_flaw());
        }
        data.extend_from_slice(&value);
        Ok(())
    })?;
    if data.len() == size { Ok(data) } else { Err(wish.shape_flaw()) }
}

/// Room that a text may keep and not need: to give it back costs a copy.
const SPARE: usize = 4 << 10;

/// Each element behind its length, which is written once it is known.
fn text(scan: &mut Scan<'_>, wish: &Wish<'_>, budget: &mut Budget<'_>) -> Result<Vec<u8>, Fault> {
    // A length has four bytes, where quotation marks and a comma are three. How long the text is shows at its end only.
    let left = scan.left();
    let room = (left + wish.count.min(left / 3 + 1)).min(wish.limit);
    budget.take(room)?;
    let mut data = Vec::with_capacity(room);
    let mut count = 0_usize;
    let append = |data: &mut Vec<u8>, part: &[u8]| {
        if data.len().saturating_add(part.len()) > wish.limit {
            return Err(too_large(wish));
        }
        data.extend_from_slice(part);
        Ok(())
    };
    leaves(scan, wish.bare, |scan| {
        if scan.peek() != Some(b'"') {
            return Err(other(scan, wish));
        }
        count += 1;
        if count > wish.count {
            return Err(wish.shape_flaw());
        }
        let start = data.len();
        append(&mut data, &[0; 4])?;
        scan.string(|part| append(&mut data, part.as_bytes()))?;
        let len = u32::try_from(data.len() - start - 4).map_err(|_| too_large(wish))?;
        if let Some(place) = data.get_mut(start..start + 4) {
            place.copy_from_slice(&len.to_le_bytes());
        }
        Ok(())
    })?;
    if count != wish.count {
        return Err(wish.shape_flaw());
    }
    // What follows in the request may be much longer, and takes as much room as is left again.
    let spare = room.saturating_sub(data.len());
    if spare > SPARE.max(data.len()) {
        data.shrink_to_fit();
        budget.give_back(spare);
    }
    Ok(data)
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
    bare: bool,
    mut leaf: impl FnMut(&mut Scan<'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    if scan.peek() != Some(b'[') {
        if bare {
            return leaf(scan);
        }
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
