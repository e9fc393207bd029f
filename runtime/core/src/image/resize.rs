//! One resize: across, and then down.
//!
//! Each by a call of its own. fast_image_resize 6.1 can do both in one, but reads beyond its memory where the outermost
//! weight of the first place is zero and that of the second is not; along one axis it has nothing to shift. Levels are
//! rounded after each pass, so that the order shows (in a cubic's overshoot by 22 levels): Pillow goes across first.

use super::Wrong;
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::InnerPixel;
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

/// Bytes that lie between the passes, or one column: a tall image that becomes wide is done a strip at a time.
const MOST_BETWEEN: usize = if cfg!(test) { 64 << 10 } else { 16 << 20 };
/// Pixels that the widest filter reaches to either side.
const REACH: f64 = 3.0;

/// Rows of interleaved channels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pixels<'a> {
    pub(super) height: u32,
    pub(super) width: u32,
    pub(super) bytes: &'a [u8],
}

/// Of an image, in pixels and fractions of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) top: f64,
    pub(super) tall: f64,
    pub(super) left: f64,
    pub(super) wide: f64,
}

/// What a thread resizes with.
#[derive(Debug, Default)]
pub(super) struct Room {
    resizer: Resizer,
    between: Vec<u8>,
    strip: Vec<u8>,
}

impl Room {
    /// Fills `out`, which has `height` x `width` pixels of `channels` bytes, as those of `P`.
    pub(super) fn resize<P: PixelTrait + InnerPixel>(
        &mut self,
        from: Pixels<'_>,
        part: Part,
        filter: FilterType,
        (height, width, channels): (usize, usize, usize),
        out: &mut [u8],
    ) -> Result<(), Wrong> {
        let Room { resizer, between, strip } = self;
        let (first, rows) = reach(from.height, part, height);
        let columns = (MOST_BETWEEN / (rows * channels).max(1)).clamp(1, width.max(1));
        for start in (0..width).step_by(columns) {
            let columns = columns.min(width - start);
            let step = part.wide / float(width);
            let left = part.left + float(start) * step;
            // The products may round to a little more than there is.
            let wide = (float(columns) * step).min(f64::from(from.width) - left);
            let across = Part { top: float(first), tall: float(rows), left, wide };
            between.clear();
            between.resize(rows * columns * channels, 0);
            one_axis::<P>(resizer, filter, from, across, (rows, columns), between)?;
            let half = Pixels { height: side(rows), width: side(columns), bytes: between };
            let down =
                Part { top: part.top - float(first), tall: part.tall, left: 0.0, wide: float(columns) };
            if columns == width {
                return one_axis::<P>(resizer, filter, half, down, (height, width), out);
            }
            strip.clear();
            strip.resize(height * columns * channels, 0);
            one_axis::<P>(resizer, filter, half, down, (height, columns), strip)?;
            let rows = out.chunks_exact_mut(width * channels).zip(strip.chunks_exact(columns * channels));
            for (to, row) in rows {
                let to = to.get_mut(start * channels..(start + columns) * channels);
                to.into_iter().for_each(|to| to.copy_from_slice(row));
            }
        }
        Ok(())
    }
}

/// One of the sides of `part` is as long as that of the result.
fn one_axis<P: PixelTrait + InnerPixel>(
    resizer: &mut Resizer,
    filter: FilterType,
    from: Pixels<'_>,
    part: Part,
    (height, width): (usize, usize),
    out: &mut [u8],
) -> Result<(), Wrong> {
    let wrong = |why: &dyn std::fmt::Display| format!("the image cannot be resized: {why}");
    let from = TypedImageRef::<P>::from_buffer(from.width, from.height, from.bytes);
    let from = from.map_err(|why| wrong(&why))?;
    let mut to = TypedImage::<P>::from_buffer(side(width), side(height), out).map_err(|why| wrong(&why))?;
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(filter))
        .crop(part.left, part.top, part.wide, part.tall);
    resizer.resize_typed(&from, &mut to, &options).map_err(|why| wrong(&why))
}

/// The rows that a part is made of, or some more: the first, and how many.
fn reach(rows: u32, part: Part, height: usize) -> (usize, usize) {
    let support = REACH * (part.tall / float(height)).max(1.0) + 1.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to a number of rows")]
    let row = |place: f64| place.clamp(0.0, f64::from(rows)) as usize;
    let first = row((part.top - support).floor());
    (first, row((part.top + part.tall + support).ceil()).saturating_sub(first))
}

fn side(side: usize) -> u32 {
    u32::try_from(side).unwrap_or(u32::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "a side of 16 bits")]
fn float(side: usize) -> f64 {
    side as f64
}
