use super::*;
use bytes::Bytes;
use proptest::prelude::*;

fn tensor(datatype: Datatype, shape: &[i64], data: Vec<u8>) -> Tensor {
    Tensor { datatype, shape: shape.iter().copied().collect(), data: Bytes::from(data) }
}

fn fp32(shape: &[i64], values: &[f32]) -> Tensor {
    tensor(Datatype::Fp32, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect())
}

fn texts(shape: &[i64], values: &[&str]) -> Tensor {
    let mut data = Vec::new();
    for value in values {
        crate::base::strings::push(&mut data, value.as_bytes()).unwrap();
    }
    tensor(Datatype::Bytes, shape, data)
}

fn difference(one: &Tensor, other: &Tensor) -> Difference {
    match compare(one, other) {
        Comparison::Alike(difference) => difference,
        Comparison::Unlike => panic!("unlike: {one:?} {other:?}"),
    }
}

fn size(one: &Tensor, other: &Tensor) -> Size {
    difference(one, other).size.unwrap()
}

#[test]
fn what_has_no_counterpart_is_unlike() {
    let one = fp32(&[1, 2], &[1.0, 2.0]);
    let table = [
        ("another shape", fp32(&[2, 1], &[1.0, 2.0])),
        ("another datatype", tensor(Datatype::Int32, &[1, 2], vec![0; 8])),
        ("too little data", fp32(&[1, 2], &[1.0])),
        ("too much data", fp32(&[1, 2], &[1.0, 2.0, 3.0])),
    ];
    for (why, other) in table {
        assert_eq!(compare(&one, &other), Comparison::Unlike, "{why}");
        assert_eq!(compare(&other, &one), Comparison::Unlike, "{why}");
    }
    let whole = texts(&[2], &["a", "b"]);
    for other in [texts(&[2], &["a"]), tensor(Datatype::Bytes, &[2], vec![1, 0, 0, 0, b'a', 9, 0, 0, 0])] {
        assert_eq!(compare(&whole, &other), Comparison::Unlike);
    }
    let huge = tensor(Datatype::Fp32, &[i64::MAX, i64::MAX], Vec::new());
    assert_eq!(compare(&huge, &huge), Comparison::Unlike);
}

#[test]
fn integers_and_strings_are_equal_or_are_not() {
    let int = |values: &[u8]| tensor(Datatype::Int16, &[3], values.to_vec());
    let found = difference(&int(&[1, 0, 2, 0, 3, 0]), &int(&[1, 0, 2, 1, 3, 0]));
    assert_eq!(found, Difference { elements: 3, unequal: 1, size: None, rows: 3, rows_apart: 1 });
    let found = difference(&texts(&[3], &["a", "", "cc"]), &texts(&[3], &["a", "b", "cd"]));
    assert_eq!(found, Difference { elements: 3, unequal: 2, size: None, rows: 3, rows_apart: 2 });
    assert_eq!(difference(&texts(&[0], &[]), &texts(&[0], &[])), Difference::default());
}

#[test]
fn sizes_are_relative_to_the_largest_of_a_row() {
    let one = fp32(&[2, 2], &[100.0, 1e-9, 1.0, 1.0]);
    let other = fp32(&[2, 2], &[100.0, -1e-9, 1.0, 1.25]);
    let found = size(&one, &other);
    assert!((found.abs - 0.25).abs() < 1e-9 && (found.rel - 0.25).abs() < 1e-9, "{found:?}");
    let zero = size(&fp32(&[1, 1], &[0.0]), &fp32(&[1, 1], &[3.0]));
    assert_eq!((zero.abs, zero.rel, zero.cosine), (3.0, 1.0, 0.0), "by the other, where there is no scale");
    let same = fp32(&[1, 3], &[f32::NAN, 0.0, f32::INFINITY]);
    let found = difference(&same, &fp32(&[1, 3], &[-f32::NAN, -0.0, f32::INFINITY]));
    assert_eq!((found.unequal, found.size.unwrap().cosine), (0, 1.0));
    let opposite = size(&fp32(&[1, 2], &[1.0, 0.0]), &fp32(&[1, 2], &[-1.0, 0.0]));
    assert_eq!((opposite.cosine, opposite.rel), (-1.0, 2.0));
}

