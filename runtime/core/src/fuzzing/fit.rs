//! A request that was read, held against what a model takes.

use super::memory::Most;
use crate::base::{
    contract::{Batching, Contract, TensorSpec},
    datatype::Datatype,
    fault::Kind,
    inference::{Input, Wanted},
    strings,
    tensor::byte_len,
    units::Version,
};
use crate::decide::validate::bind;
use smallvec::SmallVec;

/// A refusal names what came.
const MOST: Most = Most { each: 8, beside: 64 << 10 };
const MOST_ROWS: u32 = 8;

fn contract() -> Contract {
    let spec = |name: &str, datatype, shape: &[i64]| TensorSpec::new(name, datatype, shape);
    Contract {
        model: "m".into(),
        version: Version(1),
        platform: "python".into(),
        inputs: vec![spec("x", Datatype::Fp32, &[-1])],
        outputs: vec![spec("y", Datatype::Fp32, &[-1]), spec("z", Datatype::Bytes, &[])],
        batching: Batching { max_rows: MOST_ROWS, queue_rows: 8, ..Batching::default() },
        repeatable: false,
        lanes: 1,
        streams: false,
        unbatched: false,
        sequences: None,
        feedback: None,
    }
}

/// What is taken has the rows and the bytes that it says; `len` is how much was sent.
pub(super) fn fits(len: usize, mut inputs: SmallVec<[Input; 2]>, outputs: &[Wanted]) {
    let mut contract = contract();
    // Each input in turn is what the model takes, so that more than names are looked at.
    for turn in 0..2 {
        match MOST.hold(len, || bind(&contract, "id", inputs.clone(), outputs)) {
            Err(fault) => {
                assert!(!fault.note.is_empty());
                assert!(matches!(fault.kind, Kind::Invalid | Kind::TooLarge | Kind::Unsupported), "{fault}");
            }
            Ok(bound) => {
                assert!((1..=MOST_ROWS).contains(&bound.rows.get()));
                assert!(bound.outputs.is_sorted() && bound.outputs.iter().all(|at| *at < 2));
                assert_eq!(bound.inputs.len(), contract.inputs.len());
                for tensor in &bound.inputs {
                    assert_eq!(tensor.shape.first(), Some(&i64::from(bound.rows.get())));
                    if tensor.datatype == Datatype::Bytes {
                        let count = crate::base::tensor::elements(&tensor.shape);
                        assert_eq!(strings::count(&tensor.data).ok(), count);
                    } else {
                        assert_eq!(byte_len(tensor.datatype, &tensor.shape), Some(tensor.data.len()));
                    }
                }
            }
        }
        let Some(first) = inputs.first_mut().filter(|_| turn == 0) else { return };
        let sizes = first.tensor.shape.get(1..).unwrap_or_default();
        contract.inputs = vec![TensorSpec::new(
            first.name.clone(),
            first.tensor.datatype,
            sizes.iter().map(|size| if *size == 3 { -1 } else { *size }).collect::<Vec<_>>(),
        )];
    }
}
