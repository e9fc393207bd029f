//! Images for tests.

use super::orientation::tests::exif;

/// 451 x 300 pixels, baseline, 4:2:0.
pub(super) const CAT: &[u8] = include_bytes!("../../../../examples/photos/cat.jpg");

/// Photos of 48 x 40 pixels, from the fuzzer's corpus; the first says that it is to be turned.
pub(super) const LOSSY: &[u8] = include_bytes!("../../fuzz/corpus/image/lossy.webp");
pub(super) const ALPHA: &[u8] = include_bytes!("../../fuzz/corpus/image/alpha.webp");
/// 24 x 20 pixels of few colours.
pub(super) const LOSSLESS: &[u8] = include_bytes!("../../fuzz/corpus/image/lossless.webp");
/// Two pictures of 20 x 16 pixels.
pub(super) const ANIMATED: &[u8] = include_bytes!("../../fuzz/corpus/image/animated.webp");

/// A container with these chunks.
pub(super) fn webp(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let le = |len: usize| u32::try_from(len).unwrap().to_le_bytes();
    let each = |(name, data): &(&[u8; 4], &[u8])| {
        [&name[..], &le(data.len()), *data, &b"\0"[..data.len() % 2]].concat()
    };
    let body: Vec<u8> = chunks.iter().flat_map(each).collect();
    [b"RIFF", &le(body.len() + 4)[..], b"WEBP", &body].concat()
}

/// The photo with an orientation in front of whatever else it says.
pub(super) fn turned_cat(orientation: u16) -> Vec<u8> {
    let mut block = b"Exif\0\0".to_vec();
    block.extend(exif(orientation, true));
    let len = u16::try_from(block.len() + 2).unwrap().to_be_bytes();
    [&CAT[..2], &[0xFF, 0xE1], &len, &block, &CAT[2..]].concat()
}

/// The photo, with other sizes in its header.
pub(super) fn resized_cat(width: u16, height: u16) -> Vec<u8> {
    let frame = CAT.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    let mut file = CAT.to_vec();
    file[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    file[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    file
}

pub(super) fn png(
    width: u32,
    height: u32,
    colours: png::ColorType,
    bits: png::BitDepth,
    data: &[u8],
) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(colours);
    encoder.set_depth(bits);
    if colours == png::ColorType::Indexed {
        encoder.set_palette(vec![10, 20, 30, 40, 50, 60]);
    }
    encoder.write_header().unwrap().write_image_data(data).unwrap();
    file
}

/// A grey ramp from left to right.
pub(super) fn ramp(width: u32, height: u32) -> Vec<u8> {
    let row = (0..width).map(|x| u8::try_from(x * 255 / width.max(2).saturating_sub(1)).unwrap());
    let data: Vec<u8> = (0..height).flat_map(|_| row.clone()).collect();
    png(width, height, png::ColorType::Grayscale, png::BitDepth::Eight, &data)
}
