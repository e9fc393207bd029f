//! The levels of those output pixels that an image covers.

use super::{
    placement::Span,
    sources::Image,
    transform::{Resize, Transform, index},
};
use crate::image::{Wrong, zeros::clear_of_zeros};
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{InnerPixel, U8, U8x3};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

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

/// What a thread resizes with, and between.
#[derive(Default)]
pub(super) struct Room {
    resizer: Resizer,
    between: Vec<u8>,
}

/// As Pillow does it, but that weights have up to 16 bits and not 22: levels differ by one here and there.
pub(super) fn antialiased(
    image: &Image<'_>,
    spans: &[Span; 2],
    transform: &Transform,
    room: &mut Room,
    levels: &mut Vec<u8>,
) -> Result<(), Wrong> {
    match transform.channels {
        1 => convolved::<U8>(image, spans, transform, room, levels),
        _ => convolved::<U8x3>(image, spans, transform, room, levels),
    }
}

fn convolved<P: PixelTrait + InnerPixel>(
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
    let ((top, tall), (left, wide)) = (part(down, filter), part(across, filter));
    let (height, width) = (down.covered.len(), across.covered.len());
    levels.resize(height * width * transform.channels, 0);
    let Room { resizer, between } = room;
    let whole = Pixels { height: image.height, width: image.width, bytes: &image.levels };
    // The resizer goes down first, which is quicker by a tenth. As levels are rounded after each pass the order shows, in
    // a cubic's overshoot by 22 levels: across the rows that are needed comes first here, as in Pillow.
    let (first, rows) = reach(down, top, tall);
    between.clear();
    between.resize(rows * width * transform.channels, 0);
    let across = [float(first), float(rows), left, wide];
    resized::<P>(resizer, filter, whole, across, (rows, width), between)?;
    let half = Pixels { height: side(rows), width: side(width), bytes: between };
    let down = [top - float(first), tall, 0.0, float(width)];
    resized::<P>(resizer, filter, half, down, (height, width), levels)
}

struct Pixels<'a> {
    height: u32,
    width: u32,
    bytes: &'a [u8],
}

/// `part`: top, height, left and width of what is used.
fn resized<P: PixelTrait + InnerPixel>(
    resizer: &mut Resizer,
    filter: FilterType,
    from: Pixels<'_>,
    [top, tall, left, wide]: [f64; 4],
    (height, width): (usize, usize),
    levels: &mut [u8],
) -> Result<(), Wrong> {
    let wrong = |why: &dyn std::fmt::Display| format!("the image cannot be resized: {why}");
    let from = TypedImageRef::<P>::from_buffer(from.width, from.height, from.bytes);
    let from = from.map_err(|why| wrong(&why))?;
    let to = TypedImage::<P>::from_buffer(side(width), side(height), levels);
    let mut to = to.map_err(|why| wrong(&why))?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).crop(left, top, wide, tall);
    resizer.resize_typed(&from, &mut to, &options).map_err(|why| wrong(&why))
}

/// The rows that a part is made of, or some more: the first, and how many.
fn reach(down: &Span, top: f64, tall: f64) -> (usize, usize) {
    let support = 2.0 * (tall / float(down.covered.len())).max(1.0) + 1.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to a side of 16 bits")]
    let row = |place: f64| place.clamp(0.0, 65_535.0) as usize;
    let first = row((top - support).floor());
    let end = row((top + tall + support).ceil()).min(usize::try_from(down.side).unwrap_or(usize::MAX));
    (first, end.saturating_sub(first))
}

fn side(side: usize) -> u32 {
    u32::try_from(side).unwrap_or(u32::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "a side of 16 bits")]
fn float(side: usize) -> f64 {
    side as f64
}

/// Where the part that is used begins in the image, and its length.
#[expect(clippy::cast_precision_loss, reason = "sides have 16 bits, resized ones 30")]
fn part(span: &Span, filter: FilterType) -> (f64, f64) {
    let step = span.side as f64 / span.resized as f64;
    let (first, len) = (span.first as f64 * step, span.covered.len() as f64 * step);
    // The products may round to a little more than there is.
    let len = len.min(span.side as f64 - first);
    (clear_of_zeros(first, len, side(span.covered.len()), filter), len)
}
