//! Images, and what they say of how they lie.

use super::memory::Most;
use crate::image::{
    MAX_PIXELS, Target, decode_batch,
    orientation::Orientation,
    ragged::{Colours, Fit, Layout, Output, Resize, Source, Transform, preprocess_files},
};
use std::num::NonZeroUsize;

/// An image is held as the file stores it and as RGB; a progressive JPEG's coefficients take twice as much. A file
/// of `n` bytes has at most 512 n pixels as a JPEG, and as a PNG of one bit a pixel 8 × 1032 n.
const MOST: Most = Most { each: 8 * 1032 * 4, beside: 4 << 20 };

/// A lossless WebP's pixels may take no bits at all: what it may hold is what an image may have, as RGBA and as RGB.
const MOST_WEBP: Most = Most { each: MOST.each, beside: MAX_PIXELS * 7 + MOST.beside };

/// A file becomes a picture or is refused with words; the second time as the first.
pub fn any_image(data: &[u8]) {
    let target = Target::new(8, 6, 0.9, "bilinear").unwrap();
    let most = if data.starts_with(b"RIFF") { MOST_WEBP } else { MOST };
    let read = || most.hold(data.len(), || decode_batch(&[data], &target, NonZeroUsize::MIN)).unwrap();
    let (pixels, faults) = read();
    assert_eq!((pixels.len(), faults.len()), (8 * 6 * 3, 1));
    if let Some(fault) = &faults[0] {
        assert!(!fault.is_empty() && pixels.iter().all(|value| *value == 0));
        assert!(!fault.contains("makes its decoder fail"), "a decoder panicked");
    }
    assert_eq!(preprocess_files(&[data], &small(), NonZeroUsize::MIN, &mut [0; 8 * 6 * 3]), faults);
    assert_eq!(read(), (pixels, faults));
    assert!(allowed(data), "more pixels than {MAX_PIXELS} were decoded");
}

/// A model's input of 8 x 6 levels.
fn small() -> Transform {
    Transform {
        height: 8,
        width: 6,
        fit: Fit::Letterbox,
        resize_to: None,
        resize: Resize::Bicubic,
        antialias: true,
        source: Source::Interleaved,
        colours: Colours::Bt601,
        full_range: false,
        channels: 3,
        reverse_channels: false,
        mean: vec![0.0; 3],
        scale: vec![1.0; 3],
        layout: Layout::Pixels,
        output: Output::Uint8,
        fill: 0,
    }
}

/// No picture is decoded whose own header says that it is too large.
fn allowed(data: &[u8]) -> bool {
    let target = Target::new(1, 1, 1.0, "bilinear").unwrap();
    let Some(size) = data.get(16..24).filter(|_| data.starts_with(b"\x89PNG")) else { return true };
    let side = |at: usize| u64::from(u32::from_be_bytes(*size[at..].first_chunk().unwrap()));
    let taken = decode_batch(&[data], &target, NonZeroUsize::MIN).unwrap().1 == [None];
    !taken || side(0) * side(4) <= MAX_PIXELS as u64
}

/// An EXIF block: whatever it says, a turned picture has all of its pixels.
pub fn any_orientation(data: &[u8]) {
    let orientation = Most { each: 0, beside: 0 }.hold(data.len(), || Orientation::of(data));
    let (width, height) = (3, 2);
    let stored: Vec<u8> = (0..width * height).flat_map(|pixel| [u8::try_from(pixel).unwrap(); 3]).collect();
    let mut turned = vec![99; stored.len()];
    orientation.turn(&stored, width, height, &mut turned);
    assert_eq!(reference(data), Some(orientation).filter(|it| *it != Orientation::UPRIGHT));
    turned.sort_unstable();
    assert_eq!(turned, stored, "{orientation:?} loses a pixel");
}

/// The same, read field by field; `None` is upright.
fn reference(exif: &[u8]) -> Option<Orientation> {
    let number = |at: usize, len: usize| {
        let bytes = exif.get(at..at.checked_add(len)?)?;
        let push = |sum: usize, byte: &u8| sum << 8 | usize::from(*byte);
        Some(if exif[0] == b'M' { bytes.iter().fold(0, push) } else { bytes.iter().rev().fold(0, push) })
    };
    if !exif.starts_with(b"MM\0*") && !exif.starts_with(b"II*\0") {
        return None;
    }
    let directory = number(4, 4)?;
    let mut entry = directory + 2;
    for _ in 0..number(directory, 2)? {
        if number(entry, 2)? == 0x0112 {
            let (kind, value) = (number(entry + 2, 2)?, number(entry + 8, 2)?);
            let known = (kind == 3 && (2..=8).contains(&value)).then_some(value)?;
            let block = [
                b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".as_slice(),
                &[u8::try_from(known).unwrap()],
            ];
            return Some(Orientation::of(&block.concat()));
        }
        entry += 12;
    }
    None
}
