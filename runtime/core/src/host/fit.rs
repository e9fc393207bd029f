//! Does a call fit the contract of the intake it was sent to?
//!
//! Gateways check requests before they wait, with the messages clients know. This second look is cheap and
//! keeps a sender with another contract, or a damaged message, away from the copy that trusts the sizes.

use crate::base::{
    call::Call,
    contract::{Contract, TensorSpec},
    datatype::Datatype,
    device::Span,
    fault::Fault,
    tensor::{Tensor, byte_len, elements},
};
use crate::decide::{correlate, cost, shapes};

/// A contract that no host can keep.
pub(super) fn unfit(contract: &Contract) -> Option<Fault> {
    let many = contract.streams && contract.lanes != 1;
    let lanes = || many.then(|| "it answers in parts, for which there is one lane".to_owned());
    let one = || {
        let Contract { unbatched, streams, batching, .. } = contract;
        let many = *unbatched && ((batching.max_rows > 1 && !streams) || batching.split_oversize);
        many.then(|| "its tensors have no axis of rows, so that a batch has one".to_owned())
    };
    let wrong = cost::misfit(contract)
        .or_else(one)
        .or_else(|| shapes::misfit(contract))
        .or_else(lanes)
        .or_else(|| correlate::misfit(contract))?;
    Some(Fault::invalid(format!("model '{}' version {}: {wrong}", contract.model, contract.version)))
}

pub(super) fn misfit(contract: &Contract, call: &Call) -> Option<Fault> {
    let (model, version) = (&contract.model, contract.version);
    if call.inputs.len() != contract.inputs.len() || call.rows.get() == 0 {
        return Some(Fault::invalid(format!(
            "model '{model}' version {version} takes {} inputs of one row or more, got {} inputs of {} rows",
            contract.inputs.len(),
            call.inputs.len(),
            call.rows.get(),
        )));
    }
    if contract.sequences.is_some() && call.rows.get() != 1 {
        return Some(Fault::invalid(format!(
            "model '{model}' version {version} has sequences: expected a request of one row, got {}",
            call.rows.get()
        )));
    }
    if contract.streams && call.credit == 0 {
        return Some(Fault::invalid(format!(
            "model '{model}' version {version} answers in parts, and this request takes one answer"
        )));
    }
    let wrong = |(at, (spec, tensor)): &(usize, (&TensorSpec, &Tensor))| {
        let span = call.on_device.as_ref().and_then(|on_device| on_device.input(*at));
        !fits(spec, tensor, call.rows.get(), span)
    };
    let Some((_, (spec, tensor))) = contract.inputs.iter().zip(&call.inputs).enumerate().find(wrong) else {
        return shapes::refusal(contract, call);
    };
    Some(Fault::invalid(format!(
        "model '{model}' version {version} takes input '{}' as {} {:?} of {} rows, got {} {:?} in {} bytes",
        spec.name,
        spec.datatype.name(),
        spec.shape,
        call.rows.get(),
        tensor.datatype.name(),
        tensor.shape,
        tensor.data.len(),
    )))
}

/// `span`: where it is if not here.
fn fits(spec: &TensorSpec, tensor: &Tensor, rows: u32, span: Option<&Span>) -> bool {
    let size_fits = if tensor.datatype == Datatype::Bytes {
        // Each element has at least its length: a count that the data cannot hold costs no memory later.
        elements(&tensor.shape).is_some_and(|count| count <= tensor.data.len() / 4)
    } else {
        let len = span.map_or(Some(tensor.data.len()), |span| usize::try_from(span.byte_size).ok());
        byte_len(tensor.datatype, &tensor.shape) == len
    };
    spec.datatype == tensor.datatype && shape_fits(&spec.shape, &tensor.shape, rows) && size_fits
}

/// `spec` is without the batch axis; -1 stands for any size.
pub(super) fn shape_fits(spec: &[i64], shape: &[i64], rows: u32) -> bool {
    let Some((batch, row)) = shape.split_first() else { return false };
    *batch == i64::from(rows)
        && row.len() == spec.len()
        && row.iter().zip(spec).all(|(size, want)| size == want || (*want == -1 && *size >= 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::contract::{Batching, Term};

    #[test]
    fn a_contract_is_one_that_a_host_can_keep() {
        let plain = crate::host::desk::contract(1, 2);
        let told = |contract| unfit(&contract).map(|fault| fault.note.into_owned()).unwrap_or_default();
        assert_eq!(told(plain.clone()), "");
        assert!(told(Contract { streams: true, ..plain.clone() }).contains("there is one lane"));
        assert_eq!(told(Contract { streams: true, lanes: 1, ..plain.clone() }), "");
        let cost = vec![Term::Value("x".into())];
        let counts = Contract { batching: Batching { cost, ..plain.batching.clone() }, ..plain };
        assert!(told(counts).starts_with("model 'm' version 3: batching.cost counts the value of input 'x'"));
    }

    #[test]
    fn shapes_fit_up_to_wildcards() {
        let cases: [(&[i64], &[i64], bool); 8] = [
            (&[3], &[2, 3], true),
            (&[-1], &[2, 9], true),
            (&[], &[2], true),
            (&[3], &[1, 3], false),
            (&[3], &[2, 4], false),
            (&[3], &[2], false),
            (&[], &[], false),
            (&[-1], &[2, -5], false),
        ];
        for (spec, shape, want) in cases {
            assert_eq!(shape_fits(spec, shape, 2), want, "{spec:?} {shape:?}");
        }
    }
}
