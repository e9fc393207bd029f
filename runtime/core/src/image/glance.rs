//! A picture as it comes out of its file: how bright each pixel is, and how far its channels are apart.

use super::decode;
use std::panic::catch_unwind;

/// What there is to see at a glance.
#[derive(Debug)]
pub struct Glance {
    pub width: usize,
    /// Rows of `width` pixels, as they are stored: each the mean of its channels.
    pub grey: Vec<u8>,
    /// Between a pixel's brightest channel and its darkest, on average: 0 of a picture without colours.
    pub colour: f64,
}

impl Glance {
    /// `None` of what is no JPEG, PNG or WebP, or is broken.
    pub fn of(file: &[u8]) -> Option<Glance> {
        let picture = catch_unwind(|| decode(file)).ok()?.ok()?;
        let (pixels, _) = picture.rgb.as_chunks::<3>();
        let mean = |pixel: &[u8; 3]| u8::try_from(pixel.iter().map(|one| u16::from(*one)).sum::<u16>() / 3);
        let apart = |[red, green, blue]: &[u8; 3]| {
            u64::from(red.max(green).max(blue).abs_diff(*red.min(green).min(blue)))
        };
        let sum: u64 = pixels.iter().map(apart).sum();
        Some(Glance {
            width: usize::try_from(picture.width).ok()?,
            grey: pixels.iter().map(|pixel| mean(pixel).unwrap_or(u8::MAX)).collect(),
            colour: ratio(sum, pixels.len()),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "of a picture's pixels")]
fn ratio(sum: u64, count: usize) -> f64 {
    sum as f64 / count.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::super::samples::{CAT, ramp};
    use super::*;

    #[test]
    fn a_photo_has_colours_and_a_ramp_has_none() {
        let cat = Glance::of(CAT).unwrap();
        assert_eq!((cat.width, cat.grey.len()), (451, 451 * 300));
        assert!(cat.colour > 10.0, "{}", cat.colour);
        let ramp = Glance::of(&ramp(4, 2)).unwrap();
        assert_eq!((&ramp.grey[..4], ramp.colour), (&[0, 85, 170, 255][..], 0.0));
    }

    #[test]
    fn what_is_no_picture_is_none() {
        assert!(Glance::of(b"").is_none());
        assert!(Glance::of(&CAT[..CAT.len() / 2]).is_none());
    }
}
