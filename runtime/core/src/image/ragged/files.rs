//! From image files to a model's input tensor: each thread holds one picture at a time, however many there are.

use super::{
    super::{Picture, Wrong, decode, orientation::Orientation, threads::on_threads},
    Kept, Ragged, Source, Transform, one,
    store::Writer,
};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Fills `out`, which has [`Transform::bytes`] for each file, and says for each what is wrong with it, if anything; its
/// part of `out` is zero then. A transform that was checked, of RGB, on at most `threads`.
pub fn preprocess_files(
    files: &[&[u8]],
    transform: &Transform,
    threads: NonZeroUsize,
    out: &mut [u8],
) -> Vec<Option<Wrong>> {
    let writer = Writer::new(transform);
    let mut faults = vec![None; files.len()];
    let places = out.chunks_exact_mut(transform.bytes().max(1)).zip(&mut faults);
    let work = files.iter().zip(places);
    on_threads(work, files.len(), threads, Kept::default, |kept, (file, (out, fault))| {
        // A decoder that panics has met a file its authors did not think of: that file's error, and nobody else's.
        let attempt = catch_unwind(AssertUnwindSafe(|| file_of(file, transform, &writer, kept, out)));
        let done = attempt.unwrap_or_else(|_| {
            *kept = Kept::default(); // its buffers may be half written
            Err("the image makes its decoder fail".into())
        });
        if let Err(wrong) = done {
            out.fill(0);
            *fault = Some(wrong);
        }
    });
    faults
}

/// Whether files can become such a tensor.
///
/// # Errors
/// Says what is expected: files are decoded to RGB.
pub fn check_files(transform: &Transform) -> Result<(), Wrong> {
    match (transform.source, transform.channels) {
        (Source::Interleaved, 3) => Ok(()),
        (_, channels) => {
            Err(format!("files are decoded to 3 interleaved channels, not {channels} or a video's planes"))
        }
    }
}

fn file_of(
    file: &[u8],
    transform: &Transform,
    writer: &Writer<'_>,
    kept: &mut Kept,
    out: &mut [u8],
) -> Result<(), Wrong> {
    let Picture { width, height, rgb, .. } = upright_of(decode(file)?);
    let side = |side: u32| i32::try_from(side).map_err(|_| "the image is too large".to_owned());
    let (height, width) = (side(height)?, side(width)?);
    let sizes = [[height, width, 3 * width]];
    one(Ragged { pixels: &rgb, offsets: &[0], sizes: &sizes }, 0, transform, writer, kept, out)
}

/// As a viewer sees it: where it lies on its side, at the price of a copy.
fn upright_of(picture: Picture) -> Picture {
    let Picture { width, height, rgb, orientation } = picture;
    if orientation == Orientation::UPRIGHT {
        return Picture { width, height, rgb, orientation };
    }
    let mut turned = vec![0; rgb.len()];
    orientation.turn(&rgb, width as usize, height as usize, &mut turned);
    let (width, height) = if orientation.is_transposed() { (height, width) } else { (width, height) };
    Picture { width, height, rgb: turned, orientation: Orientation::UPRIGHT }
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
