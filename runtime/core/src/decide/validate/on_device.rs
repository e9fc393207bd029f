//! Tensors in their caller's memory on a device: which of a version's may be there, for nobody here can look at them.

use crate::base::{
    contract::{Contract, Join, TensorSpec, Term},
    device::{OnDevice, Span},
    fault::{Fault, Kind},
    inference::{InRegion, Input, Wanted},
    tensor::elements,
};

/// Bytes of an input that is there.
pub(super) fn byte_len(input: &Input) -> Option<usize> {
    let region = input.region.as_ref().filter(|region| region.device.is_some())?;
    usize::try_from(region.len).ok()
}

/// `None`: all of them come in the request, and go in its answer.
pub(super) fn spans(
    contract: &Contract,
    inputs: &[Input],
    outputs: &[Wanted],
) -> Result<Option<OnDevice>, Fault> {
    // Almost always, and told at a glance.
    if inputs.iter().all(|one| one.region.is_none()) && outputs.iter().all(|one| one.region.is_none()) {
        return Ok(None);
    }
    let mut on_device = OnDevice::default();
    for input in inputs {
        // Of an empty one nothing is anywhere.
        let Some(region) = input.region.as_ref().filter(|_| elements(&input.tensor.shape) != Some(0)) else {
            continue;
        };
        add(contract, "input", (&contract.inputs, &input.name), region, &mut on_device.inputs)?;
    }
    for output in outputs {
        let Some(region) = &output.region else { continue };
        add(contract, "output", (&contract.outputs, &output.name), region, &mut on_device.outputs)?;
    }
    Ok((!on_device.is_empty()).then_some(on_device))
}

fn add(
    contract: &Contract,
    what: &str,
    (specs, name): (&[TensorSpec], &str),
    asked: &InRegion,
    spans: &mut Vec<Span>,
) -> Result<(), Fault> {
    let place = specs.iter().enumerate().find(|(_, spec)| spec.name == name);
    let (Some(region), Some((tensor, spec))) = (&asked.device, place) else { return Ok(()) };
    if let Some(why) = refusal(contract, what, spec, asked.offset) {
        let note = format!(
            "{what} '{name}' of model '{}' cannot be in memory of a device: {why}; send it in the request, or in system \
             shared memory",
            contract.model
        );
        return Err(Fault::new(Kind::Unsupported, note));
    }
    let region = region.clone();
    spans.push(Span { tensor, region, offset: asked.offset, byte_size: asked.len });
    Ok(())
}

fn refusal(contract: &Contract, what: &str, spec: &TensorSpec, offset: u64) -> Option<String> {
    let Some(size) = spec.datatype.size() else {
        return Some("it is of BYTES, whose lengths are read before it is run".to_owned());
    };
    let counts = |term: &Term| matches!(term, Term::Value(name) if what == "input" && *name == spec.name);
    let why = match spec.join {
        _ if contract.streams => "the model answers in parts",
        _ if contract.sequences.is_some() => "the model has sequences",
        Join::Pad(_) | Join::Ragged => "its rows are of different sizes, which are laid out here",
        Join::Stack if spec.like.is_some() => "its rows are of different sizes, which are cut out here",
        Join::Stack if contract.batching.cost.iter().any(counts) => "its values count as the request's cost",
        Join::Stack => {
            let aligned = u64::try_from(size).is_ok_and(|size| offset.is_multiple_of(size));
            let name = spec.datatype.name();
            return (!aligned)
                .then(|| format!("offset {offset} is no multiple of the {size} bytes of {name}"));
        }
    };
    Some(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::contract::{Batching, Pad};
    use crate::base::{datatype::Datatype, device::testing, tensor::Tensor};
    use std::sync::Arc;

    fn contract() -> Contract {
        let spec = |name: &str| TensorSpec::new(name, Datatype::Fp32, [2]);
        Contract { inputs: vec![spec("x")], outputs: vec![spec("y")], ..super::super::tests::contract() }
    }

    fn in_region(offset: u64, len: u64) -> Option<Box<InRegion>> {
        let device = Some(testing::region(1).0);
        Some(Box::new(InRegion { region: "r".into(), offset, len, device }))
    }

    fn input(rows: i64, offset: u64, len: u64) -> Input {
        let tensor = Tensor {
            datatype: Datatype::Fp32,
            shape: [rows, 2].as_slice().into(),
            data: bytes::Bytes::new(),
        };
        Input { name: "x".into(), tensor, region: in_region(offset, len) }
    }

    fn output() -> Wanted {
        Wanted { name: "y".into(), binary: None, classification: 0, region: in_region(8, 16) }
    }

    #[test]
    fn a_request_says_which_of_its_tensors_are_there() {
        let bound = super::super::bind(&contract(), "", [input(2, 4, 16)].into_iter().collect(), &[output()]);
        let bound = bound.unwrap();
        let on_device = bound.on_device.unwrap();
        let told = |span: &Span| (span.tensor, span.offset, span.byte_size);
        assert_eq!(on_device.input(0).map(told), Some((0, 4, 16)));
        assert_eq!(on_device.output(0).map(told), Some((0, 8, 16)));
        assert!(bound.inputs[0].is_on_device());
        let short = super::super::bind(&contract(), "", [input(2, 4, 12)].into_iter().collect(), &[]);
        assert!(short.unwrap_err().note.contains("Expected 16, got 12"));
    }

    #[test]
    fn what_has_to_be_looked_at_here_may_not_be_there() {
        let plain = contract();
        let spec = |change: &dyn Fn(&mut TensorSpec)| {
            let mut spec = plain.inputs[0].clone();
            change(&mut spec);
            Contract { inputs: vec![spec], ..plain.clone() }
        };
        let pad = Pad { fill: 0, multiple_of: 1, sizes: vec![] };
        let cost = vec![Term::Value("x".into())];
        let cases = [
            (plain.clone(), 4, ""),
            (plain.clone(), 6, "offset 6 is no multiple of the 4 bytes of FP32"),
            (Contract { streams: true, ..plain.clone() }, 4, "answers in parts"),
            (spec(&|spec| spec.datatype = Datatype::Bytes), 4, "it is of BYTES"),
            (spec(&|spec| spec.join = Join::Ragged), 4, "different sizes"),
            (spec(&|spec| spec.join = Join::Pad(pad.clone())), 4, "different sizes"),
            (
                Contract { batching: Batching { cost, ..plain.batching.clone() }, ..plain.clone() },
                4,
                "count as the request's cost",
            ),
        ];
        for (contract, offset, want) in cases {
            let told = spans(&contract, &[input(2, offset, 16)], &[]);
            let note = told.err().map(|fault| fault.note.into_owned()).unwrap_or_default();
            assert!(note.contains(want) && note.is_empty() == want.is_empty(), "{want}: {note}");
        }
    }

    #[test]
    fn of_an_empty_tensor_nothing_is_anywhere() {
        assert!(spans(&contract(), &[input(0, 0, 0)], &[]).unwrap().is_none());
        let both = spans(&contract(), &[input(1, 0, 8)], &[output()]).unwrap().unwrap();
        assert_eq!((both.inputs.len(), both.outputs.len()), (1, 1));
        assert_eq!(Arc::strong_count(&both.inputs[0].region), 1);
    }
}
