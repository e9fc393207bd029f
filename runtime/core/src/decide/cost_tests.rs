use super::*;
use crate::base::{
    contract::{Batching, TensorSpec},
    fault::Kind,
    units::Version,
};
use bytes::Bytes;
use proptest::prelude::*;

fn contract(cost: Vec<Term>, datatype: Datatype) -> Contract {
    let spec = |name: &str, datatype| TensorSpec::new(name, datatype, [-1]);
    Contract {
        model: "m".into(),
        version: Version(1),
        platform: "python".into(),
        inputs: vec![spec("prompt", Datatype::Bytes), spec("n", datatype)],
        outputs: vec![],
        batching: Batching { cost, ..Batching::default() },
        repeatable: false,
        lanes: 1,
        streams: false,
        unbatched: false,
        sequences: None,
        feedback: None,
    }
}

fn tensor(datatype: Datatype, shape: &[i64], data: &[u8]) -> Tensor {
    Tensor { datatype, shape: shape.into(), data: Bytes::copy_from_slice(data) }
}

/// Two rows; the prompt has the elements "ab" and "cde".
fn costs(terms: &[Term], datatype: Datatype, n: &[u8]) -> Result<u64, Fault> {
    let prompt = tensor(Datatype::Bytes, &[2, 1], b"\x02\0\0\0ab\x03\0\0\0cde");
    let count = i64::try_from(n.len() / datatype.size().unwrap_or(1)).unwrap();
    let inputs = [prompt, tensor(datatype, &[2, count / 2], n)].into_iter().collect();
    cost(&contract(terms.to_vec(), datatype), Rows::new(2), &inputs)
}

#[test]
fn a_request_costs_the_sum_of_its_terms() {
    let [elements, bytes] = [Term::Elements("prompt".into()), Term::Bytes("prompt".into())];
    let (value, n) = (Term::Value("n".into()), Term::Bytes("n".into()));
    let eight = 300_i64.to_le_bytes();
    let most = u64::MAX.to_le_bytes();
    type Row<'a> = (&'a str, &'a [Term], Datatype, Vec<u8>, u64);
    let rows: &[Row<'_>] = &[
        ("without terms, rows", &[], Datatype::Int64, eight.repeat(2), 2),
        ("rows", &[Term::Rows, Term::Rows], Datatype::Int64, eight.repeat(2), 4),
        ("elements of all rows", std::slice::from_ref(&elements), Datatype::Int64, eight.repeat(2), 2),
        ("text without its lengths", std::slice::from_ref(&bytes), Datatype::Int64, eight.repeat(2), 5),
        ("bytes of numbers", &[n], Datatype::Int64, eight.repeat(2), 16),
        ("values", std::slice::from_ref(&value), Datatype::Int64, eight.repeat(2), 600),
        ("one byte each", std::slice::from_ref(&value), Datatype::Uint8, vec![200, 255], 455),
        ("one byte with a sign", std::slice::from_ref(&value), Datatype::Int8, vec![127, 0], 127),
        ("no value", std::slice::from_ref(&value), Datatype::Int32, vec![], 0),
        (
            "all",
            &[Term::Rows, elements.clone(), bytes.clone(), value.clone()],
            Datatype::Int16,
            vec![1, 1, 0, 1],
            2 + 2 + 5 + 513,
        ),
        ("a sum that is too large", std::slice::from_ref(&value), Datatype::Uint64, most.repeat(2), u64::MAX),
    ];
    for (name, terms, datatype, n, want) in rows {
        assert_eq!(costs(terms, *datatype, n), Ok(*want), "{name}");
    }
}

#[test]
fn values_below_zero_are_refused_and_named() {
    let value = [Term::Value("n".into())];
    let rows: [(Datatype, Vec<u8>, &str); 4] = [
        (Datatype::Int64, [1_i64.to_le_bytes(), (-5_i64).to_le_bytes()].concat(), "the value -5,"),
        (Datatype::Int64, i64::MIN.to_le_bytes().repeat(2), "the value -9223372036854775808,"),
        (Datatype::Int32, (-1_i32).to_le_bytes().repeat(2), "the value -1,"),
        (Datatype::Int8, vec![3, 0x80], "the value -128,"),
    ];
    for (datatype, n, said) in rows {
        let fault = costs(&value, datatype, &n).unwrap_err();
        assert_eq!(fault.kind, Kind::Invalid);
        assert!(fault.note.contains(said), "{}", fault.note);
    }
}

#[test]
fn terms_are_of_inputs_that_there_are_and_values_of_integers() {
    let rows: [(Term, Datatype, Option<&str>); 6] = [
        (Term::Rows, Datatype::Fp32, None),
        (Term::Elements("n".into()), Datatype::Fp32, None),
        (Term::Value("n".into()), Datatype::Uint16, None),
        (Term::Value("n".into()), Datatype::Fp32, Some("which is FP32 and no integer")),
        (Term::Value("prompt".into()), Datatype::Fp32, Some("which is BYTES and no integer")),
        (
            Term::Bytes("x".into()),
            Datatype::Fp32,
            Some("names the input 'x', which the model does not declare"),
        ),
    ];
    for (term, datatype, want) in rows {
        let told = misfit(&contract(vec![term.clone()], datatype));
        assert_eq!(told.is_some(), want.is_some(), "{term:?}: {told:?}");
        assert!(told.unwrap_or_default().contains(want.unwrap_or_default()), "{term:?}");
    }
}

proptest! {
    /// Whatever a caller sends: what it costs is the sum that wider numbers have, up to the largest, or a fault.
    #[test]
    fn hostile_values_do_not_wrap(
        values in prop::collection::vec(prop_oneof![any::<i64>(), -2..3_i64, Just(i64::MAX)], 0..6),
        times in 1..4_usize,
    ) {
        let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let told = costs(&vec![Term::Value("n".into()); times], Datatype::Int64, &data);
        match values.iter().map(|value| u128::try_from(*value)).sum::<Result<u128, _>>() {
            Ok(sum) => {
                let sum = sum * u128::try_from(times).unwrap();
                prop_assert_eq!(told, Ok(u64::try_from(sum).unwrap_or(u64::MAX)));
            }
            Err(_) => prop_assert!(told.is_err()),
        }
    }
}
