//! JPEG to RGB: grey, YCbCr, CMYK and YCCK, baseline and progressive.

use super::{Picture, Wrong, check_size, orientation::Orientation};
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

/// Each scan of a progressive file visits every pixel; encoders write about ten.
const MAX_SCANS: usize = 64;

/// A block of 64 pixels takes at least one bit.
const MAX_PIXELS_PER_BYTE: usize = 512;

pub(super) fn decode(file: &[u8]) -> Result<Picture, Wrong> {
    let Opened { mut decoder, width, height, pixels, orientation } = open(file)?;
    let rgb = decoder.decode().map_err(wrong)?;
    if rgb.len() != pixels * 3 {
        return Err(format!("the JPEG image's colours are not understood: {:?}", decoder.input_colorspace()));
    }
    Ok(Picture { width, height, rgb, orientation })
}

/// Height and width as it is stored, of a file that may be decoded elsewhere: no memory is taken for its pixels.
pub(super) fn size(file: &[u8]) -> Result<(u32, u32), Wrong> {
    open(file).map(|opened| (opened.height, opened.width))
}

/// A header that was read, and whose size is within bounds.
struct Opened<'a> {
    decoder: JpegDecoder<ZCursor<&'a [u8]>>,
    width: u32,
    height: u32,
    pixels: usize,
    orientation: Orientation,
}

fn open(file: &[u8]) -> Result<Opened<'_>, Wrong> {
    // Strict: an image that ends early is an error, not a grey rest.
    let options = DecoderOptions::new_fast()
        .set_strict_mode(true)
        .jpeg_set_max_scans(MAX_SCANS)
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    decoder.decode_headers().map_err(wrong)?;
    let info = decoder.info().ok_or("the JPEG image has no header")?;
    let (width, height) = (u32::from(info.width), u32::from(info.height));
    let pixels = check_size(width, height)?;
    if pixels / MAX_PIXELS_PER_BYTE > file.len() {
        // Found out here, before memory is taken for what cannot be in the file.
        return Err(format!("the JPEG image ends early: {width} x {height} pixels in {} bytes", file.len()));
    }
    let orientation = decoder.exif().map_or(Orientation::UPRIGHT, |exif| Orientation::of(exif));
    Ok(Opened { decoder, width, height, pixels, orientation })
}

fn wrong(why: zune_jpeg::errors::DecodeErrors) -> Wrong {
    format!("the JPEG image is broken: {why}")
}
