//! From a ragged batch of decoded images to a model's input tensor, on the CPU: what the kernels do on a GPU.

mod files;
mod interpolate;
mod placement;
mod resample;
mod sources;
mod store;
mod transform;
mod video;

pub use files::{check_files, preprocess_files};
pub use sources::Ragged;
pub use transform::{Colours, Fit, Layout, Output, Resize, Source, Transform};

use super::{Wrong, resize::Room, threads::on_threads};
use parking_lot::Mutex;
use std::num::NonZeroUsize;
use store::{Levels, Writer};

/// What a thread keeps from one image to the next.
#[derive(Default)]
struct Kept {
    room: Room,
    levels: Vec<u8>,
    floats: Vec<f32>,
}

/// Fills `out`, which has [`Transform::bytes`] for each image. One that does not lie in the pixels is not read: its
/// output is `fill`. A transform that was checked, on at most `threads`, the caller's own one of them.
///
/// # Errors
/// Says which image could not be resized, which is a defect: every size of a checked transform can be had.
pub fn preprocess(
    ragged: Ragged<'_>,
    transform: &Transform,
    threads: NonZeroUsize,
    out: &mut [u8],
) -> Result<(), Wrong> {
    let failed = Mutex::new(None);
    let writer = Writer::new(transform);
    let each = out.chunks_exact_mut(transform.bytes().max(1)).enumerate();
    on_threads(each, ragged.sizes.len(), threads, Kept::default, |kept, (at, out)| {
        if let Err(wrong) = one(ragged, at, transform, &writer, kept, out) {
            *failed.lock() = Some(format!("image {at}: {wrong}"));
        }
    });
    failed.into_inner().map_or(Ok(()), Err)
}

fn one(
    ragged: Ragged<'_>,
    at: usize,
    transform: &Transform,
    writer: &Writer<'_>,
    kept: &mut Kept,
    out: &mut [u8],
) -> Result<(), Wrong> {
    let Some(image) = sources::image(ragged, at, transform) else {
        writer.write(None, out);
        return Ok(());
    };
    let spans = placement::placed(image.height, image.width, transform);
    kept.levels.clear();
    kept.floats.clear();
    let levels = match (transform.resize, transform.antialias) {
        (Resize::Nearest, _) => {
            resample::nearest(&image, &spans, transform.channels, &mut kept.levels);
            Levels::Whole(&kept.levels)
        }
        (_, false) => {
            interpolate::interpolated(&image, &spans, transform, &mut kept.floats);
            Levels::Floats(&kept.floats)
        }
        (_, true) => {
            resample::antialiased(&image, &spans, transform, &mut kept.room, &mut kept.levels)?;
            Levels::Whole(&kept.levels)
        }
    };
    writer.write(Some((&spans, levels)), out);
    Ok(())
}
