//! Where a resized image lies in the output, or the output in it.

use super::transform::{Fit, Transform};
use std::ops::Range;

/// Along one axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// Of the image, as it is and as it would be resized whole.
    pub(super) side: u64,
    pub(super) resized: u64,
    /// Which places of the output it covers,
    pub(super) covered: Range<usize>,
    /// and the place of the resized image that lies in the first of them.
    pub(super) first: u64,
}

/// Down and across, of an image of `height` x `width`.
pub(super) fn placed(height: u32, width: u32, transform: &Transform) -> [Span; 2] {
    let (height, width) = (u64::from(height), u64::from(width));
    let (down, across) = (u64::from(transform.height), u64::from(transform.width));
    let (resized_height, resized_width) = match transform.fit {
        Fit::Stretch => (down, across),
        Fit::Letterbox if width * down >= height * across => (rounded(height * across, width).max(1), across),
        Fit::Letterbox => (down, rounded(width * down, height).max(1)),
        Fit::Crop => {
            let side = transform.resize_to.map_or(down.max(across), u64::from);
            if width <= height { (side * height / width, side) } else { (side, side * width / height) }
        }
    };
    [span(height, resized_height, down), span(width, resized_width, across)]
}

/// The nearest whole number; a half goes to the even one, as Pillow has it.
fn rounded(above: u64, below: u64) -> u64 {
    let (whole, rest) = (above / below, 2 * (above % below));
    whole + u64::from(rest > below || (rest == below && whole % 2 == 1))
}

/// Centred; a half goes to the even number, as Pillow and torchvision have it.
fn span(side: u64, resized: u64, wanted: u64) -> Span {
    let half = |apart: u64| apart / 2 + u64::from(apart % 4 == 3);
    let (skipped, before) =
        if resized >= wanted { (half(resized - wanted), 0) } else { (0, half(wanted - resized)) };
    let end = wanted.min(before + resized - skipped);
    let place = |place: u64| usize::try_from(place).unwrap_or(usize::MAX);
    Span { side, resized, covered: place(before)..place(end), first: skipped }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_goes_to_the_even_number() {
        let quotients =
            [(25 * 17, 50, 8), (19 * 17, 34, 10), (24, 50, 0), (26, 50, 1), (75, 50, 2), (7, 7, 1)];
        for (above, below, whole) in quotients {
            assert_eq!(rounded(above, below), whole, "{above} / {below}");
        }
        let table = [(9, 9, 0..9, 0), (9, 8, 0..8, 0), (9, 6, 0..6, 2), (9, 4, 0..4, 2), (9, 2, 0..2, 4)];
        for (resized, wanted, covered, first) in table {
            assert_eq!(span(5, resized, wanted), Span { side: 5, resized, covered, first }, "{wanted}");
        }
        for (resized, wanted, covered) in
            [(8, 9, 0..8), (6, 9, 2..8), (4, 9, 2..6), (1, 2, 0..1), (1, 4, 2..3)]
        {
            assert_eq!(span(5, resized, wanted), Span { side: 5, resized, covered, first: 0 }, "{wanted}");
        }
    }
}
