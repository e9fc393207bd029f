use super::super::{decode, orientation::Orientation, samples};
use super::*;

fn fitted(file: &[u8], target: &Target) -> Vec<u8> {
    let mut out = vec![99; target.bytes()];
    target.fill(&decode(file).unwrap(), &mut Room::default(), &mut out).unwrap();
    out
}

fn target(height: u32, width: u32, crop: f64) -> Target {
    Target::new(height, width, crop, "bicubic").unwrap()
}

#[test]
fn a_target_says_what_it_expects() {
    for (height, width, crop, filter, said) in [
        (0, 1, 1.0, "bicubic", "expected a height and width of 1 to 8192 pixels, got 0 x 1"),
        (1, 8193, 1.0, "bicubic", "expected a height and width of 1 to 8192 pixels, got 1 x 8193"),
        (1, 1, 0.0, "bicubic", "expected a crop above 0 and up to 1, got 0"),
        (1, 1, f64::NAN, "bicubic", "expected a crop above 0 and up to 1, got NaN"),
        (1, 1, 1.0, "cubic", "expected filter bilinear, bicubic, lanczos, got \"cubic\""),
    ] {
        assert_eq!(Target::new(height, width, crop, filter).unwrap_err(), said);
    }
}

#[test]
fn the_part_has_the_targets_proportions_and_lies_in_the_middle() {
    let picture =
        |width, height| Picture { width, height, rgb: Vec::new(), orientation: Orientation::UPRIGHT };
    for (size, wanted, crop, part) in [
        ((400, 300), (224, 224), 1.0, (50.0, 0.0, 300.0, 300.0)),
        ((400, 300), (224, 224), 0.5, (125.0, 75.0, 150.0, 150.0)),
        ((300, 400), (100, 50), 1.0, (0.0, 125.0, 300.0, 150.0)),
        ((1, 1), (224, 224), 1.0, (0.0, 0.0, 1.0, 1.0)),
    ] {
        let target = target(wanted.1, wanted.0, crop);
        let (left, top, wide, tall) = part;
        let part = Part { top, tall, left, wide };
        assert_eq!(target.part(&picture(size.0, size.1), wanted.0, wanted.1), part, "{size:?}");
    }
}

#[test]
fn every_proportion_has_a_part_that_can_be_resized() {
    for (width, height) in [(1, 1), (1, 4000), (4000, 1), (7, 3), (333, 77), (641, 479)] {
        for (out_width, out_height) in [(1, 1), (1, 97), (97, 1), (31, 17)] {
            for crop in [0.001, 0.3333, 0.875, 1.0] {
                fitted(&samples::ramp(width, height), &target(out_height, out_width, crop));
            }
        }
    }
}

#[test]
fn the_same_size_is_the_same_picture() {
    let picture = decode(samples::CAT).unwrap();
    assert_eq!((picture.width, picture.height), (451, 300));
    assert_eq!(fitted(samples::CAT, &target(300, 451, 1.0)), picture.rgb);
}

#[test]
fn a_turned_photo_comes_out_upright() {
    let upright = fitted(samples::CAT, &target(40, 30, 0.875));
    assert_eq!(fitted(&samples::turned_cat(1), &target(40, 30, 0.875)), upright);
    // Turned half around, the same pixels come in the opposite order.
    let mut backwards: Vec<_> = fitted(&samples::turned_cat(3), &target(40, 30, 0.875));
    let pixels: Vec<[u8; 3]> = backwards.chunks_exact(3).map(|pixel| pixel.try_into().unwrap()).collect();
    backwards = pixels.into_iter().rev().flatten().collect();
    assert_eq!(backwards, upright);
    // Lying on its side it shows another part: that of a target with the sides exchanged, then turned.
    let side = fitted(samples::CAT, &target(30, 40, 0.875));
    let turned = fitted(&samples::turned_cat(6), &target(40, 30, 0.875));
    assert_eq!(turned[..3], side[29 * 40 * 3..][..3], "the first pixel was the bottom left one");
}

