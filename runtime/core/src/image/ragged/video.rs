//! From a video's luma and chroma to red, green and blue, in whole numbers: ITU-R BT.601 and BT.709.

use super::{
    sources::Plane,
    transform::{Colours, Transform},
};

/// Black, and the factors of luma, V in red, U and V in green, U in blue, in 16 bits. Of a limited range luma is 16 to
/// 235 and chroma 16 to 240.
fn factors(transform: &Transform) -> [i32; 6] {
    // The shares of red and blue in luma.
    let (red, blue) = match transform.colours {
        Colours::Bt601 => (0.299, 0.114),
        Colours::Bt709 => (0.2126, 0.0722),
    };
    let green = 1.0 - red - blue;
    let (black, luma, chroma) =
        if transform.full_range { (0, 1.0, 1.0) } else { (16, 255.0 / 219.0, 255.0 / 224.0) };
    let (v, u) = (2.0 * (1.0 - red) * chroma, 2.0 * (1.0 - blue) * chroma);
    let whole = |factor: f64| -> i32 {
        #[expect(clippy::cast_possible_truncation, reason = "below 4 in 16 bits")]
        let whole = (factor * 65_536.0).round_ties_even() as i32;
        whole
    };
    [black, whole(luma), whole(v), whole(-u * blue / green), whole(-v * red / green), whole(u)]
}

/// The picture, rows of RGB. `chroma` has, for each second row, U and V of each second pixel.
pub(super) fn rgb<C: Iterator<Item = [u8; 2]>>(
    luma: &Plane<'_>,
    chroma: impl Fn(usize) -> C,
    transform: &Transform,
) -> Vec<u8> {
    let [black, of_luma, red_v, green_u, green_v, blue_u] = factors(transform);
    let mut picture = Vec::new();
    for (at, row) in luma.rows().enumerate() {
        for (pixels, [u, v]) in row.chunks(2).zip(chroma(at / 2)) {
            let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
            let apart = [red_v * v, green_u * u + green_v * v, blue_u * u];
            for pixel in pixels {
                let light = (i32::from(*pixel) - black) * of_luma + (1 << 15);
                picture.extend(apart.map(|apart| level((light + apart) >> 16)));
            }
        }
    }
    picture
}

fn level(value: i32) -> u8 {
    u8::try_from(value.clamp(0, 255)).unwrap_or(0)
}
