//! JPEG, PNG and WebP of anybody's making to the RGB bytes a model wants, without the interpreter.
//!
//! An image is decoded, cropped to the target's proportions and resized; what is wrong with one image is
//! its own error and harms no other. Sizes are checked before memory is taken: an image decodes to at most
//! [`MAX_PIXELS`], so a thread holds at most 100 MB for a baseline JPEG, 240 MB for a lossless WebP (of one colour it may
//! have 30 bytes) and 300 MB for a progressive JPEG.

mod batch;
mod fit;
mod glance;
mod jpeg;
pub(crate) mod orientation;
mod png;
pub mod ragged;
mod resize;
mod threads;
mod webp;

pub use batch::decode_batch;
pub use fit::{Filter, Target};
pub use glance::Glance;
use std::panic::catch_unwind;

/// Of one image. A photo of 24 million pixels is below it.
pub const MAX_PIXELS: usize = 32 << 20;

/// Rows of RGB bytes without padding, as the file stores them, and how they are to be turned for a viewer.
#[derive(Debug)]
struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
    orientation: orientation::Orientation,
}

/// What is wrong with an image, for whoever sent it.
type Wrong = String;

fn decode(file: &[u8]) -> Result<Picture, Wrong> {
    match file {
        [0xFF, 0xD8, 0xFF, ..] => jpeg::decode(file),
        [0x89, b'P', b'N', b'G', ..] => png::decode(file),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => webp::decode(file),
        [] => Err("expected a JPEG, PNG or WebP image, got no bytes".into()),
        _ => {
            let start = file.get(..file.len().min(8)).unwrap_or_default();
            Err(format!(
                "expected a JPEG, PNG or WebP image, got {} bytes that start with {start:02x?}",
                file.len()
            ))
        }
    }
}

/// Height and width, as stored, of each file that is a JPEG, or what is wrong with its header; `None` of others. What is
/// too large is found out here, before anybody decodes it, wherever that is.
pub fn jpeg_sizes(files: &[&[u8]]) -> Vec<Option<Result<(u32, u32), Wrong>>> {
    let size = |file: &&[u8]| match file {
        [0xFF, 0xD8, 0xFF, ..] => {
            let read = catch_unwind(|| jpeg::size(file));
            Some(read.unwrap_or_else(|_| Err("the image makes its decoder fail".into())))
        }
        _ => None,
    };
    files.iter().map(size).collect()
}

/// Of one image: the longest of a JPEG. A resize has a weight for each row, or several.
const MAX_SIDE: u32 = 65_535;

/// The image's number of pixels, if there are some and not too many.
fn check_size(width: u32, height: u32) -> Result<usize, Wrong> {
    let pixels = u64::from(width) * u64::from(height);
    match usize::try_from(pixels) {
        Ok(pixels) if (1..=MAX_PIXELS).contains(&pixels) && width.max(height) <= MAX_SIDE => Ok(pixels),
        _ => Err(format!(
            "the image is {width} x {height} pixels; 1 to {MAX_PIXELS} pixels are decoded, and sides of up to {MAX_SIDE}"
        )),
    }
}

/// Alpha is dropped, as training pipelines do; what lies under transparent pixels is the file's business.
fn to_rgb(samples: Vec<u8>, channels: usize) -> Vec<u8> {
    if channels == 3 {
        return samples;
    }
    // In one piece: a vector that grows holds twice as much for a while.
    let mut rgb = Vec::with_capacity(samples.len() / channels * 3);
    if channels == 4 {
        let (pixels, _) = samples.as_chunks::<4>();
        pixels.iter().for_each(|[red, green, blue, _]| rgb.extend([*red, *green, *blue]));
    } else {
        samples.iter().step_by(channels).for_each(|value| rgb.extend([*value; 3]));
    }
    rgb
}

#[cfg(test)]
mod samples;
