//! How far an output of one version is from the same output of another, for one request.

use crate::base::{
    datatype::Datatype,
    strings::Strings,
    tensor::{Tensor, elements},
};
use half::{bf16, f16};
use std::cmp::Ordering;

/// Elements that are looked at, in whole rows: a large output costs some milliseconds, and not more.
const MOST: usize = 1 << 20;

/// Classes from which on the five likeliest of an output are compared, beside the first.
const MANY: usize = 10;
const TOP: usize = 5;

/// Rows of numbers that are closer than this part of the larger row's largest value say the same: other kernels, batch
/// sizes and halves for floats move them by less, and whoever rounds to two digits reads no difference.
const CLOSE: f64 = 0.01;
/// And so do those that are apart by no more than this: of a row that is all but zero what is left is rounding.
const NOTHING: f64 = 1e-6;

/// What two outputs have to do with each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Comparison {
    /// Their datatypes or shapes differ, or one is not whole: no element has a counterpart.
    Unlike,
    /// Element by element.
    Alike(Difference),
}

/// Between outputs of one shape.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Difference {
    pub elements: u64,
    /// Elements that are not equal. A NaN is equal to any other, and 0 to -0.
    pub unequal: u64,
    /// Of floating-point numbers; others are equal or are not.
    pub size: Option<Size>,
    pub rows: u64,
    /// Rows that say something else: with another first class, where there are ranks, and else with numbers further
    /// apart than [`CLOSE`] and [`NOTHING`], or finite on one side only; of what is no floating-point number, with an element that is not equal.
    pub rows_apart: u64,
}

impl Comparison {
    /// The share of rows that say something else, from 0 to 1; all of them where there is nothing to compare with.
    #[expect(clippy::cast_precision_loss, reason = "rows are counted")]
    pub fn disagreement(&self) -> f64 {
        match self {
            Comparison::Unlike => 1.0,
            Comparison::Alike(Difference { rows: 0, .. }) => 0.0,
            Comparison::Alike(found) => found.rows_apart as f64 / found.rows as f64,
        }
    }
}

/// How far floating-point numbers are apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    /// Elements that are finite on one side only, or infinite with the other sign; the sizes below leave them out.
    pub broken: u64,
    pub abs: f64,
    /// The largest difference in a row as a part of the row's largest value: small values near zero are no large errors.
    pub rel: f64,
    /// The least of any row; 1 is the same direction.
    pub cosine: f64,
    /// Of an output of two axes, rows and classes.
    pub ranks: Option<Ranks>,
}

/// Whether the likeliest classes are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ranks {
    pub rows: u64,
    /// Rows with the same first.
    pub first: u64,
    /// Of the [`TOP`] first, those that both have, over all rows; where there are too few classes, as `first`.
    pub shared: f64,
}

/// `one` is what `other` is measured by. Both have rows as their first axis.
pub fn compare(one: &Tensor, other: &Tensor) -> Comparison {
    let count = elements(&one.shape);
    let (true, true, Some(count)) = (one.datatype == other.datatype, one.shape == other.shape, count) else {
        return Comparison::Unlike;
    };
    let rows = one.shape.first().and_then(|rows| usize::try_from(*rows).ok()).unwrap_or(1);
    let width = count.checked_div(rows).unwrap_or(0);
    let Some(bytes) = one.datatype.size() else { return strings(&one.data, &other.data, count, width) };
    if count.checked_mul(bytes) != Some(one.data.len()) || one.data.len() != other.data.len() {
        return Comparison::Unlike;
    }
    let looked = rows.min(MOST.checked_div(width).unwrap_or(0).max(1)).saturating_mul(width).min(MOST);
    let whole = looked * bytes;
    let (one_data, other_data) =
        (one.data.get(..whole).unwrap_or_default(), other.data.get(..whole).unwrap_or_default());
    let classes = (one.shape.len() == 2 && width > 1).then_some(width);
    let pairs = Pairs { one: one_data, other: other_data, width: width.min(MOST), classes };
    Comparison::Alike(match one.datatype {
        Datatype::Fp16 => pairs.floats(|bytes: [u8; 2]| f16::from_le_bytes(bytes).to_f64()),
        Datatype::Bf16 => pairs.floats(|bytes: [u8; 2]| bf16::from_le_bytes(bytes).to_f64()),
        Datatype::Fp32 => pairs.floats(|bytes: [u8; 4]| f32::from_le_bytes(bytes).into()),
        Datatype::Fp64 => pairs.floats(f64::from_le_bytes),
        Datatype::Bool
        | Datatype::Uint8
        | Datatype::Uint16
        | Datatype::Uint32
        | Datatype::Uint64
        | Datatype::Int8
        | Datatype::Int16
        | Datatype::Int32
        | Datatype::Int64
        | Datatype::Bytes => pairs.exact(bytes),
    })
}

/// Ends with the first that is broken, or after [`MOST`].
fn strings(one: &[u8], other: &[u8], count: usize, width: usize) -> Comparison {
    let looked = count.min(MOST);
    let pairs: Vec<_> = Strings::of(one).zip(Strings::of(other)).take(looked).collect();
    let sound = pairs.iter().all(|(one, other)| one.is_ok() && other.is_ok());
    if !sound || pairs.len() < looked {
        return Comparison::Unlike;
    }
    let mut found = Difference::default();
    pairs.chunks(width.max(1)).for_each(|row| found.add(row.iter().map(|(one, other)| one != other)));
    Comparison::Alike(found)
}

impl Difference {
    /// A row, by which of its elements are unequal.
    fn add(&mut self, row: impl Iterator<Item = bool>) {
        let before = self.unequal;
        for unequal in row {
            self.elements += 1;
            self.unequal += u64::from(unequal);
        }
        self.rows += 1;
        self.rows_apart += u64::from(self.unequal > before);
    }
}

