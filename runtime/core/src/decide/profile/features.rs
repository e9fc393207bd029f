//! The numbers themselves.

use super::{Feature, MOST, Place, Role, place};
use crate::base::strings::Strings;

/// Classes beyond this are one.
pub(super) const LAST_CLASS: usize = 4095;
/// Vectors of so many numbers have directions.
const LEAST_VECTOR: usize = 16;
/// Names of a vector's coordinates in directions that are the same everywhere: two sets of vectors that lie elsewhere
/// differ in most of them.
pub(super) const DIRECTIONS: [&str; 16] = [
    "direction_00",
    "direction_01",
    "direction_02",
    "direction_03",
    "direction_04",
    "direction_05",
    "direction_06",
    "direction_07",
    "direction_08",
    "direction_09",
    "direction_10",
    "direction_11",
    "direction_12",
    "direction_13",
    "direction_14",
    "direction_15",
];

pub(super) fn text(data: &[u8]) -> Vec<Feature> {
    let (mut length, mut other, mut count) = (0, 0, 0);
    for one in Strings::of(data).filter_map(Result::ok).take(MOST) {
        (length, count) = (length + one.len(), count + 1);
        other += one.iter().filter(|byte| !byte.is_ascii()).count();
    }
    let mut found = Features::default();
    if count > 0 {
        found.add("length", as_float(length));
        found.add("non_ascii", share(other, length));
    }
    found.0
}

/// What a decoded picture is like, by its pixels' brightness in rows of `width`; `colour`: how far its channels are apart.
pub fn picture(width: usize, grey: &[u8], colour: f64) -> Vec<Feature> {
    let mut found = Features::default();
    let bright = |at: &u8| f64::from(*at);
    found.spread(grey.iter().map(bright));
    let across = grey.chunks_exact(width.max(1)).flat_map(|row| row.windows(2));
    found.add("roughness", mean_step(across.map(|pair| (pair.first(), pair.last()))));
    let below = grey.get(width..).unwrap_or_default();
    found.add("roughness_down", mean_step(grey.iter().zip(below).map(|(one, next)| (Some(one), Some(next)))));
    found.add("colour", colour);
    found.add("width", as_float(width));
    found.add("height", as_float(grey.len().checked_div(width).unwrap_or(0)));
    found.0
}

fn mean_step<'a>(pairs: impl Iterator<Item = (Option<&'a u8>, Option<&'a u8>)>) -> f64 {
    let (mut sum, mut count) = (0_u64, 0_usize);
    for (one, next) in pairs {
        sum += one.zip(next).map_or(0, |(one, next)| u64::from(one.abs_diff(*next)));
        count += 1;
    }
    if count == 0 { 0.0 } else { whole(sum.into()) / as_float(count) }
}

#[derive(Default)]
pub(super) struct Features(pub(super) Vec<Feature>);

impl Features {
    pub(super) fn add(&mut self, name: &'static str, value: f64) {
        self.0.push(Feature { name, place: place(value) });
    }

    pub(super) fn class(&mut self, class: usize) {
        let place = Place::try_from(class.min(LAST_CLASS)).unwrap_or(0);
        self.0.push(Feature { name: "class", place });
    }

    pub(super) fn spread(&mut self, values: impl ExactSizeIterator<Item = f64> + Clone) {
        let count = values.len();
        let mean = values.clone().sum::<f64>() / as_float(count);
        let squares = values.clone().map(|value| (value - mean).powi(2)).sum::<f64>();
        let smallest = values.clone().fold(f64::INFINITY, f64::min);
        let largest = values.clone().fold(f64::NEG_INFINITY, f64::max);
        let at_the_ends = |value: &f64| [smallest, largest].contains(value);
        self.add("mean", mean);
        self.add("deviation", (squares / as_float(count)).sqrt());
        self.add("smallest", smallest);
        self.add("largest", largest);
        self.add("extremes", share(values.filter(at_the_ends).count(), count));
    }

    pub(super) fn vector(&mut self, values: &[f64], role: Role) {
        if role == Role::Output {
            let order = |one: &f64, other: &f64| one.total_cmp(other);
            let first = values.iter().enumerate().rev().max_by(|(_, one), (_, other)| order(one, other));
            if let Some((class, largest)) = first {
                let others =
                    values.iter().enumerate().filter(|(at, _)| *at != class).map(|(_, value)| *value);
                self.class(class);
                self.add("margin", largest - others.fold(f64::NEG_INFINITY, f64::max));
                self.add("entropy", entropy(values, *largest));
            }
        }
        if values.len() >= LEAST_VECTOR {
            for (name, coordinate) in DIRECTIONS.iter().zip(coordinates(values)) {
                self.add(name, coordinate);
            }
        }
    }
}

/// 0 of one class alone, 1 where all are as likely. Numbers that are no shares of a whole are taken as logarithms.
fn entropy(values: &[f64], largest: f64) -> f64 {
    let are_shares = values.iter().all(|value| *value >= 0.0) && largest > 0.0;
    let weight = |value: &f64| if are_shares { *value } else { (value - largest).exp() };
    let sum: f64 = values.iter().map(weight).sum();
    let each = values.iter().map(|value| weight(value) / sum).filter(|part| *part != 0.0);
    each.map(|part| -part * part.ln()).sum::<f64>() / as_float(values.len()).ln()
}

/// Sums with signs that depend on the place alone: as a random rotation, nearly, which leaves distances as they are.
fn coordinates(values: &[f64]) -> [f64; DIRECTIONS.len()] {
    let mut sums = [0.0; DIRECTIONS.len()];
    for (at, value) in (0_u64..).zip(values) {
        let signs = mixed(at);
        for (bit, sum) in sums.iter_mut().enumerate() {
            *sum += if signs >> bit & 1 == 1 { *value } else { -*value };
        }
    }
    let scale = as_float(values.len()).sqrt();
    sums.map(|sum| sum / scale)
}

/// `SplitMix64`.
fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The mean step from an element to the next along an axis of `size`, whose elements are `apart`.
pub(super) fn roughness(values: &[f64], size: usize, apart: usize) -> f64 {
    let (mut sum, mut count) = (0.0, 0);
    for line in values.chunks(size.saturating_mul(apart).max(1)) {
        for (one, next) in line.iter().zip(line.get(apart..).unwrap_or_default()) {
            sum += (next - one).abs();
            count += 1;
        }
    }
    if count == 0 { 0.0 } else { sum / as_float(count) }
}

fn share(part: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { as_float(part) / as_float(of) }
}

#[expect(clippy::cast_precision_loss, reason = "of what is counted in memory")]
fn as_float(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "what is lost is finer than a place")]
pub(super) fn whole(value: i128) -> f64 {
    value as f64
}

#[expect(clippy::cast_possible_truncation, reason = "of whole numbers; beyond the last it saturates")]
pub(super) fn rounded(value: f64) -> i64 {
    value as i64
}
