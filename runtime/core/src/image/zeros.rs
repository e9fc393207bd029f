//! A defect of fast_image_resize 6.1 that reads beyond its memory, and the way around it.
//!
//! It leaves out weights that are zero at the ends of each pixel's neighbours, and takes those of the first pixel for the
//! outermost of all. A cubic is zero at a distance of one pixel: where an image grows and the first place lies just on
//! the middle of a pixel, the first has one neighbour and the second has one before it. So it does with the last.

use fast_image_resize::FilterType;

/// A place this near to the middle of a pixel may be on it after other roundings.
const NEAR: f64 = 1e-6;
/// Moves levels by less than a hundredth.
const APART: f64 = 1e-5;

/// Where a part of an image is to begin, `len` long, that becomes `places` places: at `begin`, or beside it.
pub(super) fn clear_of_zeros(begin: f64, len: f64, places: u32, filter: FilterType) -> f64 {
    let step = len / f64::from(places);
    let on_middle = |place: f64| (place.fract() - 0.5).abs() < NEAR;
    let (first, last) = (begin + 0.5 * step, begin + len - 0.5 * step);
    let grows = step < 1.0 && filter == FilterType::CatmullRom;
    if grows && (on_middle(first) || on_middle(last)) { (begin - APART).max(0.0) } else { begin }
}