/// Sizes at which the resizer, doing both axes in one, leaves its memory: a weight at the end is zero there.
#[test]
fn no_size_makes_the_resize_read_beyond_its_memory() {
    let check = |(rows, columns): (u32, u32), (height, width): (u32, u32), crop: f64| {
        for filter in Filter::ALL {
            let target = Target::new(height, width, crop, filter.name()).unwrap();
            let rgb = vec![200; 3 * usize::try_from(rows * columns).unwrap()];
            let orientation = Orientation::UPRIGHT;
            let picture = Picture { width: columns, height: rows, rgb, orientation };
            let mut out = vec![0; target.bytes()];
            target.fill(&picture, &mut Room::default(), &mut out).unwrap();
            let apart = out.iter().map(|level| level.abs_diff(200)).max();
            assert!(apart <= Some(1), "{rows} x {columns} to {height} x {width}: {apart:?}");
        }
    };
    let known = [
        ((7, 8), (3, 2), 1.0),
        ((652, 490), (316, 236), 1.0),
        ((1948, 1462), (396, 296), 1.0),
        ((7, 15), (3, 5), 1.0),
        ((5, 5), (3, 2), 0.8),
        ((50, 61), (3, 3), 0.9),
        ((19, 20), (2, 2), 2.0 / 3.0),
        ((13, 27), (3, 5), 1.0),
        ((58, 304), (176, 32), 1.0),
        ((304, 58), (32, 176), 1.0),
    ];
    known.into_iter().for_each(|(size, target, crop)| check(size, target, crop));
    for target in [(17, 18), (3, 3), (2, 5), (9, 17), (17, 41)] {
        for crop in [1.0, 0.5, 0.25] {
            let sizes = (1..24).flat_map(|rows| [(rows, 50), (rows, rows), (50, rows)]);
            sizes.for_each(|size| check(size, target, crop));
        }
    }
}

/// A strip at a time, of which nothing is to be seen.
#[test]
fn a_tall_picture_becomes_wide_without_much_memory() {
    let (rows, columns) = (300, 3);
    let rgb: Vec<u8> = (0..rows * columns)
        .flat_map(|at| [at % 251, at % 7, at % 199].map(|at| u8::try_from(at).unwrap()))
        .collect();
    let bytes: &[u8] = &rgb;
    let from = Pixels { height: rows, width: columns, bytes };
    let part = Part { top: 0.0, tall: rows.into(), left: 0.0, wide: columns.into() };
    let (mut wide, mut narrow) = (vec![0; 5 * 400 * 3], vec![0; 5 * 40 * 3]);
    let filter = FilterType::CatmullRom;
    Room::default().resize::<U8x3>(from, part, filter, (5, 400, 3), &mut wide).unwrap();
    for start in (0..400).step_by(40) {
        let step = f64::from(columns) / 400.0;
        let part = Part { left: f64::from(start) * step, wide: 40.0 * step, ..part };
        Room::default().resize::<U8x3>(from, part, filter, (5, 40, 3), &mut narrow).unwrap();
        for row in 0..5_usize {
            let at = (row * 400 + usize::try_from(start).unwrap()) * 3;
            assert_eq!(wide[at..at + 120], narrow[row * 120..row * 120 + 120], "{row} {start}");
        }
    }
}

#[test]
fn a_crop_of_nearly_nothing_is_the_pixel_in_the_middle() {
    for (width, height) in [(3, 5), (301, 1), (1, 301), (65_535, 3)] {
        let mut rgb = vec![0; width * height * 3];
        let middle = (height / 2 * width + width / 2) * 3;
        rgb[middle..middle + 3].copy_from_slice(&[10, 100, 250]);
        for crop in [1e-7, 1e-12, 1e-20, f64::MIN_POSITIVE, 5e-324] {
            for filter in Filter::ALL {
                let target = Target::new(6, 8, crop, filter.name()).unwrap();
                let side = |side: usize| u32::try_from(side).unwrap();
                let orientation = Orientation::UPRIGHT;
                let picture =
                    Picture { width: side(width), height: side(height), rgb: rgb.clone(), orientation };
                let mut out = vec![0; target.bytes()];
                target.fill(&picture, &mut Room::default(), &mut out).unwrap();
                assert_eq!(out, [10, 100, 250].repeat(48), "{width} x {height}, {crop:e}, {filter:?}");
            }
        }
    }
}
