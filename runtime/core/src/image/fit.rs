//! From a picture of any size to a model's input: one crop, one resize, never distorted.

use super::{
    Picture, Wrong,
    orientation::Orientation,
    resize::{Part, Pixels, Room},
};
use fast_image_resize::FilterType;
use fast_image_resize::pixels::U8x3;

/// Longest side of a target.
const MAX_SIDE: u32 = 8192;

/// A part that is smaller is a point as well as any, and its sides would be lost beside its place: of 53 bits a place in
/// an image takes 16.
const LEAST_CROP: f64 = 1e-9;

/// How pixels are weighed. Each widens its reach where the picture shrinks, as Pillow's do: no aliasing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    Bilinear,
    /// Catmull-Rom (a = -0.5), Pillow's `BICUBIC`.
    Bicubic,
    Lanczos,
}

impl Filter {
    pub const ALL: [Filter; 3] = [Filter::Bilinear, Filter::Bicubic, Filter::Lanczos];

    pub const fn name(self) -> &'static str {
        match self {
            Filter::Bilinear => "bilinear",
            Filter::Bicubic => "bicubic",
            Filter::Lanczos => "lanczos",
        }
    }

    const fn kind(self) -> FilterType {
        match self {
            Filter::Bilinear => FilterType::Bilinear,
            Filter::Bicubic => FilterType::CatmullRom,
            Filter::Lanczos => FilterType::Lanczos3,
        }
    }
}

/// What every image of a batch becomes: `height` x `width` pixels, made from the centre of the image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    height: u32,
    width: u32,
    crop: f64,
    filter: Filter,
}

impl Target {
    /// `crop` is a share of the largest centred part that has the target's proportions: 1 takes all of it.
    pub fn new(height: u32, width: u32, crop: f64, filter: &str) -> Result<Target, String> {
        if !(1..=MAX_SIDE).contains(&height) || !(1..=MAX_SIDE).contains(&width) {
            return Err(format!(
                "expected a height and width of 1 to {MAX_SIDE} pixels, got {height} x {width}"
            ));
        }
        if !(crop > 0.0 && crop <= 1.0) {
            return Err(format!("expected a crop above 0 and up to 1, got {crop}"));
        }
        let named = Filter::ALL.into_iter().find(|each| each.name() == filter);
        let filter = named.ok_or_else(|| {
            format!("expected filter {}, got {filter:?}", Filter::ALL.map(Filter::name).join(", "))
        })?;
        Ok(Target { height, width, crop, filter })
    }

    /// Bytes of one image: height x width x 3.
    pub fn bytes(&self) -> usize {
        self.height as usize * self.width as usize * 3
    }

    /// Fills `out`, which has [`Target::bytes`]. The turn comes last and costs nothing to speak of: a crop
    /// from the centre is the same part of the picture whichever way it lies.
    pub(super) fn fill(&self, picture: &Picture, room: &mut Room, out: &mut [u8]) -> Result<(), Wrong> {
        if picture.orientation == Orientation::UPRIGHT {
            return self.resize(picture, self.width, self.height, room, out);
        }
        let mut stored = vec![0; self.bytes()];
        let transposed = picture.orientation.is_transposed();
        let (width, height) = if transposed { (self.height, self.width) } else { (self.width, self.height) };
        self.resize(picture, width, height, room, &mut stored)?;
        picture.orientation.turn(&stored, width as usize, height as usize, out);
        Ok(())
    }

    fn resize(
        &self,
        picture: &Picture,
        width: u32,
        height: u32,
        room: &mut Room,
        out: &mut [u8],
    ) -> Result<(), Wrong> {
        let part = self.part(picture, width, height);
        let from = Pixels { height: picture.height, width: picture.width, bytes: &picture.rgb };
        let sides = (height as usize, width as usize, 3);
        room.resize::<U8x3>(from, part, self.filter.kind(), sides, out)
    }

    fn part(&self, picture: &Picture, width: u32, height: u32) -> Part {
        let (across, down) = (f64::from(picture.width), f64::from(picture.height));
        let (width, height) = (f64::from(width), f64::from(height));
        let scale = (across / width).min(down / height) * self.crop.max(LEAST_CROP);
        // The product may round to a little more than the picture has.
        let (part_across, part_down) = ((width * scale).min(across), (height * scale).min(down));
        let (left, top) = ((across - part_across) / 2.0, (down - part_down) / 2.0);
        Part { top, tall: part_down, left, wide: part_across }
    }
}

#[cfg(test)]
#[path = "fit_tests.rs"]
mod tests;
