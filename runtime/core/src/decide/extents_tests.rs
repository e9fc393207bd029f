use super::super::shapes::tests::{call, padded_to};
use super::*;
use crate::base::datatype::Datatype;

fn of(join: Join, spec: &[i64], shapes: &[&[i64]], rows: u32) -> Vec<Extent> {
    let spec = TensorSpec { join, ..TensorSpec::new("x", Datatype::Uint8, spec) };
    let calls: Vec<Call> = shapes.iter().map(|shape| call(&[shape])).collect();
    extents(&[spec], &calls, Rows::new(rows))
}

#[test]
fn what_is_stacked_has_none() {
    assert_eq!(of(Join::Stack, &[-1], &[&[1, 3], &[2, 3]], 3), []);
}

#[test]
fn rows_are_padded_to_the_largest_and_on_to_what_is_allowed() {
    // The sizes of two calls of one axis, the rule, and what both come to.
    let cases = [
        ((3, 5), padded_to(0, &[]), 5),
        ((3, 5), padded_to(4, &[]), 8),
        ((3, 8), padded_to(4, &[]), 8),
        ((0, 0), padded_to(4, &[]), 0),
        ((3, 4), padded_to(0, &[4, 8]), 4),
        ((5, 6), padded_to(0, &[4, 8]), 8),
        ((0, 0), padded_to(0, &[4, 8]), 4),
    ];
    for ((one, other), join, want) in cases {
        let extents = of(join, &[-1], &[&[1, one], &[2, other]], 4);
        let (sizes, shape) = extents[0].sizes();
        assert_eq!(extents[0].whole.as_slice(), [4, want]);
        assert_eq!((sizes, shape), (vec![one, other, other, other], [4, 1]));
        assert_eq!(extents[0].padding(), u64::try_from(want - one + 2 * (want - other)).unwrap());
    }
}

#[test]
fn each_free_axis_is_padded_by_itself_and_outputs_follow() {
    let extents = of(padded_to(2, &[]), &[-1, 3, -1], &[&[1, 1, 3, 6], &[1, 5, 3, 2]], 2);
    let extent = &extents[0];
    assert_eq!(extent.whole.as_slice(), [2, 6, 3, 6]);
    assert_eq!(extent.sizes(), (vec![1, 6, 5, 2], [2, 2]));
    assert_eq!(extent.padding(), (108 - 18) + (108 - 30));
    assert_eq!(extent.whole_like(&[-1, -1, 9]).as_slice(), [2, 6, 6, 9]);
    assert_eq!(extent.call_like(1, &[-1, -1, 9]).as_slice(), [1, 5, 2, 9]);
}

#[test]
fn ragged_rows_follow_each_other_and_rows_of_nobody_are_empty() {
    let extents = of(Join::Ragged, &[-1, 2], &[&[2, 3, 2], &[1, 0, 2], &[1, 4, 2]], 6);
    let extent = &extents[0];
    assert_eq!(extent.whole.as_slice(), [10, 2]);
    assert_eq!(extent.offsets(), [0, 3, 6, 6, 10, 10, 10]);
    assert_eq!((extent.starts.as_slice(), extent.padding()), (&[0, 6, 6][..], 0));
    assert_eq!(extent.whole_like(&[-1, 7, 7]).as_slice(), [10, 7, 7]);
    assert_eq!(extent.call_like(0, &[-1, 7, 7]).as_slice(), [2, 3, 7, 7]);
}
