use super::features::DIRECTIONS;
use super::*;
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn floats(shape: &[i64], values: &[f32]) -> Tensor {
    let data = values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>();
    Tensor { datatype: Datatype::Fp32, shape: shape.into(), data: Bytes::from(data) }
}

fn strings(shape: &[i64], values: &[&[u8]]) -> Tensor {
    let mut data = Vec::new();
    values.iter().for_each(|one| crate::base::strings::push(&mut data, one).unwrap());
    Tensor { datatype: Datatype::Bytes, shape: shape.into(), data: Bytes::from(data) }
}

fn found(tensor: &Tensor, drawn: u64, role: Role) -> BTreeMap<&'static str, Place> {
    let row = Row::drawn(tensor, false, drawn).unwrap();
    row.features(role).into_iter().map(|one| (one.name, one.place)).collect()
}

#[test]
fn places_rise_with_numbers_and_tell_three_in_a_hundred_apart() {
    let values = [-1e30, -300.0, -1.0, -1e-5, 0.0, 1e-5, 0.5, 1.0, 1.04, 290.0, 300.0, 1e9, f64::NAN];
    let places = values.map(place);
    assert!(places.is_sorted_by(|one, next| one < next), "{places:?}");
    assert_eq!((place(1e-9), place(-1e-9), place(-0.0)), (0, 0, 0));
    assert_eq!(place(f64::INFINITY), place(1e12));
    assert_eq!(place(f64::from(f32::from_bits(4321 << 18))), 4321); // as who reads them has it
}

#[test]
fn a_row_of_numbers_has_its_spread() {
    let tensor =
        floats(&[2, 2, 5], &[[9.0; 10], [0.0, 1.0, 2.0, 3.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0]].concat());
    let row = found(&tensor, 3, Role::Input);
    assert_eq!(row["mean"], place(3.0));
    assert_eq!(row["deviation"], place(2.0_f64.sqrt()));
    assert_eq!((row["smallest"], row["largest"], row["extremes"]), (0, place(4.0), place(0.7)));
    assert_eq!(row["roughness"], place(0.5)); // four steps of 1 in the first line, none in the second
    assert_eq!(row.len(), 6);
    assert_eq!(found(&tensor, 2, Role::Input)["deviation"], 0);
}

#[test]
fn channels_are_no_neighbours() {
    let pixels = [[0.0, 100.0, 200.0], [1.0, 101.0, 201.0]].concat().repeat(3);
    let row = found(&floats(&[1, 1, 6, 3], &pixels), 0, Role::Input);
    assert_eq!(row["roughness"], place(1.0));
}

#[test]
fn an_outputs_vector_has_a_class_a_margin_and_an_entropy() {
    let row = found(&floats(&[1, 4], &[0.1, 0.7, 0.1, 0.1]), 0, Role::Output);
    assert_eq!((row["class"], row["margin"]), (1, place(f64::from(0.7_f32) - f64::from(0.1_f32))));
    let even = found(&floats(&[1, 4], &[-3.0; 4]), 0, Role::Output);
    assert_eq!((even["class"], even["margin"], even["entropy"]), (0, 0, place(1.0)));
    assert!(row["entropy"] < even["entropy"]);
    assert!(!found(&floats(&[1, 4], &[0.1; 4]), 0, Role::Input).contains_key("class"));
}

#[test]
fn whole_numbers_that_go_out_are_classes_and_those_that_come_in_are_numbers() {
    let data = Bytes::from([7_i64.to_le_bytes(), 3_i64.to_le_bytes()].concat());
    let tensor = Tensor { datatype: Datatype::Int64, shape: [1, 2][..].into(), data };
    assert_eq!(found(&tensor, 0, Role::Output), BTreeMap::from([("class", 7)]));
    assert_eq!(found(&tensor, 0, Role::Input)["mean"], place(5.0));
    let one = Tensor { shape: [2, 1][..].into(), ..tensor };
    assert_eq!(found(&one, 1, Role::Input), BTreeMap::from([("value", place(3.0))]));
}

#[test]
fn vectors_that_lie_elsewhere_differ_in_their_directions() {
    let one: Vec<f32> = (0..64_u8).map(|at| f32::from(at % 7)).collect();
    let other: Vec<f32> = (0..64_u8).map(|at| f32::from(6 - at % 7)).collect();
    let (one, other) =
        (found(&floats(&[1, 64], &one), 0, Role::Input), found(&floats(&[1, 64], &other), 0, Role::Input));
    let differ = DIRECTIONS.iter().filter(|name| one[**name] != other[**name]).count();
    assert!(differ >= 12, "{differ} of 16");
}

#[test]
fn strings_have_a_length_and_a_file_is_the_only_one() {
    let tensor = strings(&[2, 2], &[b"ab", b"c", "é".as_bytes(), b"abcd"]);
    let row = found(&tensor, 1, Role::Input);
    assert_eq!(row, BTreeMap::from([("length", place(6.0)), ("non_ascii", place(2.0 / 6.0))]));
    assert_eq!(Row::drawn(&tensor, false, 1).unwrap().file(), None);
    let one = strings(&[2], &[b"first", b"second"]);
    assert_eq!(Row::drawn(&one, false, 1).unwrap().file(), Some(&b"second"[..]));
}

#[test]
fn a_picture_that_is_blurred_is_less_rough_and_one_that_is_turned_is_rough_the_other_way() {
    let stripes: Vec<u8> = (0..100).map(|at| if at % 2 == 0 { 0 } else { 200 }).collect();
    let of = |grey: &[u8]| -> BTreeMap<_, _> {
        picture(10, grey, 0.0).into_iter().map(|one| (one.name, one.place)).collect()
    };
    let lines: Vec<u8> = (0..100).map(|at| if at / 10 % 2 == 0 { 0 } else { 200 }).collect();
    let (one, turned, blurred) = (of(&stripes), of(&lines), of(&[100; 100]));
    assert_eq!((one["roughness"], one["roughness_down"]), (place(200.0), 0));
    assert_eq!((turned["roughness"], turned["roughness_down"]), (0, place(200.0)));
    assert_eq!((blurred["roughness"], blurred["mean"], blurred["extremes"]), (0, one["mean"], place(1.0)));
    assert_eq!((one["width"], one["height"]), (place(10.0), place(10.0)));
}

proptest! {
    #[test]
    fn any_bytes_as_any_tensor_are_looked_at_without_harm(
        number in 0..Datatype::ALL.len(), shape in prop::collection::vec(-2_i64..9, 0..4), data: Vec<u8>,
        drawn: u64, unbatched: bool,
    ) {
        let tensor = Tensor { datatype: Datatype::ALL[number], shape: shape[..].into(), data: Bytes::from(data) };
        if let Some(row) = Row::drawn(&tensor, unbatched, drawn) {
            for role in [Role::Input, Role::Output] {
                let found = row.features(role);
                prop_assert!(found.len() <= 32);
                prop_assert!(found.iter().all(|one| one.place.abs() <= NOT_A_NUMBER));
            }
        }
    }
}
