//! Numbers and texts as tensors' elements.

use super::elements::{Wish, read};
use super::scan::Scan;
use crate::base::datatype::Datatype;
use crate::wire::budget::Budget;

fn parse(text: &str, datatype: Datatype, count: usize) -> Result<Vec<u8>, String> {
    let mut scan = Scan::new(text.as_bytes(), 4).unwrap();
    let wish = Wish { input: "x", datatype, count, bare: false, limit: 1000 };
    let mut leave = |_| Ok(());
    let mut budget = Budget::new(1000, text.len(), &mut leave);
    let data = read(&mut scan, &wish, &mut budget).map_err(|fault| fault.note.into_owned())?;
    scan.end().map(|()| data).map_err(|fault| fault.note.into_owned())
}

#[test]
fn nesting_is_free_and_the_count_is_not() {
    for text in ["[1,2,3,4]", "[[1,2],[3,4]]", " [ [1] , [[2 ,3]], 4 ] ", "[[1,2,3,4]]", "[[],1,2,[3,4],[]]"]
    {
        assert_eq!(parse(text, Datatype::Uint8, 4), Ok(vec![1, 2, 3, 4]), "{text}");
    }
    for text in ["[1,2,3]", "[1,2,3,4,5]", "[]", "[[[]]]"] {
        assert!(parse(text, Datatype::Uint8, 4).unwrap_err().contains("Shape does not match"), "{text}");
    }
    assert_eq!(parse("[]", Datatype::Fp32, 0), Ok(vec![]));
    for text in ["[1,2", "[1,,2]", "[1,]", "[1 2]", "[[1,2]", "[[[[[1]]]]]", "[", "[,1]", "[1}"] {
        assert!(parse(text, Datatype::Uint8, 2).unwrap_err().starts_with("failed to parse"), "{text}");
    }
}

#[test]
fn each_datatype_takes_its_own_range() {
    use Datatype::{Bool, Bytes, Fp16, Fp32, Fp64, Int8, Int64, Uint8, Uint64};
    let ok = [
        (Bool, "[true,false]", vec![1, 0]),
        (Int8, "[-128,127]", vec![0x80, 0x7f]),
        (Uint64, "[18446744073709551615,0]", [[0xff; 8], [0; 8]].concat()),
        (Int64, "[-9223372036854775808,-1]", [i64::MIN.to_le_bytes(), [0xff; 8]].concat()),
        (Fp32, "[1,-2.5e0]", [1_f32.to_le_bytes(), (-2.5_f32).to_le_bytes()].concat()),
        (Fp32, "[NaN,-Infinity]", [f32::NAN.to_le_bytes(), f32::NEG_INFINITY.to_le_bytes()].concat()),
        (Fp64, "[Infinity,-Inf]", [f64::INFINITY.to_le_bytes(), f64::NEG_INFINITY.to_le_bytes()].concat()),
        (Bytes, r#"["","é\n"]"#, vec![0, 0, 0, 0, 3, 0, 0, 0, 0xc3, 0xa9, b'\n']),
    ];
    for (datatype, text, data) in ok {
        assert_eq!(parse(text, datatype, 2), Ok(data), "{datatype:?}");
    }
    let bad = [
        (Bool, "[1,0]", "1 is no BOOL"),
        (Int8, "[128,0]", "128 is no INT8"),
        (Uint8, "[-1,0]", "-1 is no UINT8"),
        (Uint8, "[1.0,0]", "1.0 is no UINT8"),
        (Fp32, "[1e39,0]", "1e39 is no FP32"),
        (Fp32, "[null,0]", "null is no FP32"),
        (Fp32, "[nan,0]", "failed to parse the request JSON buffer"),
        (Fp32, "[- Infinity,0]", "failed to parse the request JSON buffer"),
        (Fp32, "[Infinite,0]", "failed to parse the request JSON buffer"),
        (Int8, "[NaN,0]", "NaN is no INT8"),
        (Bytes, "[1,2]", "1 is no BYTES"),
        (Fp16, "[1,2]", "Please use the binary data format"),
    ];
    for (datatype, text, want) in bad {
        let got = parse(text, datatype, 2).unwrap_err();
        assert!(got.contains(want), "{datatype:?} {text}: {got}");
    }
}

#[test]
fn a_long_element_is_quoted_in_part() {
    for letter in ["a", "ü", "€", "🦀"] {
        for shift in 0..4 {
            let text = format!("[\"{}{}\"]", "a".repeat(shift), letter.repeat(1000));
            let got = parse(&text, Datatype::Uint8, 1).unwrap_err();
            assert!(got.chars().count() < 160 && got.contains(&letter.repeat(20)), "{got}");
        }
    }
}

#[test]
fn a_shape_beyond_the_limit_takes_no_memory() {
    assert!(parse("[1]", Datatype::Fp64, usize::MAX).unwrap_err().contains("exceeds"));
    assert!(parse("[1]", Datatype::Fp64, 126).unwrap_err().contains("exceeds"));
    assert!(
        parse(&format!("[\"{}\"]", "a".repeat(997)), Datatype::Bytes, 1).unwrap_err().contains("exceeds")
    );
}
