//! Rows laid into larger ones, and cut out of them again.

use super::staging::Lease;

/// Row-major `data` of the sizes `part`, laid into the corner of the sizes `whole`, with `fill`, which is one element,
/// in all that is beyond it.
pub(super) fn lay(out: &mut Lease, fill: &[u8], data: &[u8], part: &[usize], whole: &[usize]) {
    if product(whole) == 0 {
        return; // however long the other axes are
    }
    let (Some((size, part)), Some((sizes, whole))) = (part.split_first(), whole.split_first()) else {
        return out.push(data);
    };
    if part == whole {
        out.push(data);
    } else {
        let step = product(part) * fill.len();
        for at in 0..*size {
            lay(out, fill, data.get(at * step..(at + 1) * step).unwrap_or_default(), part, whole);
        }
    }
    out.fill(fill, sizes.saturating_sub(*size) * product(whole));
}

/// The other way: gives `out` the pieces of `data`, of the sizes `whole` and `bytes` an element, that are in the corner
/// of the sizes `part`.
pub(super) fn cut(out: &mut dyn FnMut(&[u8]), bytes: usize, data: &[u8], part: &[usize], whole: &[usize]) {
    if product(part) == 0 {
        return;
    }
    let (Some((size, part)), Some((_, whole))) = (part.split_first(), whole.split_first()) else {
        return out(data);
    };
    let step = product(whole) * bytes;
    if part == whole {
        return out(data.get(..size * step).unwrap_or_default());
    }
    for at in 0..*size {
        cut(out, bytes, data.get(at * step..(at + 1) * step).unwrap_or_default(), part, whole);
    }
}

/// Of a shape that was checked: none is below zero, and their product is that of an array.
pub(super) fn sizes(shape: &[i64]) -> Vec<usize> {
    shape.iter().map(|size| usize::try_from(*size).unwrap_or(0)).collect()
}

pub(super) fn product(sizes: &[usize]) -> usize {
    sizes.iter().fold(1, |product, size| product.saturating_mul(*size))
}

#[cfg(test)]
mod tests {
    use super::super::staging::Staging;
    use super::*;

    #[test]
    fn what_was_laid_is_cut_out_again_and_the_rest_is_filled() {
        let cases: [(&[usize], &[usize], &[u8]); 8] = [
            (&[3], &[3], &[1, 2, 3]),
            (&[2], &[4], &[1, 2, 9, 9]),
            (&[0], &[2], &[9, 9]),
            (&[2, 2], &[2, 3], &[1, 2, 9, 3, 4, 9]),
            (&[1, 2], &[2, 3], &[1, 2, 9, 9, 9, 9]),
            (&[1, 2, 1], &[2, 2, 2], &[1, 9, 2, 9, 9, 9, 9, 9]),
            (&[2, 0], &[2, 1], &[9, 9]),
            (&[usize::MAX, 1, 0], &[usize::MAX, 2, 0], &[]), // nor does it take for ever
        ];
        for (part, whole, want) in cases {
            let staging = Staging::new(1, None);
            let data: Vec<u8> = (1..=9).take(product(part)).collect();
            let mut lease = staging.lease(want.len());
            lay(&mut lease, &[9], &data, part, whole);
            let laid = lease.freeze();
            assert_eq!(laid, want, "{part:?} in {whole:?}");
            let mut back = Vec::new();
            cut(&mut |piece| back.extend_from_slice(piece), 1, &laid, part, whole);
            assert_eq!(back, data, "{part:?} of {whole:?}");
        }
    }
}
