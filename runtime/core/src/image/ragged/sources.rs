//! A batch's images: bytes, and where in them each lies, of which nothing is believed.

use super::{
    transform::{MAX_SIDE, Source, Transform, index},
    video,
};
use std::borrow::Cow;

/// Flat bytes; for each image where its planes begin, and its height, its width and the bytes from one row to the next.
#[derive(Clone, Copy, Debug)]
pub struct Ragged<'a> {
    pub pixels: &'a [u8],
    pub offsets: &'a [i64],
    pub sizes: &'a [[i32; 3]],
}

/// Rows of interleaved channels without padding.
#[derive(Debug)]
pub(super) struct Image<'a> {
    pub(super) height: u32,
    pub(super) width: u32,
    pub(super) levels: Cow<'a, [u8]>,
}

impl Source {
    /// Offsets of each image.
    pub fn planes(self) -> usize {
        match self {
            Source::Interleaved => 1,
            Source::Nv12 => 2,
            Source::I420 => 3,
        }
    }
}

/// `None`: it does not lie in the bytes, or its sides cannot be.
pub(super) fn image<'a>(ragged: Ragged<'a>, at: usize, transform: &Transform) -> Option<Image<'a>> {
    let [height, width, stride] = ragged.sizes.get(at).copied()?;
    let side = |side: i32| u32::try_from(side).ok().filter(|side| (1..=MAX_SIDE).contains(side));
    let (height, width) = (side(height)?, side(width)?);
    let stride = usize::try_from(stride).ok()?;
    let planes = transform.source.planes();
    let starts = ragged.offsets.get(at * planes..(at + 1) * planes)?;
    let plane = |which: usize, rows: u32, row: usize, stride: usize| {
        let start = usize::try_from(*starts.get(which)?).ok()?;
        let len = index(rows - 1).checked_mul(stride)?.checked_add(row)?;
        if stride < row {
            return None;
        }
        Some(Plane { bytes: ragged.pixels.get(start..start.checked_add(len)?)?, row, stride })
    };
    let (rows, half) = (height.div_ceil(2), index(width.div_ceil(2)));
    let levels = match transform.source {
        Source::Interleaved => plane(0, height, index(width) * transform.channels, stride)?.packed(),
        Source::Nv12 => {
            let (luma, pairs) = (plane(0, height, index(width), stride)?, plane(1, rows, 2 * half, stride)?);
            let chroma = |row: usize| pairs.row(row).as_chunks().0.iter().copied();
            Cow::Owned(video::rgb(&luma, chroma, transform))
        }
        Source::I420 => {
            let luma = plane(0, height, index(width), stride)?;
            let chroma_stride = stride.div_ceil(2);
            let (u, v) = (plane(1, rows, half, chroma_stride)?, plane(2, rows, half, chroma_stride)?);
            let chroma = |row: usize| u.row(row).iter().zip(v.row(row)).map(|(u, v)| [*u, *v]);
            Cow::Owned(video::rgb(&luma, chroma, transform))
        }
    };
    Some(Image { height, width, levels })
}

/// Rows of bytes, with others between them.
#[derive(Debug)]
pub(super) struct Plane<'a> {
    bytes: &'a [u8],
    row: usize,
    stride: usize,
}

impl<'a> Plane<'a> {
    pub(super) fn rows(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let row = self.row;
        self.bytes.chunks(self.stride.max(1)).filter_map(move |chunk| chunk.get(..row))
    }

    fn row(&self, at: usize) -> &'a [u8] {
        let start = at * self.stride;
        self.bytes.get(start..start + self.row).unwrap_or_default()
    }

    fn packed(&self) -> Cow<'a, [u8]> {
        if self.row == self.stride {
            Cow::Borrowed(self.bytes)
        } else {
            Cow::Owned(self.rows().flatten().copied().collect())
        }
    }
}
