//! A batch of images on a few threads.

use super::{Target, Wrong, decode};
use fast_image_resize::Resizer;
use parking_lot::Mutex;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Decodes and fits every image: RGB bytes of `[images, height, width, 3]`, and for each image what is wrong
/// with it, if anything; the pixels of such an image are zero.
///
/// At most `threads` work on it, the caller's own one of them, and none for less than an image: starting a
/// thread costs about 30 µs, decoding a photo some milliseconds.
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
    // One lock an image, held for a step of the iterator.
    let places = pixels.chunks_exact_mut(target.bytes()).zip(&mut faults);
    let work = Mutex::new(images.iter().zip(places));
    let worker = || {
        let mut resizer = Resizer::new();
        loop {
            let next = work.lock().next();
            let Some((image, (out, fault))) = next else { break };
            *fault = one(image, target, &mut resizer, out).err();
            if fault.is_some() {
                out.fill(0);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.get().min(images.len()) {
            let named = std::thread::Builder::new().name("decode".into());
            if named.spawn_scoped(scope, worker).is_err() {
                break; // no more threads to be had: the caller's own does the work
            }
        }
        worker();
    });
    Ok((pixels, faults))
}

/// A decoder that panics has met a file its authors did not think of: that file's error, and nobody else's.
fn one(image: &[u8], target: &Target, resizer: &mut Resizer, out: &mut [u8]) -> Result<(), Wrong> {
    let attempt = catch_unwind(AssertUnwindSafe(|| target.fill(&decode(image)?, resizer, out)));
    attempt.unwrap_or_else(|_| {
        *resizer = Resizer::new(); // its buffers may be half written
        Err("the image makes its decoder fail".into())
    })
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
