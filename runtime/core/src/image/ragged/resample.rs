//! The levels of those output pixels that an image covers.

use super::{
    placement::Span,
    sources::Image,
    transform::{Resize, Transform, index},
};
use crate::image::{
    Wrong,
    resize::{Part, Pixels, Room},
};
use fast_image_resize::FilterType;
use fast_image_resize::pixels::{U8, U8x3};

/// The pixel under the middle of each.
pub(super) fn nearest(image: &Image<'_>, [down, across]: &[Span; 2], channels: usize, levels: &mut Vec<u8>) {
    let columns: Vec<usize> =
        (0..across.covered.len()).map(|place| under(across, place) * channels).collect();
    let row_bytes = index(image.width) * channels;
    for place in 0..down.covered.len() {
        let row = under(down, place) * row_bytes;
        let pixel = |column: &usize| image.levels.get(row + column..row + column + channels);
        levels.extend(columns.iter().filter_map(pixel).flatten());
    }
}

fn under(span: &Span, place: usize) -> usize {
    let place = span.first + u64::try_from(place).unwrap_or(u64::MAX);
    usize::try_from((2 * place + 1) * span.side / (2 * span.resized)).unwrap_or(usize::MAX)
}

/// As Pillow does it, but that weights have up to 16 bits and not 22: levels differ by one here and there.
pub(super) fn antialiased(
    image: &Image<'_>,
    [down, across]: &[Span; 2],
    transform: &Transform,
    room: &mut Room,
    levels: &mut Vec<u8>,
) -> Result<(), Wrong> {
    let filter = match transform.resize {
        Resize::Bicubic => FilterType::CatmullRom,
        Resize::Nearest | Resize::Bilinear => FilterType::Bilinear,
    };
    let ((top, tall), (left, wide)) = (part(down), part(across));
    let part = Part { top, tall, left, wide };
    let sides = (down.covered.len(), across.covered.len(), transform.channels);
    let from = Pixels { height: image.height, width: image.width, bytes: &image.levels };
    levels.resize(sides.0 * sides.1 * sides.2, 0);
    match transform.channels {
        1 => room.resize::<U8>(from, part, filter, sides, levels),
        _ => room.resize::<U8x3>(from, part, filter, sides, levels),
    }
}

/// Where the part that is used begins in the image, and its length.
#[expect(clippy::cast_precision_loss, reason = "sides have 16 bits, resized ones 30")]
fn part(span: &Span) -> (f64, f64) {
    let step = span.side as f64 / span.resized as f64;
    let (first, len) = (span.first as f64 * step, span.covered.len() as f64 * step);
    // The products may round to a little more than there is.
    (first, len.min(span.side as f64 - first))
}
