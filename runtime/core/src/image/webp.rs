//! WebP to RGB, lossy and lossless; the first picture of an animation.
//!
//! The decoder is given that picture's bitstream alone, as a file of its own, for the price of copying it. So the size
//! that was checked is the one that memory is taken for (a container names sizes of its own), and alpha and metadata
//! are not decoded.

use super::{Picture, Wrong, check_size, orientation::Orientation, to_rgb};
use image_webp::{DecodingError, WebPDecoder};
use std::io::Cursor;

/// A lossy block of 256 pixels takes at least 3.4 bits: its modes, of fixed probabilities. A lossless pixel may take none.
const MAX_PIXELS_PER_BYTE: usize = 1024;

/// Place and duration of an animation's picture, before its chunks.
const FRAME_HEADER: usize = 16;

pub(super) fn decode(file: &[u8]) -> Result<Picture, Wrong> {
    let wrong = |why: DecodingError| format!("the WebP image is broken: {why}");
    let container = Container::read(file)?;
    let (name, bitstream) = container.picture.ok_or("the WebP image has no picture")?;
    let alone = [b"RIFF\0\0\0\0WEBP", &name[..], &len(bitstream).to_le_bytes(), bitstream].concat();
    let mut decoder = WebPDecoder::new(Cursor::new(alone)).map_err(wrong)?;
    let (width, height) = decoder.dimensions();
    let pixels = check_size(width, height)?;
    if decoder.is_lossy() && pixels / MAX_PIXELS_PER_BYTE > bitstream.len() {
        // As for a JPEG: found out here, before memory is taken for what cannot be in the file.
        return Err(format!("the WebP image ends early: {width} x {height} pixels in {} bytes", file.len()));
    }
    match container.canvas {
        Some(canvas) if canvas != [width, height] => {
            let [across, down] = canvas;
            let covered = format!("the first picture, {width} x {height} pixels, is not all of it");
            return Err(format!("the WebP image is {across} x {down} pixels, and {covered}"));
        }
        Some(_) | None => {}
    }
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    let mut samples = vec![0; pixels * channels];
    decoder.read_image(&mut samples).map_err(wrong)?;
    let exif = container.exif.map(|exif| exif.strip_prefix(b"Exif\0\0").unwrap_or(exif));
    let orientation = exif.map_or(Orientation::UPRIGHT, Orientation::of);
    Ok(Picture { width, height, rgb: to_rgb(samples, channels), orientation })
}

/// What is looked for in a file's chunks: of each kind the first.
#[derive(Default)]
struct Container<'a> {
    /// Width and height.
    canvas: Option<[u32; 2]>,
    /// A bitstream, and its chunk's name.
    picture: Option<Chunk<'a>>,
    exif: Option<&'a [u8]>,
}

type Chunk<'a> = (&'a [u8; 4], &'a [u8]);

impl<'a> Container<'a> {
    fn read(file: &'a [u8]) -> Result<Container<'a>, Wrong> {
        let told = file.get(4..8).and_then(<[u8]>::first_chunk).map_or(0, |size| size_of_chunk(*size));
        let whole = told.saturating_add(8);
        let body = file.get(12..whole.max(12));
        let body = body.ok_or_else(|| {
            format!("the WebP image ends early: {whole} bytes are announced, and it has {}", file.len())
        })?;
        let mut found = Container::default();
        for (name, data) in chunks(body) {
            match name {
                b"VP8X" => found.canvas = found.canvas.or_else(|| canvas(data)),
                b"VP8 " | b"VP8L" => found.picture = found.picture.or(Some((name, data))),
                b"ANMF" if found.picture.is_none() => {
                    let frame = chunks(data.get(FRAME_HEADER..).unwrap_or_default());
                    found.picture = { frame }.find(|(name, _)| matches!(*name, b"VP8 " | b"VP8L"));
                }
                b"EXIF" => found.exif = found.exif.or(Some(data)),
                _ => {}
            }
        }
        Ok(found)
    }
}

/// Names and contents, up to one that does not lie inside.
fn chunks(mut rest: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    std::iter::from_fn(move || {
        let (name, behind) = rest.split_first_chunk::<4>()?;
        let (size, behind) = behind.split_first_chunk::<4>()?;
        let size = size_of_chunk(*size);
        let data = behind.get(..size)?;
        rest = behind.get(size + size % 2..).unwrap_or_default();
        Some((name, data))
    })
}

fn canvas(header: &[u8]) -> Option<[u32; 2]> {
    let side = |at: usize| {
        let [low, middle, high] = *header.get(at..)?.first_chunk::<3>()?;
        Some(u32::from_le_bytes([low, middle, high, 0]) + 1)
    };
    Some([side(4)?, side(7)?])
}

fn size_of_chunk(bytes: [u8; 4]) -> usize {
    usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX)
}

fn len(data: &[u8]) -> u32 {
    u32::try_from(data.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "webp_tests.rs"]
mod tests;
