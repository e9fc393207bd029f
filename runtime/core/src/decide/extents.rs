//! What a batch looks like whose rows have different sizes: to the model, and to each caller again.

use super::shapes::padded;
use crate::base::{
    call::Call,
    contract::{Join, TensorSpec},
    tensor::Shape,
    units::Rows,
};
use smallvec::SmallVec;

/// How one input lies in a batch whose rows have different sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its place in the contract.
    pub input: usize,
    /// One behind the other, without a batch axis of the array; else padded.
    pub is_flat: bool,
    /// Of the array that the model sees.
    pub whole: Shape,
    /// Of what each call sent.
    pub calls: Vec<Shape>,
    /// Of a flat array: where each call begins.
    pub starts: Vec<usize>,
    /// Of a row: the axes of any size.
    free: SmallVec<[usize; 2]>,
    /// The model's, of which the last may be nobody's.
    rows: Rows,
}

/// Of a batch of `rows`, of which the calls have some; none where all inputs are stacked.
pub fn extents(inputs: &[TensorSpec], calls: &[Call], rows: Rows) -> Vec<Extent> {
    let extent = |(input, spec): (usize, &TensorSpec)| {
        let pad = match &spec.join {
            Join::Stack => return None,
            Join::Pad(pad) => Some(pad),
            Join::Ragged => None,
        };
        let shapes =
            calls.iter().filter_map(|call| call.inputs.get(input)).map(|tensor| tensor.shape.clone());
        let calls: Vec<Shape> = shapes.collect();
        let free = spec.shape.iter().enumerate().filter(|(_, size)| **size == -1).map(|(axis, _)| axis);
        let free: SmallVec<[usize; 2]> = free.collect();
        let mut whole = calls.first()?.clone();
        let mut starts = Vec::new();
        match pad {
            None => {
                whole.remove(0);
                let mut sum = 0_i64;
                for shape in &calls {
                    starts.push(usize::try_from(sum).unwrap_or(usize::MAX));
                    sum = sum.saturating_add(flat_len(shape));
                }
                whole.first_mut().into_iter().for_each(|first| *first = sum);
            }
            Some(pad) => {
                whole.first_mut().into_iter().for_each(|batch| *batch = rows.get().into());
                for axis in &free {
                    let size =
                        calls.iter().filter_map(|shape| shape.get(axis + 1)).max().copied().unwrap_or(0);
                    // Who cannot be padded was refused.
                    let size = padded(pad, size).unwrap_or(size);
                    whole.get_mut(axis + 1).into_iter().for_each(|whole| *whole = size);
                }
            }
        }
        Some(Extent { input, is_flat: pad.is_none(), whole, calls, starts, free, rows })
    };
    inputs.iter().enumerate().filter_map(extent).collect()
}

impl Extent {
    /// Of a batch's rows one after the other: the sizes of the free axes. Rows that are nobody's are as the last.
    pub fn sizes(&self) -> (Vec<i64>, [usize; 2]) {
        let rows = usize::try_from(self.rows.get()).unwrap_or(usize::MAX);
        let mut sizes = Vec::new();
        let of = |shape: &Shape| -> SmallVec<[i64; 2]> {
            self.free.iter().filter_map(|axis| shape.get(axis + 1)).copied().collect()
        };
        for shape in &self.calls {
            (0..batch(shape)).for_each(|_| sizes.extend(of(shape)));
        }
        let last = self.calls.last().map(of).unwrap_or_default();
        while sizes.len() < rows.saturating_mul(last.len()) {
            sizes.extend_from_slice(&last);
        }
        (sizes, [rows, self.free.len()])
    }

    /// Where each row begins in a flat array, and the last one ends. Rows that are nobody's are empty.
    pub fn offsets(&self) -> Vec<i64> {
        let (mut offsets, mut at) = (vec![0], 0_i64);
        for shape in &self.calls {
            for _ in 0..batch(shape) {
                at = at.saturating_add(shape.get(1).copied().unwrap_or(0));
                offsets.push(at);
            }
        }
        let rows = usize::try_from(self.rows.get()).unwrap_or(usize::MAX);
        offsets.resize(rows.saturating_add(1).max(offsets.len()), at);
        offsets
    }

    /// Of an output whose rows have the sizes of this input's: the whole array.
    pub fn whole_like(&self, output: &[i64]) -> Shape {
        if self.is_flat {
            return self.whole.iter().take(1).chain(output.iter().skip(1)).copied().collect();
        }
        self.shape_like(&self.whole, output)
    }

    /// The same of what one call gets.
    pub fn call_like(&self, seat: usize, output: &[i64]) -> Shape {
        self.calls.get(seat).map(|shape| self.shape_like(shape, output)).unwrap_or_default()
    }

    fn shape_like(&self, shape: &Shape, output: &[i64]) -> Shape {
        let mut sizes = self.free.iter().filter_map(|axis| shape.get(axis + 1)).copied();
        let row = output.iter().map(|size| if *size == -1 { sizes.next().unwrap_or(-1) } else { *size });
        shape.iter().take(1).copied().chain(row.collect::<Shape>()).collect()
    }

    /// Elements that no call sent, but for those of rows that are nobody's.
    pub fn padding(&self) -> u64 {
        if self.is_flat {
            return 0;
        }
        let row =
            |shape: &Shape| shape.iter().skip(1).fold(1, |product: i64, size| product.saturating_mul(*size));
        let of = |shape| row(&self.whole).saturating_sub(row(shape)).saturating_mul(batch(shape));
        self.calls.iter().map(|shape| u64::try_from(of(shape)).unwrap_or(0)).fold(0, u64::saturating_add)
    }
}

fn batch(shape: &Shape) -> i64 {
    shape.first().copied().unwrap_or(0)
}

fn flat_len(shape: &Shape) -> i64 {
    batch(shape).saturating_mul(shape.get(1).copied().unwrap_or(0))
}

#[cfg(test)]
#[path = "extents_tests.rs"]
mod tests;
