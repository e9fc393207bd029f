use super::super::{Colours, Fit, Layout, Output, Resize, preprocess};
use super::*;
use crate::image::{orientation::tests::exif, samples};

const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

fn transform() -> Transform {
    Transform {
        height: 6,
        width: 9,
        fit: Fit::Crop,
        resize_to: None,
        resize: Resize::Bilinear,
        antialias: true,
        source: Source::Interleaved,
        colours: Colours::Bt601,
        full_range: false,
        channels: 3,
        reverse_channels: false,
        mean: vec![1.0; 3],
        scale: vec![2.0; 3],
        layout: Layout::Planes,
        output: Output::Float32,
        fill: 7,
    }
}

fn tensor(files: &[&[u8]], threads: NonZeroUsize) -> (Vec<u8>, Vec<Option<Wrong>>) {
    let mut out = vec![99; files.len() * transform().bytes()];
    let faults = preprocess_files(files, &transform(), threads, &mut out);
    (out, faults)
}

#[test]
fn a_file_becomes_what_its_pixels_do() {
    let Picture { width, height, rgb, .. } = decode(samples::CAT).unwrap();
    let (height, width) = (i32::try_from(height).unwrap(), i32::try_from(width).unwrap());
    let sizes = [[height, width, 3 * width]];
    let mut want = vec![0; transform().bytes()];
    preprocess(Ragged { pixels: &rgb, offsets: &[0], sizes: &sizes }, &transform(), TWO, &mut want).unwrap();
    assert_eq!(tensor(&[samples::CAT], TWO), (want, vec![None]));
}

#[test]
fn one_bad_file_harms_no_other_on_any_number_of_threads() {
    let ramp = samples::ramp(64, 64);
    let files = [samples::CAT, b"no image", ramp.as_slice(), &samples::CAT[..5000], samples::CAT];
    for threads in 1..=8 {
        let (out, faults) = tensor(&files, NonZeroUsize::new(threads).unwrap());
        let bad: Vec<_> = faults.iter().map(Option::is_some).collect();
        assert_eq!(bad, [false, true, false, true, false], "{faults:?}");
        for ((file, out), bad) in files.iter().zip(out.chunks_exact(transform().bytes())).zip(bad) {
            let alone = tensor(&[file], TWO).0;
            assert_eq!(out, alone);
            assert!(!bad || out.iter().all(|byte| *byte == 0), "zero, and neither fill nor what was there");
        }
    }
    assert_eq!(tensor(&[], TWO), (vec![], vec![]));
}

#[test]
fn a_picture_on_its_side_is_turned_before_it_is_cropped() {
    let upright = tensor(&[samples::CAT], TWO).0;
    for orientation in 1..=8_u16 {
        let (out, faults) = tensor(&[&samples::turned_cat(orientation)], TWO);
        assert_eq!((faults, out == upright), (vec![None], orientation == 1), "{orientation}");
    }
    // Twice a half turn.
    let turned = decode(&samples::turned_cat(3)).unwrap();
    let (width, height) = (turned.width, turned.height);
    let once = upright_of(turned);
    let twice = upright_of(Picture { orientation: Orientation::of(&exif(3, true)), ..once });
    assert_eq!(
        ((twice.width, twice.height), twice.rgb),
        ((width, height), decode(samples::CAT).unwrap().rgb)
    );
    // A quarter turn changes the sides.
    let quarter = decode(&samples::turned_cat(6)).unwrap();
    let sides = (quarter.width, quarter.height);
    let quarter = upright_of(quarter);
    assert_eq!((quarter.height, quarter.width), sides);
}

#[test]
fn files_have_three_interleaved_channels() {
    assert_eq!(check_files(&transform()), Ok(()));
    for wrong in [
        Transform { channels: 1, mean: vec![0.0], scale: vec![1.0], ..transform() },
        Transform { source: Source::Nv12, ..transform() },
    ] {
        let note = check_files(&wrong).unwrap_err();
        assert!(note.contains("decoded to 3 interleaved channels"), "{note}");
    }
}
