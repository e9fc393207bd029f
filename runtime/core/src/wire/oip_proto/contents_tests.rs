//! Typed contents, as the generated code writes them.

use super::messages::InferTensorContents;
use super::tests::{asking, input, read, refusal};
use crate::base::fault::Kind;
use prost::Message;

#[test]
fn typed_contents_become_the_bytes_of_the_tensor() {
    let typed = |datatype, contents| {
        let message = asking(vec![input(datatype, vec![2], Some(contents))], &[]).encode_to_vec();
        read(&message.into()).unwrap().inputs[0].tensor.data.to_vec()
    };
    let none = InferTensorContents::default;
    let ints = || InferTensorContents { int_contents: vec![300, -2], ..none() };
    let bytes = InferTensorContents { int_contents: vec![i32::from(i8::MIN), 127], ..none() };
    assert_eq!(typed("INT8", bytes), [0x80, 0x7f]);
    assert_eq!(typed("INT16", ints()), [300_i16.to_le_bytes(), (-2_i16).to_le_bytes()].concat());
    assert_eq!(typed("INT32", ints()), [300_i32.to_le_bytes(), (-2_i32).to_le_bytes()].concat());
    let longs = InferTensorContents { int64_contents: vec![i64::MIN, 7], ..none() };
    assert_eq!(typed("INT64", longs), [i64::MIN.to_le_bytes(), 7_i64.to_le_bytes()].concat());
    let uints = || InferTensorContents { uint_contents: vec![u32::MAX, 1], ..none() };
    let small = || InferTensorContents { uint_contents: vec![255, 1], ..none() };
    assert_eq!(typed("UINT8", small()), [255, 1]);
    assert_eq!(typed("UINT16", small()), [255, 0, 1, 0]);
    assert_eq!(typed("UINT32", uints()), [255, 255, 255, 255, 1, 0, 0, 0]);
    let ulongs = InferTensorContents { uint64_contents: vec![u64::MAX, 1], ..none() };
    assert_eq!(typed("UINT64", ulongs), [u64::MAX.to_le_bytes(), 1_u64.to_le_bytes()].concat());
    assert_eq!(typed("BOOL", InferTensorContents { bool_contents: vec![true, false], ..none() }), [1, 0]);
    let floats = InferTensorContents { fp32_contents: vec![1.5, -0.0], ..none() };
    assert_eq!(typed("FP32", floats), [1.5_f32.to_le_bytes(), (-0.0_f32).to_le_bytes()].concat());
    let doubles = InferTensorContents { fp64_contents: vec![1.5, f64::MAX], ..none() };
    assert_eq!(typed("FP64", doubles), [1.5_f64.to_le_bytes(), f64::MAX.to_le_bytes()].concat());
    let words = InferTensorContents { bytes_contents: vec!["ab".into(), "".into()], ..none() };
    assert_eq!(typed("BYTES", words), [&[2, 0, 0, 0][..], b"ab", &[0; 4]].concat());
}

#[test]
fn integers_that_do_not_fit_are_refused() {
    let ints = |number| InferTensorContents { int_contents: vec![0, number], ..Default::default() };
    let uints = |number| InferTensorContents { uint_contents: vec![0, number], ..Default::default() };
    let cases = [
        ("INT8", ints(128), "128 is no INT8, which input 'x' holds"),
        ("INT8", ints(-129), "-129 is no INT8"),
        ("INT16", ints(i32::MIN), "-2147483648 is no INT16"),
        ("UINT8", uints(300), "300 is no UINT8"),
        ("UINT16", uints(u32::MAX), "4294967295 is no UINT16"),
    ];
    for (datatype, contents, note) in cases {
        let fault = refusal(&asking(vec![input(datatype, vec![2], Some(contents))], &[]));
        assert_eq!(fault.kind, Kind::Invalid);
        assert!(fault.note.starts_with(note), "{fault}");
    }
}

#[test]
fn unpacked_numbers_count_too() {
    let contents = [0x10, 5, 0x12, 2, 6, 7]; // int_contents: 5 alone, then [6, 7] packed
    let mut tensor = vec![0x12, 4, b'I', b'N', b'T', b'8', 0x18, 3, 0x2a, 6];
    tensor.extend(contents);
    let mut message = vec![0x2a, u8::try_from(tensor.len()).unwrap()];
    message.extend(tensor);
    let read = read(&message.into()).unwrap();
    assert_eq!((read.inputs[0].tensor.data.as_ref(), read.inputs[0].tensor.shape[0]), (&[5, 6, 7][..], 3));
}