/// The data of two outputs of one shape.
struct Pairs<'a> {
    one: &'a [u8],
    other: &'a [u8],
    /// Elements of a row.
    width: usize,
    classes: Option<usize>,
}

impl Pairs<'_> {
    fn exact(&self, bytes: usize) -> Difference {
        let row = self.width.max(1) * bytes;
        let mut found = Difference::default();
        for (one, other) in self.one.chunks(row).zip(self.other.chunks(row)) {
            let pairs = one.chunks_exact(bytes).zip(other.chunks_exact(bytes));
            found.add(pairs.map(|(one, other)| one != other));
        }
        found
    }

    fn floats<const N: usize>(&self, value: impl Fn([u8; N]) -> f64) -> Difference {
        let row = self.width.max(1) * N;
        let mut size = Size {
            broken: 0,
            abs: 0.0,
            rel: 0.0,
            cosine: 1.0,
            ranks: self.classes.map(|_| Ranks::default()),
        };
        let (mut elements, mut unequal, mut rows, mut rows_apart) = (0, 0, 0, 0);
        let (mut one, mut other) = (Vec::new(), Vec::new());
        let read = |bytes: &[u8], into: &mut Vec<f64>| {
            into.clear();
            into.extend(bytes.as_chunks::<N>().0.iter().map(|bytes| value(*bytes)));
        };
        for (one_row, other_row) in self.one.chunks(row).zip(self.other.chunks(row)) {
            read(one_row, &mut one);
            read(other_row, &mut other);
            elements += as_count(one.len());
            let found = Row::of(&one, &other);
            unequal += found.unequal;
            rows += 1;
            size.broken += found.broken;
            size.abs = size.abs.max(found.abs);
            size.rel = size.rel.max(found.rel);
            size.cosine = size.cosine.min(found.cosine);
            let is_same = match &mut size.ranks {
                Some(ranks) => ranks.add(&one, &other) && found.broken == 0,
                None => found.is_close,
            };
            rows_apart += u64::from(!is_same);
        }
        Difference { elements, unequal, size: Some(size), rows, rows_apart }
    }
}

#[derive(Default)]
struct Row {
    unequal: u64,
    broken: u64,
    abs: f64,
    rel: f64,
    cosine: f64,
    is_close: bool,
}

impl Row {
    fn of(one: &[f64], other: &[f64]) -> Row {
        let mut row = Row::default();
        let (mut largest, mut largest_other) = (0.0_f64, 0.0_f64);
        for (a, b) in one.iter().zip(other) {
            if a == b || (a.is_nan() && b.is_nan()) {
                largest = if a.is_finite() { largest.max(a.abs()) } else { largest };
                continue;
            }
            row.unequal += 1;
            if !a.is_finite() || !b.is_finite() {
                row.broken += 1;
                continue;
            }
            row.abs = row.abs.max((a - b).abs());
            (largest, largest_other) = (largest.max(a.abs()), largest_other.max(b.abs()));
        }
        let scale = if largest > 0.0 { largest } else { largest_other };
        row.is_close = row.broken == 0 && row.abs <= NOTHING + CLOSE * largest.max(largest_other);
        // Not more than the largest number, for what is infinite is no size.
        row.abs = row.abs.min(f64::MAX);
        row.rel = if row.abs > 0.0 { (row.abs / scale).min(f64::MAX) } else { 0.0 };
        row.cosine =
            if row.unequal > row.broken { cosine(one, other, scale.max(largest_other)) } else { 1.0 };
        row
    }
}

/// Of what is finite on both sides; `scale`: the largest, so that squares neither overflow nor vanish.
fn cosine(one: &[f64], other: &[f64], scale: f64) -> f64 {
    let (mut dot, mut norm, mut norm_other) = (0.0, 0.0, 0.0);
    for (a, b) in one.iter().zip(other).filter(|(a, b)| a.is_finite() && b.is_finite()) {
        let (a, b) = (a / scale, b / scale);
        (dot, norm, norm_other) = (dot + a * b, norm + a * a, norm_other + b * b);
    }
    let norms = norm.sqrt() * norm_other.sqrt();
    // Of two vectors one is zero, and the other is not.
    if norms > 0.0 { (dot / norms).clamp(-1.0, 1.0) } else { 0.0 }
}

impl Ranks {
    /// Whether the first is the same.
    fn add(&mut self, one: &[f64], other: &[f64]) -> bool {
        self.rows += 1;
        let same = first(one) == first(other);
        self.first += u64::from(same);
        if one.len() < MANY {
            self.shared += f64::from(u8::from(same));
            return same;
        }
        let (one, other) = (top(one), top(other));
        let both = one.iter().filter(|class| other.contains(class)).count();
        self.shared += as_float(both) / as_float(TOP);
        same
    }
}

/// NaN is less than any number, and the first of equal ones counts.
fn order(one: f64, other: f64) -> Ordering {
    one.partial_cmp(&other).unwrap_or_else(|| other.is_nan().cmp(&one.is_nan()))
}

fn first(values: &[f64]) -> Option<usize> {
    let all = values.iter().enumerate();
    all.max_by(|(at, a), (to, b)| order(**a, **b).then(to.cmp(at))).map(|(at, _)| at)
}

fn top(values: &[f64]) -> Vec<usize> {
    let mut places: Vec<_> = (0..values.len()).collect();
    let value = |at: usize| values.get(at).copied().unwrap_or(f64::NAN);
    let by = |a: &usize, b: &usize| order(value(*b), value(*a)).then(a.cmp(b));
    if places.len() > TOP {
        places.select_nth_unstable_by(TOP, by);
        places.truncate(TOP);
    }
    places
}

fn as_count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "of a few")]
fn as_float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
