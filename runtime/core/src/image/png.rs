//! PNG to RGB: grey, palette, alpha, 1 to 16 bits, interlaced; the first picture of an animation.

use super::{MAX_PIXELS, Picture, Wrong, check_size, orientation::Orientation, to_rgb};
use png::{ColorType, Decoder, DecodingError, Limits, Transformations};
use std::io::Cursor;

/// For what the decoder keeps beside the pixels: the palette, metadata.
const MAX_EXTRA_BYTES: usize = 1 << 20;

/// What deflate can make of a byte at most.
const MAX_INFLATED: usize = 1032;

pub(super) fn decode(file: &[u8]) -> Result<Picture, Wrong> {
    let wrong = |why: DecodingError| format!("the PNG image is broken: {why}");
    let mut decoder = Decoder::new_with_limits(
        Cursor::new(file),
        Limits { bytes: MAX_PIXELS * 4 + MAX_EXTRA_BYTES }, // the decoder counts the rows it decodes too
    );
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::normalize_to_color8());
    let header = decoder.read_header_info().map_err(wrong)?;
    let (width, height) = (header.width, header.height);
    let pixels = check_size(width, height)?;
    let bits = header.color_type.samples() * header.bit_depth as usize;
    if (pixels / 8).saturating_mul(bits) / MAX_INFLATED > file.len() {
        // As for a JPEG: found out here, before memory is taken for what cannot be in the file.
        return Err(format!("the PNG image ends early: {width} x {height} pixels in {} bytes", file.len()));
    }
    let mut reader = decoder.read_info().map_err(wrong)?;
    let (colours, _) = reader.output_color_type();
    let channels = match colours {
        ColorType::Grayscale => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgb | ColorType::Indexed => 3, // an expanded palette
        ColorType::Rgba => 4,
    };
    let mut samples = vec![0; pixels * channels];
    if reader.output_buffer_size() != Some(samples.len()) {
        return Err(format!("the PNG image's colours are not understood: {colours:?}"));
    }
    reader.next_frame(&mut samples).map_err(wrong)?;
    let exif = reader.info().exif_metadata.as_deref();
    let orientation = exif.map_or(Orientation::UPRIGHT, Orientation::of);
    Ok(Picture { width, height, rgb: to_rgb(samples, channels), orientation })
}
