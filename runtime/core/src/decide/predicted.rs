//! What an answer said, for a label that comes later.

use crate::base::{
    contract::{Contract, TensorSpec},
    datatype::Datatype,
    prediction::{MOST_ROWS, Predicted},
    tensor::Tensor,
};
use half::{bf16, f16};

/// `None` where there is nothing that a label could be compared with: an output of another kind, no rows or more than
/// [`MOST_ROWS`], a row without a finite number.
pub fn predicted(contract: &Contract, output: usize, tensor: &Tensor) -> Option<Predicted> {
    let spec = contract.outputs.get(output)?;
    let rows = tensor.shape.first().and_then(|rows| usize::try_from(*rows).ok())?;
    if rows == 0 || rows > MOST_ROWS || !tensor.data.len().is_multiple_of(rows) {
        return None;
    }
    match spec.datatype {
        Datatype::Fp16 => read(spec, tensor, rows, |bytes: [u8; 2]| f16::from_le_bytes(bytes).to_f64()),
        Datatype::Bf16 => read(spec, tensor, rows, |bytes: [u8; 2]| bf16::from_le_bytes(bytes).to_f64()),
        Datatype::Fp32 => read(spec, tensor, rows, |bytes: [u8; 4]| f32::from_le_bytes(bytes).into()),
        Datatype::Fp64 => read(spec, tensor, rows, f64::from_le_bytes),
        Datatype::Uint8 => read(spec, tensor, rows, |bytes: [u8; 1]| u8::from_le_bytes(bytes).into()),
        Datatype::Uint16 => read(spec, tensor, rows, |bytes: [u8; 2]| u16::from_le_bytes(bytes).into()),
        Datatype::Uint32 => read(spec, tensor, rows, |bytes: [u8; 4]| u32::from_le_bytes(bytes).into()),
        Datatype::Uint64 => read(spec, tensor, rows, |bytes| nearest_unsigned(u64::from_le_bytes(bytes))),
        Datatype::Int8 => read(spec, tensor, rows, |bytes: [u8; 1]| i8::from_le_bytes(bytes).into()),
        Datatype::Int16 => read(spec, tensor, rows, |bytes: [u8; 2]| i16::from_le_bytes(bytes).into()),
        Datatype::Int32 => read(spec, tensor, rows, |bytes: [u8; 4]| i32::from_le_bytes(bytes).into()),
        Datatype::Int64 => read(spec, tensor, rows, |bytes| nearest(i64::from_le_bytes(bytes))),
        Datatype::Bool | Datatype::Bytes => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a label is compared with the nearest")]
fn nearest(number: i64) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "a label is compared with the nearest")]
fn nearest_unsigned(number: u64) -> f64 {
    number as f64
}

fn read<const N: usize>(
    spec: &TensorSpec,
    tensor: &Tensor,
    rows: usize,
    number: impl Fn([u8; N]) -> f64,
) -> Option<Predicted> {
    let (elements, _) = tensor.data.as_chunks::<N>();
    let width = elements.len().checked_div(rows).filter(|width| *width > 0)?;
    let mut rows = elements.chunks_exact(width);
    match spec.shape.as_slice() {
        [] | [1] => {
            let alone =
                |row: &[[u8; N]]| row.first().map(|bytes| number(*bytes)).filter(|one| one.is_finite());
            rows.map(alone).collect::<Option<_>>().map(Predicted::Numbers)
        }
        [_] => rows
            .by_ref()
            .map(|row| largest(row.iter().map(|bytes| number(*bytes))))
            .collect::<Option<_>>()
            .map(Predicted::Classes),
        _ => None,
    }
}

