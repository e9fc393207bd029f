//! A body without a word about it: the one input of a model, whose contract says the rest.

use crate::base::{
    contract::{Contract, TensorSpec},
    datatype::Datatype,
    fault::Fault,
    inference::Input,
    strings,
    tensor::{self, Shape, Tensor},
};
use bytes::Bytes;

/// One row. A BYTES input takes the body as its one element; of other datatypes one size may be open,
/// and follows from the body's length.
pub fn input(contract: &Contract, body: Bytes) -> Result<Input, Fault> {
    let model = &contract.model;
    let [spec] = contract.inputs.as_slice() else {
        let count = contract.inputs.len();
        return Err(Fault::invalid(format!(
            "Raw request must only have 1 input (found 1) to be deduced but got {count} inputs in '{model}' \
             model configuration: send JSON instead"
        )));
    };
    let name = &spec.name;
    let (shape, data) = if spec.datatype == Datatype::Bytes {
        let shape = fill(contract, spec, 1).ok_or_else(|| {
            let shape = &spec.shape;
            Fault::invalid(format!(
                "For BYTE datatype raw input '{name}' of model '{model}', the model must have input shape [1], \
                 but it has {shape:?}: send JSON instead"
            ))
        })?;
        let mut element = Vec::with_capacity(body.len().saturating_add(4));
        strings::push(&mut element, &body)
            .ok_or_else(|| Fault::invalid("a BYTES element holds at most 4294967295 bytes"))?;
        (shape, element.into())
    } else {
        let size = spec.datatype.size().unwrap_or(1);
        let count = body.len().is_multiple_of(size).then_some(body.len() / size);
        let shape = count.and_then(|count| fill(contract, spec, count)).ok_or_else(|| {
            let (datatype, shape, len) = (spec.datatype.name(), &spec.shape, body.len());
            Fault::invalid(format!(
                "input byte size mismatch for input '{name}' for model '{model}': \
                 {len} bytes are no {datatype} of shape {shape:?}"
            ))
        })?;
        (shape, body)
    };
    let tensor = Tensor { datatype: spec.datatype, shape, data };
    Ok(Input { name: name.clone(), tensor, region: None })
}

/// A batch of one row whose sizes come to `count` elements, the open one deduced.
fn fill(contract: &Contract, spec: &TensorSpec, count: usize) -> Option<Shape> {
    let mut open = spec.shape.iter().filter(|size| **size < 0);
    let deduced = match (open.next(), open.next()) {
        (Some(_), None) => {
            let known: Shape = spec.shape.iter().copied().filter(|size| *size >= 0).collect();
            let known =
                tensor::elements(&known).filter(|known| *known > 0 && count.is_multiple_of(*known))?;
            i64::try_from(count / known).ok()?
        }
        (None, None) => 0,
        (_, Some(_)) => return None,
    };
    let sizes = spec.shape.iter().map(|size| if *size < 0 { deduced } else { *size });
    let shape = contract.of_one_row(sizes);
    (tensor::elements(&shape) == Some(count)).then_some(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract(inputs: &[(&str, &[i64])]) -> Contract {
        let inputs: Vec<_> = inputs
            .iter()
            .map(|(datatype, shape)| serde_json::json!({"name": "x", "datatype": datatype, "shape": shape}))
            .collect();
        let text = serde_json::json!({"model": "m", "version": 1, "platform": "python", "inputs": inputs,
            "outputs": [], "batching": {"max_rows": 4}});
        serde_json::from_str(&text.to_string()).unwrap()
    }

    #[test]
    fn the_contract_says_what_the_body_is() {
        type Row<'a> = (&'a str, &'a [i64], usize, &'a [i64], usize);
        let ok: &[Row<'_>] = &[
            ("BYTES", &[1], 5, &[1, 1], 9),
            ("BYTES", &[], 0, &[1], 4),
            ("BYTES", &[-1], 3, &[1, 1], 7),
            ("FP32", &[2], 8, &[1, 2], 8),
            ("FP32", &[-1, 2], 24, &[1, 3, 2], 24),
            ("UINT8", &[-1], 0, &[1, 0], 0),
        ];
        for (datatype, shape, len, want, bytes) in ok {
            let tensor = input(&contract(&[(datatype, shape)]), vec![7; *len].into()).unwrap().tensor;
            assert_eq!((tensor.shape.as_slice(), tensor.data.len()), (*want, *bytes), "{datatype} {shape:?}");
        }
        let bad: &[(&str, &[i64], usize)] = &[
            ("BYTES", &[2], 5),
            ("FP32", &[2], 7),
            ("FP32", &[2], 4),
            ("FP32", &[-1, -1], 8),
            ("FP32", &[-1, 0], 8),
            ("FP32", &[-1, 3], 8),
        ];
        for (datatype, shape, len) in bad {
            assert!(
                input(&contract(&[(datatype, shape)]), vec![7; *len].into()).is_err(),
                "{datatype} {shape:?}"
            );
        }
        let two = contract(&[("FP32", &[1]), ("FP32", &[1])]);
        assert!(
            input(&two, Bytes::new()).unwrap_err().note.starts_with("Raw request must only have 1 input")
        );
    }
}
