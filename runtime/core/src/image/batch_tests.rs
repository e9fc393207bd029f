use super::super::{MAX_PIXELS, samples};
use super::*;
use png::{BitDepth, ColorType};
use proptest::prelude::*;
use std::io::Write;

const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

fn small() -> Target {
    Target::new(8, 8, 1.0, "bilinear").unwrap()
}

fn fault(file: &[u8]) -> String {
    let (pixels, mut faults) = decode_batch(&[file], &small(), TWO).unwrap();
    assert!(pixels.iter().all(|value| *value == 0), "pixels of a refused image");
    faults.remove(0).unwrap()
}

#[test]
fn one_bad_image_harms_no_other_on_any_number_of_threads() {
    let ramp = samples::ramp(64, 64);
    let images = [samples::CAT, b"no image", ramp.as_slice(), &samples::CAT[..5000], samples::CAT];
    let alone = |file: &[u8]| decode_batch(&[file], &small(), TWO).unwrap().0;
    for threads in 1..=8 {
        let threads = NonZeroUsize::new(threads).unwrap();
        let (pixels, faults) = decode_batch(&images, &small(), threads).unwrap();
        let bad: Vec<_> = faults.iter().map(Option::is_some).collect();
        assert_eq!(bad, [false, true, false, true, false], "{faults:?}");
        for (image, out) in images.iter().zip(pixels.chunks_exact(small().bytes())) {
            assert_eq!(out, alone(image));
        }
    }
    assert_eq!(decode_batch(&[], &small(), TWO).unwrap(), (vec![], vec![]));
}

#[test]
fn a_file_says_what_is_wrong_with_it() {
    let no_image = "expected a JPEG, PNG or WebP image, got 6 bytes that start with [47, 49, 46, 38, 39, 61]";
    assert_eq!(fault(b"GIF89a"), no_image);
    assert_eq!(fault(b""), "expected a JPEG, PNG or WebP image, got no bytes");
    assert!(fault(&[0xFF, 0xD8, 0xFF]).starts_with("the JPEG image is broken: "));
    assert!(fault(b"\x89PNG\r\n\x1a\n").starts_with("the PNG image is broken: "));
    assert_eq!(fault(b"RIFF\x04\0\0\0WEBP"), "the WebP image has no picture");
    assert!(fault(b"RIFF\x04\0\0\0WAVE").starts_with("expected a JPEG, PNG or WebP image, got 12 bytes"));
}

#[test]
fn sizes_are_refused_before_memory_is_taken() {
    let limit = format!("1 to {MAX_PIXELS} pixels are decoded, and sides of up to 65535");
    let large = fault(&samples::resized_cat(65_535, 65_535));
    assert_eq!(large, format!("the image is 65535 x 65535 pixels; {limit}"));
    // Within the limit, but 30 million pixels cannot be in so few bytes.
    assert!(fault(&samples::resized_cat(6000, 5000)).starts_with("the JPEG image ends early: 6000 x 5000"));
    let mut png = samples::ramp(4, 4);
    png[16..24].copy_from_slice(&[0, 0, 0x10, 0, 0, 0, 0x10, 0]);
    let crc = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    assert_eq!(fault(&png), format!("the PNG image ends early: 4096 x 4096 pixels in {} bytes", png.len()));
    let mut png = samples::ramp(4, 4);
    png[16..20].copy_from_slice(&0x7FFF_FFFF_u32.to_be_bytes());
    let crc = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    assert_eq!(fault(&png), format!("the image is 2147483647 x 4 pixels; {limit}"));
}

/// PNG's checksum, bit by bit.
fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[test]
fn a_jpeg_that_ends_early_is_an_error_wherever_it_ends() {
    for len in (3..samples::CAT.len() - 2).step_by(211) {
        fault(&samples::CAT[..len]);
    }
}

/// The bound on what is in a file is no lower than what deflate can do.
#[test]
fn a_png_that_is_packed_as_well_as_can_be_is_read() {
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&vec![0; (1 + 625) * 5000]).unwrap();
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let header = [&5000_u32.to_be_bytes()[..], &5000_u32.to_be_bytes(), &[1, 0, 0, 0, 0]].concat();
    for (kind, data) in [(b"IHDR", header), (b"IDAT", packed.finish().unwrap()), (b"IEND", vec![])] {
        let chunk = [&kind[..], &data].concat();
        file.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        file.extend_from_slice(&chunk);
        file.extend(crc32(&chunk).to_be_bytes());
    }
    let (_, faults) = decode_batch(&[&file], &small(), TWO).unwrap();
    assert!(file.len() < 3200 && faults == [None], "{} bytes: {faults:?}", file.len());
}

#[test]
fn every_kind_of_png_comes_out_as_rgb() {
    let one = |colours, bits, data: &[u8]| {
        let file = samples::png(1, 1, colours, bits, data);
        let target = Target::new(1, 1, 1.0, "bilinear").unwrap();
        let (pixels, faults) = decode_batch(&[&file], &target, TWO).unwrap();
        assert_eq!(faults, [None]);
        pixels
    };
    use BitDepth::{Eight, One, Sixteen, Two};
    assert_eq!(one(ColorType::Grayscale, Eight, &[7]), [7, 7, 7]);
    assert_eq!(one(ColorType::Grayscale, Two, &[0b0100_0000]), [85, 85, 85]);
    assert_eq!(one(ColorType::Grayscale, Sixteen, &[7, 200]), [7, 7, 7]);
    assert_eq!(one(ColorType::GrayscaleAlpha, Eight, &[7, 0]), [7, 7, 7]);
    assert_eq!(one(ColorType::Rgb, Eight, &[1, 2, 3]), [1, 2, 3]);
    assert_eq!(one(ColorType::Rgb, Sixteen, &[1, 9, 2, 9, 3, 9]), [1, 2, 3]);
    assert_eq!(one(ColorType::Rgba, Eight, &[1, 2, 3, 4]), [1, 2, 3]);
    assert_eq!(one(ColorType::Indexed, One, &[0b1000_0000]), [40, 50, 60]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Whatever is done to a file, the answer is a picture or an error.
    #[test]
    fn hostile_files_end_in_an_answer(
        kind in 0_usize..6,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let ramp = samples::ramp(64, 64);
        let webp = [samples::LOSSY, samples::LOSSLESS, samples::ALPHA, samples::ANIMATED];
        let mut file = [&[samples::CAT, ramp.as_slice()], &webp[..]].concat()[kind].to_vec();
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        let whole = decode_batch(&[&file], &small(), TWO).unwrap();
        file.truncate(cut.index(file.len()));
        let part = decode_batch(&[&file], &small(), TWO).unwrap();
        for (pixels, faults) in [whole, part] {
            prop_assert_eq!((pixels.len(), faults.len()), (small().bytes(), 1));
            let said = faults.into_iter().flatten().next().unwrap_or_default();
            prop_assert!(!said.contains("makes its decoder fail"), "a panic was caught");
        }
    }
}
