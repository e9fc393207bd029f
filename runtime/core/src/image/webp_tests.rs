use super::super::{MAX_PIXELS, MAX_SIDE, samples};
use super::*;

type Named<'a> = (&'a [u8; 4], &'a [u8]);

fn picture(file: &[u8]) -> Named<'_> {
    Container::read(file).unwrap().picture.unwrap()
}

fn rgb(file: &[u8]) -> Vec<u8> {
    decode(file).unwrap().rgb
}

/// Flags, and sides less one.
fn extended(width: u32, height: u32) -> Vec<u8> {
    let side = |side: u32| (side - 1).to_le_bytes();
    [&[0; 4][..], &side(width)[..3], &side(height)[..3]].concat()
}

#[test]
fn a_picture_is_the_same_in_every_container() {
    for file in [samples::LOSSY, samples::LOSSLESS] {
        let (name, data) = picture(file);
        let Picture { width, height, rgb: alone, .. } = decode(&samples::webp(&[(name, data)])).unwrap();
        assert_eq!(alone.len(), width as usize * height as usize * 3);
        assert_eq!(alone, rgb(file));
        let whole = extended(width, height);
        let frame = samples::webp(&[(b"ALPH", b"odd"), (name, data)]);
        let frame = [&[0; FRAME_HEADER], &frame[12..]].concat();
        for chunks in [
            vec![(b"VP8X", &whole[..]), (b"ALPH", b"never looked at"), (name, data)],
            vec![(b"VP8X", &whole), (b"ANIM", b"6 byte"), (b"ANMF", &frame), (b"ANMF", b"broken")],
            vec![(b"ABCD", b"an odd one"), (name, data), (b"VP8 ", b"a second")],
        ] {
            assert_eq!(rgb(&samples::webp(&chunks)), alone, "{chunks:?}");
        }
    }
}

#[test]
fn alpha_is_dropped_and_an_orientation_kept() {
    let (name, data) = picture(samples::ALPHA);
    assert_eq!(rgb(samples::ALPHA), rgb(&samples::webp(&[(name, data)])));
    let exif = super::super::orientation::tests::exif(6, false);
    assert_eq!(decode(samples::LOSSY).unwrap().orientation, Orientation::of(&exif));
    let (name, data) = picture(samples::LOSSLESS);
    for block in [exif.clone(), [&b"Exif\0\0"[..], &exif].concat()] {
        let file = samples::webp(&[(name, data), (b"EXIF", &block)]);
        assert_eq!(decode(&file).unwrap().orientation, Orientation::of(&exif));
    }
}

#[test]
fn a_file_that_ends_early_is_an_error_wherever_it_ends() {
    for file in [samples::LOSSY, samples::LOSSLESS, samples::ALPHA, samples::ANIMATED] {
        for len in 12..file.len() {
            let why = decode(&file[..len]).unwrap_err();
            assert!(why.starts_with("the WebP image ends early: "), "{len} bytes: {why}");
        }
        assert_eq!(rgb(&[file, b"more"].concat()), rgb(file));
    }
}

/// Where the container does not tell, the decoder does.
#[test]
fn a_bitstream_that_ends_early_is_an_error() {
    for file in [samples::LOSSY, samples::LOSSLESS] {
        let (name, data) = picture(file);
        for len in 0..data.len() - 8 {
            decode(&samples::webp(&[(name, &data[..len])])).unwrap_err();
        }
    }
}

#[test]
fn a_picture_that_is_not_all_of_the_image_is_refused() {
    let (name, data) = picture(samples::LOSSLESS);
    let (larger, frame) = (extended(25, 20), samples::webp(&[(name, data)]));
    let frame = [&[0; FRAME_HEADER], &frame[12..]].concat();
    for chunk in [(name, data), (b"ANMF", &frame)] {
        let why = decode(&samples::webp(&[(b"VP8X", &larger), chunk])).unwrap_err();
        let expected =
            "the WebP image is 25 x 20 pixels, and the first picture, 24 x 20 pixels, is not all of it";
        assert_eq!(why, expected);
    }
}

#[test]
fn sizes_are_refused_before_memory_is_taken() {
    let lossy = |width: u16, height: u16| {
        let mut data = picture(samples::LOSSY).1.to_vec();
        data[6..8].copy_from_slice(&width.to_le_bytes());
        data[8..10].copy_from_slice(&height.to_le_bytes());
        decode(&samples::webp(&[(b"VP8X", &extended(48, 40)), (b"VP8 ", &data)])).unwrap_err()
    };
    let limit = format!("1 to {MAX_PIXELS} pixels are decoded, and sides of up to {MAX_SIDE}");
    assert_eq!(lossy(16_383, 16_383), format!("the image is 16383 x 16383 pixels; {limit}"));
    assert!(lossy(5000, 6000).starts_with("the WebP image ends early: 5000 x 6000 pixels in "));
    let mut data = picture(samples::LOSSLESS).1.to_vec();
    data[1..5].copy_from_slice(&(16_382_u32 | 16_382 << 14).to_le_bytes());
    let lossless = decode(&samples::webp(&[(b"VP8L", &data)])).unwrap_err();
    assert_eq!(lossless, format!("the image is 16383 x 16383 pixels; {limit}"));
}

/// The bound on what is in a file is that of lossy ones.
#[test]
fn a_lossless_picture_of_one_colour_is_read_however_few_its_bytes() {
    let pixels = vec![7; 2048 * 2048 * 3];
    let mut file = Vec::new();
    let encoder = image_webp::WebPEncoder::new(&mut file);
    encoder.encode(&pixels, 2048, 2048, image_webp::ColorType::Rgb8).unwrap();
    assert!(file.len() * MAX_PIXELS_PER_BYTE < 2048 * 2048, "{} bytes", file.len());
    assert_eq!(rgb(&file), pixels);
}

/// As RGBA and as RGB; a tenth is for what else a decoder needs.
#[test]
fn a_lossless_picture_takes_seven_bytes_a_pixel() {
    for (channels, colours) in [(3, image_webp::ColorType::Rgb8), (4, image_webp::ColorType::Rgba8)] {
        let mut file = Vec::new();
        let encoder = image_webp::WebPEncoder::new(&mut file);
        encoder.encode(&vec![7; 1024 * 1024 * channels], 1024, 1024, colours).unwrap();
        let taken = allocation_counter::measure(|| assert_eq!(rgb(&file).len(), 1024 * 1024 * 3));
        assert!(taken.bytes_max < 1024 * 1024 * 77 / 10, "{} bytes", taken.bytes_max);
    }
}
