//! A batch of images on a few threads.

use super::{Target, Wrong, decode, resize::Room, threads::on_threads};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Decodes and fits every image: RGB bytes of `[images, height, width, 3]`, and for each image what is wrong
/// with it, if anything; the pixels of such an image are zero.
/// At most `threads` work on it.
pub fn decode_batch(
    images: &[&[u8]],
    target: &Target,
    threads: NonZeroUsize,
) -> Result<(Vec<u8>, Vec<Option<String>>), String> {
    let len = images.len().checked_mul(target.bytes()).ok_or("the batch does not fit into memory")?;
    let mut pixels = Vec::new();
    pixels.try_reserve_exact(len).map_err(|why| format!("{len} bytes for the batch's pixels: {why}"))?;
    pixels.resize(len, 0);
    let mut faults = vec![None; images.len()];
    let places = pixels.chunks_exact_mut(target.bytes()).zip(&mut faults);
    let work = images.iter().zip(places);
    on_threads(work, images.len(), threads, Room::default, |room, (image, (out, fault))| {
        *fault = one(image, target, room, out).err();
        if fault.is_some() {
            out.fill(0);
        }
    });
    Ok((pixels, faults))
}

/// A decoder that panics has met a file its authors did not think of: that file's error, and nobody else's.
fn one(image: &[u8], target: &Target, room: &mut Room, out: &mut [u8]) -> Result<(), Wrong> {
    let attempt = catch_unwind(AssertUnwindSafe(|| target.fill(&decode(image)?, room, out)));
    attempt.unwrap_or_else(|_| {
        *room = Room::default(); // its buffers may be half written
        Err("the image makes its decoder fail".into())
    })
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