/// The first of those that are equal; NaN is no number.
#[expect(clippy::cast_possible_truncation, reason = "a score of 32 bits travels in the id")]
fn largest(row: impl Iterator<Item = f64>) -> Option<(u32, f32)> {
    let mut found: Option<(usize, f64)> = None;
    for (class, score) in row.enumerate() {
        if found.map_or(!score.is_nan(), |(_, most)| score > most) {
            found = Some((class, score));
        }
    }
    let (class, score) = found?;
    let score = score as f32;
    Some((u32::try_from(class).ok()?, score)).filter(|_| score.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use smallvec::smallvec;

    fn contract(datatype: &str, shape: &[i64]) -> Contract {
        let output = json!({"name": "y", "datatype": datatype, "shape": shape});
        let contract = json!({"model": "m", "version": 1, "platform": "python", "inputs": [],
            "outputs": [output], "batching": {"max_rows": 8}});
        serde_json::from_value(contract).unwrap()
    }

    fn of(datatype: Datatype, row: &[i64], shape: &[i64], data: Vec<u8>) -> Option<Predicted> {
        let tensor = Tensor { datatype, shape: shape.iter().copied().collect(), data: data.into() };
        predicted(&contract(datatype.name(), row), 0, &tensor)
    }

    fn floats(row: &[i64], shape: &[i64], data: &[f32]) -> Option<Predicted> {
        of(Datatype::Fp32, row, shape, data.iter().flat_map(|one| one.to_le_bytes()).collect())
    }

    #[test]
    fn a_vector_has_a_class_and_one_element_is_a_number() {
        let classes = |rows: &[(u32, f32)]| Some(Predicted::Classes(rows.iter().copied().collect()));
        let numbers = |rows: &[f64]| Some(Predicted::Numbers(rows.iter().copied().collect()));
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        type Case<'a> = (&'a [i64], &'a [i64], &'a [f32], Option<Predicted>);
        let table: [Case<'_>; 14] = [
            (&[3], &[1, 3], &[0.1, 0.7, 0.2], classes(&[(1, 0.7)])),
            (&[-1], &[2, 2], &[0.5, 0.5, 0.0, 1.0], classes(&[(0, 0.5), (1, 1.0)])),
            (&[-1], &[1, 1], &[0.5], classes(&[(0, 0.5)])),
            (&[3], &[1, 3], &[nan, -2.0, -3.0], classes(&[(1, -2.0)])),
            (&[3], &[1, 3], &[-inf, -2.0, nan], classes(&[(1, -2.0)])),
            (&[2], &[1, 2], &[nan, nan], None),
            (&[2], &[1, 2], &[inf, 0.0], None),
            (&[1], &[2, 1], &[1.5, -2.0], numbers(&[1.5, -2.0])),
            (&[], &[1], &[7.0], numbers(&[7.0])),
            (&[], &[2], &[7.0, nan], None),
            (&[2, 2], &[1, 2, 2], &[0.0; 4], None),
            (&[2], &[0, 2], &[], None),
            (&[], &[8], &[1.0; 8], numbers(&[1.0; 8])),
            (&[], &[9], &[1.0; 9], None),
        ];
        for (row, shape, data, want) in table {
            assert_eq!(floats(row, shape, data), want, "{row:?} {shape:?} {data:?}");
        }
    }

    #[test]
    fn every_datatype_of_numbers_is_read() {
        let one: [(Datatype, Vec<u8>); 12] = [
            (Datatype::Fp16, f16::ONE.to_le_bytes().to_vec()),
            (Datatype::Bf16, bf16::ONE.to_le_bytes().to_vec()),
            (Datatype::Fp32, 1_f32.to_le_bytes().to_vec()),
            (Datatype::Fp64, 1_f64.to_le_bytes().to_vec()),
            (Datatype::Uint8, vec![1]),
            (Datatype::Uint16, vec![1, 0]),
            (Datatype::Uint32, vec![1, 0, 0, 0]),
            (Datatype::Uint64, vec![1, 0, 0, 0, 0, 0, 0, 0]),
            (Datatype::Int8, vec![1]),
            (Datatype::Int16, vec![1, 0]),
            (Datatype::Int32, vec![1, 0, 0, 0]),
            (Datatype::Int64, vec![1, 0, 0, 0, 0, 0, 0, 0]),
        ];
        for (datatype, one) in one {
            let zero = vec![0; one.len()];
            let want = Some(Predicted::Classes(smallvec![(1, 1.0)]));
            let row = [zero.clone(), one.clone(), zero].concat();
            assert_eq!(of(datatype, &[3], &[1, 3], row), want, "{}", datatype.name());
            assert_eq!(of(datatype, &[], &[1], one), Some(Predicted::Numbers(smallvec![1.0])));
        }
        assert_eq!(of(Datatype::Bool, &[], &[1], vec![1]), None);
        assert_eq!(of(Datatype::Bytes, &[], &[1], b"\x01\0\0\0x".to_vec()), None);
    }

    #[test]
    fn what_is_not_whole_says_nothing() {
        assert_eq!(of(Datatype::Fp32, &[3], &[2, 3], vec![0; 9]), None);
        let whole = Tensor { datatype: Datatype::Fp32, shape: smallvec![1, 3], data: vec![0; 12].into() };
        assert_eq!(predicted(&contract("FP32", &[3]), 1, &whole), None, "there is one output");
    }
}
