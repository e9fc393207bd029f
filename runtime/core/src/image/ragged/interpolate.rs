//! Resizing without antialiasing, in floats: 2 or 4 neighbours of each place, as torch's `interpolate` weighs them.

use super::{
    placement::Span,
    sources::Image,
    transform::{Resize, Transform, index},
};

/// Neighbours of one place: where the first one is, and their weights.
#[derive(Clone, Copy, Debug)]
struct Taps {
    first: usize,
    weights: [f32; 4],
}

/// Levels from 0 to 255, rows of interleaved channels.
pub(super) fn interpolated(
    image: &Image<'_>,
    [down, across]: &[Span; 2],
    transform: &Transform,
    levels: &mut Vec<f32>,
) {
    let count = if transform.resize == Resize::Bicubic { 4 } else { 2 };
    let (rows, columns) = (taps(down, count), taps(across, count));
    let channels = transform.channels;
    let mut filtered = Filtered { image, columns: &columns, count, channels, rows: Vec::new() };
    for place in &rows {
        let begin = levels.len();
        levels.resize(begin + columns.len() * channels, 0.0);
        let Some(sums) = levels.get_mut(begin..) else { return };
        for (tap, weight) in place.weights.iter().enumerate().take(count) {
            let row = filtered.row((place.first + tap).min(index(image.height) - 1));
            sums.iter_mut().zip(row).for_each(|(sum, level)| *sum += weight * level);
        }
        sums.iter_mut().for_each(|sum| *sum = sum.clamp(0.0, 255.0));
    }
}

/// Source rows that were filtered across; those of one place, since the next one needs some of them again.
struct Filtered<'a> {
    image: &'a Image<'a>,
    columns: &'a [Taps],
    /// Taps that count.
    count: usize,
    channels: usize,
    rows: Vec<(usize, Vec<f32>)>,
}

impl Filtered<'_> {
    fn row(&mut self, at: usize) -> &[f32] {
        let known = self.rows.iter().position(|(row, _)| *row == at);
        let place = known.unwrap_or_else(|| {
            let mut filtered = if self.rows.len() < 4 { Vec::new() } else { self.rows.remove(0).1 };
            filtered.clear();
            self.filter(at, &mut filtered);
            self.rows.push((at, filtered));
            self.rows.len() - 1
        });
        self.rows.get(place).map_or(&[], |(_, row)| row)
    }

    fn filter(&self, at: usize, filtered: &mut Vec<f32>) {
        let bytes = index(self.image.width) * self.channels;
        let row = self.image.levels.get(at * bytes..(at + 1) * bytes).unwrap_or_default();
        let last = index(self.image.width) - 1;
        for taps in self.columns {
            let mut sums = [0.0_f32; 3];
            for (tap, weight) in taps.weights.iter().enumerate().take(self.count) {
                let pixel = (taps.first + tap).min(last) * self.channels;
                let levels = row.get(pixel..pixel + self.channels).unwrap_or_default();
                sums.iter_mut().zip(levels).for_each(|(sum, level)| *sum += weight * f32::from(*level));
            }
            filtered.extend(sums.iter().take(self.channels));
        }
    }
}

/// Of each place that is covered. Positions are whole numbers over twice the resized side: in a float, one in a large
/// image is off by a thousandth of a pixel. Beyond an edge its pixel counts again.
#[expect(clippy::cast_precision_loss, reason = "a whole number of 31 bits becomes a share of another")]
fn taps(span: &Span, count: usize) -> Vec<Taps> {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let (side, resized, last) = (signed(span.side), signed(span.resized), signed(span.side) - 1);
    let taps = i64::try_from(count).unwrap_or(0);
    let one = |place: usize| {
        let place = signed(span.first) + i64::try_from(place).unwrap_or(i64::MAX);
        let place = (2 * place + 1) * side - resized;
        let place = if count == 2 { place.max(0) } else { place };
        let base = place.div_euclid(2 * resized);
        let t = (place - base * 2 * resized) as f32 / (2 * resized) as f32;
        let (raw, start) = match count {
            2 => ([1.0 - t, t, 0.0, 0.0], base),
            _ => ([far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)], base - 1),
        };
        let first = start.min(side - taps).max(0);
        let mut weights = [0.0; 4];
        for (neighbour, raw) in (start..).zip(raw).take(count) {
            let at = usize::try_from(neighbour.clamp(0, last) - first).unwrap_or(usize::MAX);
            weights.get_mut(at).into_iter().for_each(|weight| *weight += raw);
        }
        Taps { first: usize::try_from(first).unwrap_or(0), weights }
    };
    (0..span.covered.len()).map(one).collect()
}

/// The cubic of within one pixel, a = -0.75.
fn near(x: f32) -> f32 {
    (1.25 * x - 2.25) * x * x + 1.0
}

/// The cubic of between one and two pixels, a = -0.75.
fn far(x: f32) -> f32 {
    ((-0.75 * x + 3.75) * x - 6.0) * x + 3.0
}
