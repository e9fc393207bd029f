//! A body that is the one input of a model.

use super::{check_refusal, memory::Most};
use crate::base::{
    contract::{Batching, Contract, TensorSpec},
    datatype::Datatype,
    strings::Strings,
    units::Version,
};
use crate::decide::validate::bind;
use crate::wire::raw;
use bytes::Bytes;
use smallvec::smallvec;

/// A BYTES element is the body, and its length; else the body itself is the tensor.
const MOST: Most = Most { each: 2, beside: 4096 };

/// What a model takes: the first bytes choose the datatype, the number of axes, and their sizes.
fn contract(data: &[u8]) -> Option<(Contract, &[u8])> {
    let ([datatype, rank, inputs], rest) = data.split_first_chunk()?;
    let (sizes, rest) = rest.split_at_checked(usize::from(rank % 6))?;
    let spec = TensorSpec::new(
        "x",
        Datatype::ALL[usize::from(*datatype) % Datatype::ALL.len()],
        sizes
            .iter()
            .map(|size| if *size == 255 { i64::MAX } else { i64::from(*size) - 1 })
            .collect::<Vec<_>>(),
    );
    let contract = Contract {
        model: "m".into(),
        version: Version(1),
        platform: "python".into(),
        inputs: vec![spec; [1, 1, 1, 1, 1, 1, 2, 0][usize::from(inputs % 8)]],
        outputs: Vec::new(),
        batching: Batching { max_rows: 1, queue_rows: 1, ..Batching::default() },
        repeatable: false,
        lanes: 1,
        streams: false,
        unbatched: false,
        sequences: None,
        feedback: None,
    };
    Some((contract, rest))
}

/// A contract, and a body for it. What is taken is one row that the contract takes, and holds all of the body.
pub fn any_raw(data: &[u8]) {
    let Some((contract, body)) = contract(data) else { return };
    let sent = Bytes::copy_from_slice(body);
    match MOST.hold(body.len(), || raw::input(&contract, sent)) {
        Err(fault) => check_refusal(&fault),
        Ok(input) => {
            let held = &input.tensor.data;
            if input.tensor.datatype == Datatype::Bytes {
                assert_eq!(Strings::of(held).collect::<Vec<_>>(), [Ok(body)]);
            } else {
                assert_eq!(held, body);
            }
            let bound = bind(&contract, "", smallvec![input.clone()], &[]);
            let rows = bound.map(|bound| bound.rows.get());
            assert_eq!(rows, Ok(1), "{input:?} is no row of {:?}", contract.inputs);
        }
    }
}
