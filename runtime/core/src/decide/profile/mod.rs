//! What a row of a tensor is like, in a few numbers, and the places of a histogram that they are counted in.
//!
//! The numbers are those that any tensor has and that one pass finds: a change of what comes in, or of what goes out,
//! moves some of them. A place is known without knowing any other row, so that counts of all gateways add up.

mod features;

pub use features::picture;

use crate::base::{
    datatype::Datatype,
    strings::Strings,
    tensor::{Tensor, elements},
};
use features::{Features, LAST_CLASS, roughness, rounded, text, whole};
use half::{bf16, f16};

/// Elements of a row that are looked at.
const MOST: usize = 1 << 20;
/// An output of so many whole numbers or fewer has classes, the likeliest first.
const MOST_CLASSES: usize = 16;

/// Where a number is counted: the larger the number, the larger the place.
pub type Place = i32;

/// One number about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    pub name: &'static str,
    pub place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Input,
    Output,
}

/// Below this a number is counted as 0.
const SMALLEST: f32 = 1.0 / (1 << 20) as f32;
/// Above this as this.
const LARGEST: f32 = (1_u64 << 32) as f32;
/// Of a number as FP32, what is kept: its exponent, and five bits behind the point.
const KEPT_FROM: u32 = 18;
/// Of what is no number.
pub const NOT_A_NUMBER: Place = 1 << 14;

/// 32 places for each doubling, on both sides of 0.
pub fn place(value: f64) -> Place {
    let value = narrow(value);
    if value.is_nan() {
        return NOT_A_NUMBER;
    }
    let size = value.abs().min(LARGEST);
    let place = if size < SMALLEST { 0 } else { size.to_bits() >> KEPT_FROM };
    let place = Place::try_from(place).unwrap_or(NOT_A_NUMBER);
    if value < 0.0 { -place } else { place }
}

#[expect(clippy::cast_possible_truncation, reason = "what is lost is finer than a place")]
fn narrow(value: f64) -> f32 {
    value as f32
}

/// One row of a tensor.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    datatype: Datatype,
    /// Without the axis of rows.
    shape: &'a [i64],
    data: &'a [u8],
}

impl<'a> Row<'a> {
    /// One of a tensor's rows: `drawn` says which. `unbatched`: it has no axis of rows, and is one. `None` if it has none,
    /// or is not whole.
    pub fn drawn(tensor: &'a Tensor, unbatched: bool, drawn: u64) -> Option<Row<'a>> {
        let (rows, shape) = match tensor.shape.split_first() {
            Some((rows, shape)) if !unbatched => (usize::try_from(*rows).ok()?, shape),
            Some(_) | None => (1, &tensor.shape[..]),
        };
        let at = usize::try_from(drawn.checked_rem(u64::try_from(rows).ok()?)?).ok()?;
        let width = elements(shape)?;
        let data = match tensor.datatype.size() {
            Some(size) => {
                let bytes = width.checked_mul(size)?;
                tensor.data.get(at.checked_mul(bytes)?..)?.get(..bytes)?
            }
            None => of_strings(&tensor.data, at.checked_mul(width)?, width)?,
        };
        Some(Row { datatype: tensor.datatype, shape, data })
    }

    /// The only element, if it is one of bytes.
    pub fn file(&self) -> Option<&'a [u8]> {
        let mut strings = (self.datatype == Datatype::Bytes).then(|| Strings::of(self.data))?;
        let first = strings.next()?.ok()?;
        strings.next().is_none().then_some(first)
    }

    /// What it is like; empty of a row without elements.
    pub fn features(&self, role: Role) -> Vec<Feature> {
        let Some(values) = self.numbers() else { return text(self.data) };
        let is_whole =
            !matches!(self.datatype, Datatype::Fp16 | Datatype::Bf16 | Datatype::Fp32 | Datatype::Fp64);
        let mut found = Features::default();
        match &values[..] {
            [] => {}
            [first, ..] if role == Role::Output && is_whole && values.len() <= MOST_CLASSES => {
                found.class(usize::try_from(rounded(*first)).unwrap_or(LAST_CLASS));
            }
            [only] => found.add("value", *only),
            values => {
                found.spread(values.iter().copied());
                found.add("roughness", self.roughness(values));
                if self.shape.len() == 1 {
                    found.vector(values, role);
                }
            }
        }
        found.0
    }

    /// Between neighbours along the last axis that is none of a few channels.
    fn roughness(&self, values: &[f64]) -> f64 {
        let mut apart = 1;
        for size in self.shape.iter().rev() {
            let size = usize::try_from(*size).unwrap_or(1);
            if size > 4 {
                return roughness(values, size, apart);
            }
            apart *= size.max(1);
        }
        roughness(values, values.len(), 1)
    }

    /// `None` of strings.
    fn numbers(&self) -> Option<Vec<f64>> {
        Some(match self.datatype {
            Datatype::Bool | Datatype::Uint8 => read(self.data, |[one]: [u8; 1]| f64::from(one)),
            Datatype::Int8 => read(self.data, |bytes| f64::from(i8::from_le_bytes(bytes))),
            Datatype::Uint16 => read(self.data, |bytes| f64::from(u16::from_le_bytes(bytes))),
            Datatype::Int16 => read(self.data, |bytes| f64::from(i16::from_le_bytes(bytes))),
            Datatype::Uint32 => read(self.data, |bytes| f64::from(u32::from_le_bytes(bytes))),
            Datatype::Int32 => read(self.data, |bytes| f64::from(i32::from_le_bytes(bytes))),
            Datatype::Uint64 => read(self.data, |bytes| whole(u64::from_le_bytes(bytes).into())),
            Datatype::Int64 => read(self.data, |bytes| whole(i64::from_le_bytes(bytes).into())),
            Datatype::Fp16 => read(self.data, |bytes| f16::from_le_bytes(bytes).to_f64()),
            Datatype::Bf16 => read(self.data, |bytes| bf16::from_le_bytes(bytes).to_f64()),
            Datatype::Fp32 => read(self.data, |bytes| f32::from_le_bytes(bytes).into()),
            Datatype::Fp64 => read(self.data, f64::from_le_bytes),
            Datatype::Bytes => return None,
        })
    }
}

fn read<const N: usize>(data: &[u8], value: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    data.as_chunks::<N>().0.iter().take(MOST).map(|bytes| value(*bytes)).collect()
}

/// The bytes of `count` elements from `skipped` on.
fn of_strings(data: &[u8], skipped: usize, count: usize) -> Option<&[u8]> {
    let len = |strings: Strings<'_>, count: usize| {
        strings.take(count).try_fold(0, |sum: usize, one| Some(sum + 4 + one.ok()?.len()))
    };
    let rest = data.get(len(Strings::of(data), skipped)?..)?;
    rest.get(..len(Strings::of(rest), count)?)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