#[test]
fn what_is_not_finite_is_counted_and_has_no_size() {
    let one = fp32(&[1, 4], &[1.0, f32::NAN, f32::INFINITY, 2.0]);
    let other = fp32(&[1, 4], &[f32::NAN, 1.0, f32::NEG_INFINITY, 2.0]);
    let found = difference(&one, &other);
    let size = found.size.unwrap();
    assert_eq!((found.unequal, size.broken, size.abs, size.rel, size.cosine), (3, 3, 0.0, 0.0, 1.0));
    let (large, small) = (f64::MAX.to_le_bytes(), f64::MIN.to_le_bytes());
    let fp64 = |bytes: [u8; 8]| tensor(Datatype::Fp64, &[1, 1], bytes.to_vec());
    let found = super::tests::size(&fp64(large), &fp64(small));
    assert!(found.abs.is_finite() && found.rel.is_finite() && found.cosine == -1.0, "{found:?}");
}

#[test]
fn rows_say_the_same_or_something_else() {
    let ints = |shape: &[i64], values: &[u8]| tensor(Datatype::Uint8, shape, values.to_vec());
    let table = [
        ("equal", ints(&[2, 2], &[1, 2, 3, 4]), ints(&[2, 2], &[1, 2, 3, 4]), 0.0),
        ("one of two rows", ints(&[2, 2], &[1, 2, 3, 4]), ints(&[2, 2], &[1, 2, 0, 0]), 0.5),
        ("no axis but rows", ints(&[4], &[1, 2, 3, 4]), ints(&[4], &[1, 2, 0, 4]), 0.25),
        ("no rows", ints(&[0, 2], &[]), ints(&[0, 2], &[]), 0.0),
        ("another shape", ints(&[1, 2], &[1, 2]), ints(&[2, 1], &[1, 2]), 1.0),
        ("strings", texts(&[2, 2], &["a", "b", "c", "d"]), texts(&[2, 2], &["a", "b", "c", "x"]), 0.5),
        ("strings of rows", texts(&[2], &["a", "b"]), texts(&[2], &["a", "b"]), 0.0),
        ("other numbers, the same class", fp32(&[1, 2], &[0.1, 0.9]), fp32(&[1, 2], &[0.4, 0.6]), 0.0),
        ("another class, all but the same", fp32(&[1, 2], &[0.5, 0.501]), fp32(&[1, 2], &[0.5, 0.499]), 1.0),
        ("no class at all", fp32(&[1, 2], &[0.9, 0.1]), fp32(&[1, 2], &[f32::NAN, f32::NAN]), 1.0),
        ("a number within", fp32(&[2, 1], &[100.0, 1.0]), fp32(&[2, 1], &[100.9, 1.0]), 0.0),
        ("a number beyond", fp32(&[2, 1], &[100.0, 1.0]), fp32(&[2, 1], &[100.0, 1.02]), 0.5),
        ("by the larger", fp32(&[1, 1], &[0.0]), fp32(&[1, 1], &[-3.0]), 1.0),
        ("by a row's largest", fp32(&[1, 1, 2], &[100.0, 0.1]), fp32(&[1, 1, 2], &[100.0, 0.2]), 0.0),
        ("all but nothing", fp32(&[1, 1], &[0.0]), fp32(&[1, 1], &[1e-7]), 0.0),
        ("not finite", fp32(&[2, 1], &[f32::NAN, 1.0]), fp32(&[2, 1], &[1.0, 1.0]), 0.5),
        ("both not", fp32(&[1, 1], &[f32::NAN]), fp32(&[1, 1], &[f32::NAN]), 0.0),
        ("huge", fp32(&[1, 1], &[f32::MAX]), fp32(&[1, 1], &[f32::MIN]), 1.0),
    ];
    for (what, one, other, want) in table {
        assert_eq!(compare(&one, &other).disagreement(), want, "{what}");
        assert_eq!(compare(&other, &one).disagreement(), want, "{what}, the other way round");
    }
}

#[test]
fn halves_are_numbers() {
    let of = |datatype, bytes: [u8; 2]| tensor(datatype, &[1, 1], bytes.to_vec());
    let half = |value| of(Datatype::Fp16, f16::from_f32(value).to_le_bytes());
    let brain = |value| of(Datatype::Bf16, bf16::from_f32(value).to_le_bytes());
    assert_eq!(size(&half(2.0), &half(3.0)).rel, 0.5);
    assert_eq!(size(&brain(2.0), &brain(3.0)).rel, 0.5);
}

