//! From a picture of any size to a model's input: one crop, one resize, never distorted.

use super::{Picture, Wrong, orientation::Orientation, zeros::clear_of_zeros};
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

/// Longest side of a target.
const MAX_SIDE: u32 = 8192;

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
    pub(super) fn fill(&self, picture: &Picture, resizer: &mut Resizer, out: &mut [u8]) -> Result<(), Wrong> {
        if picture.orientation == Orientation::UPRIGHT {
            return self.resize(picture, self.width, self.height, resizer, out);
        }
        let mut stored = vec![0; self.bytes()];
        let transposed = picture.orientation.is_transposed();
        let (width, height) = if transposed { (self.height, self.width) } else { (self.width, self.height) };
        self.resize(picture, width, height, resizer, &mut stored)?;
        picture.orientation.turn(&stored, width as usize, height as usize, out);
        Ok(())
    }

    fn resize(
        &self,
        picture: &Picture,
        width: u32,
        height: u32,
        resizer: &mut Resizer,
        out: &mut [u8],
    ) -> Result<(), Wrong> {
        let wrong = |why: &dyn std::fmt::Display| format!("the image cannot be resized: {why}");
        let from = TypedImageRef::<U8x3>::from_buffer(picture.width, picture.height, &picture.rgb);
        let from = from.map_err(|why| wrong(&why))?;
        let mut to = TypedImage::<U8x3>::from_buffer(width, height, out).map_err(|why| wrong(&why))?;
        let (left, top, across, down) = self.part(picture, width, height);
        let clear = |begin, len, places| clear_of_zeros(begin, len, places, self.filter.kind());
        let (left, top) = (clear(left, across, width), clear(top, down, height));
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(self.filter.kind()))
            .crop(left, top, across, down);
        resizer.resize_typed(&from, &mut to, &options).map_err(|why| wrong(&why))
    }

    /// Left, top, width and height of the part that is used, in pixels and fractions of them.
    fn part(&self, picture: &Picture, width: u32, height: u32) -> (f64, f64, f64, f64) {
        let (across, down) = (f64::from(picture.width), f64::from(picture.height));
        let (width, height) = (f64::from(width), f64::from(height));
        let scale = (across / width).min(down / height) * self.crop;
        // The product may round to a little more than the picture has.
        let (part_across, part_down) = ((width * scale).min(across), (height * scale).min(down));
        ((across - part_across) / 2.0, (down - part_down) / 2.0, part_across, part_down)
    }
}

#[cfg(test)]
#[path = "fit_tests.rs"]
mod tests;