#[test]
fn ranks_are_those_of_rows() {
    let table: [(&[f32], &[f32], u64, f64); 4] = [
        (&[0.1, 0.9], &[0.2, 0.8], 1, 1.0),
        (&[0.4, 0.6], &[0.6, 0.4], 0, 0.0),
        (&[0.5, 0.5], &[0.5, 0.5], 1, 1.0),
        (&[f32::NAN, 0.5], &[0.1, 0.5], 1, 1.0),
    ];
    for (one, other, first, shared) in table {
        let ranks = size(&fp32(&[1, 2], one), &fp32(&[1, 2], other)).ranks.unwrap();
        assert_eq!(ranks, Ranks { rows: 1, first, shared }, "{one:?} {other:?}");
    }
    let classes: Vec<_> = (0_u8..12).map(f32::from).collect();
    let mut other = classes.clone();
    other.swap(0, 10);
    let ranks = size(&fp32(&[1, 12], &classes), &fp32(&[1, 12], &other)).ranks.unwrap();
    assert_eq!(ranks, Ranks { rows: 1, first: 1, shared: 0.8 });
    assert_eq!(size(&fp32(&[1, 1, 2], &[1.0, 2.0]), &fp32(&[1, 1, 2], &[1.0, 2.0])).ranks, None);
}

#[test]
fn of_a_large_output_the_first_rows_are_looked_at() {
    let width = i64::try_from(MOST / 2 + 1).unwrap();
    let large = tensor(Datatype::Uint8, &[3, width], vec![0; 3 * (MOST / 2 + 1)]);
    assert_eq!(difference(&large, &large).elements, u64::try_from(width).unwrap());
    let wide = tensor(Datatype::Uint8, &[1, 2 * width], vec![0; MOST + 2]);
    assert_eq!(difference(&wide, &wide).elements, u64::try_from(MOST).unwrap());
}

fn values() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(prop_oneof![4 => -1e6_f32..1e6, 1 => prop::num::f32::ANY], 1..40)
}

proptest! {
    #[test]
    fn an_output_is_like_itself(values in values()) {
        let shape = [1, i64::try_from(values.len()).unwrap()];
        let found = difference(&fp32(&shape, &values), &fp32(&shape, &values));
        let size = found.size.unwrap();
        prop_assert_eq!((found.unequal, size.broken, size.abs, size.rel), (0, 0, 0.0, 0.0));
        prop_assert_eq!((found.rows, found.rows_apart), (1, 0));
        prop_assert_eq!(size.cosine, 1.0);
        prop_assert!(size.ranks.is_none_or(|ranks| ranks.first == 1 && ranks.shared == 1.0));
    }

    #[test]
    fn a_factor_is_found(values in prop::collection::vec(-1e6_f64..1e6, 1..40), factor in 1.0001_f64..3.0) {
        prop_assume!(values.iter().any(|value| value.abs() > 1e-3));
        let fp64 = |factor: f64| {
            let data = values.iter().flat_map(|value| (value * factor).to_le_bytes()).collect();
            tensor(Datatype::Fp64, &[1, i64::try_from(values.len()).unwrap()], data)
        };
        let found = size(&fp64(1.0), &fp64(factor));
        prop_assert!((found.rel - (factor - 1.0)).abs() < 1e-9, "{:?}", found);
        prop_assert!(found.cosine > 1.0 - 1e-9);
    }

    #[test]
    fn whatever_comes_sizes_are_numbers_and_counts_add_up(one in values(), other in values()) {
        let len = one.len().min(other.len());
        let shape = [1, i64::try_from(len).unwrap()];
        let (one, other) = (fp32(&shape, &one[..len]), fp32(&shape, &other[..len]));
        let (there, back) = (difference(&one, &other), difference(&other, &one));
        let (size, size_back) = (there.size.unwrap(), back.size.unwrap());
        prop_assert_eq!((there.unequal, size.broken, size.abs), (back.unequal, size_back.broken, size_back.abs));
        prop_assert!(size.broken <= there.unequal && there.unequal <= there.elements);
        prop_assert_eq!((there.rows, there.rows_apart), (1, back.rows_apart));
        prop_assert!([size.abs, size.rel, size.cosine].iter().all(|number| number.is_finite()));
        prop_assert!((-1.0..=1.0).contains(&size.cosine) && size.rel >= 0.0);
    }
}
