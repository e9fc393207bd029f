//! Whether rows of different sizes share a batch. What the batch is then: [`super::extents`].
//!
//! What a batch is padded to is bounded before any memory is: a caller whose row is long must not make hundreds of
//! megabytes of the short rows of others.

use crate::base::{
    call::{Call, Tensors},
    contract::{Contract, Join, Pad, TensorSpec},
    datatype::Datatype,
    fault::Fault,
    tensor::{Shape, Tensor, byte_len},
};

/// Most bytes that one input of a batch is padded to.
const MOST_PADDED: usize = 1 << 30;

/// Whose inputs may be in one batch: an equivalence.
#[derive(Debug, Default)]
pub struct Sharing {
    /// Empty where rows share a batch only with those of their shape.
    inputs: Box<[TensorSpec]>,
    max_rows: u32,
}

impl Sharing {
    pub fn new(inputs: &[TensorSpec], max_rows: u32) -> Sharing {
        let joins = inputs.iter().any(|input| input.join != Join::Stack);
        Sharing { inputs: if joins { inputs.into() } else { Box::default() }, max_rows }
    }

    pub fn limit(&mut self, max_rows: u32) {
        self.max_rows = max_rows;
    }

    pub fn may_share(&self, one: &Tensors, other: &Tensors) -> bool {
        let mut pairs = one.iter().zip(other);
        one.len() == other.len()
            && match &*self.inputs {
                [] => pairs.all(|(one, other)| row(one) == row(other)),
                inputs => inputs.iter().zip(pairs).all(|(spec, (one, other))| self.joins(spec, one, other)),
            }
    }

    fn joins(&self, spec: &TensorSpec, one: &Tensor, other: &Tensor) -> bool {
        match &spec.join {
            Join::Stack => row(one) == row(other),
            Join::Ragged => true,
            Join::Pad(pad) if pad.sizes.is_empty() => {
                let is_small = |tensor| self.is_small(spec, pad, tensor);
                row(one) == row(other) || (is_small(one) && is_small(other))
            }
            Join::Pad(pad) => padded_row(spec, pad, row(one)).eq(padded_row(spec, pad, row(other))),
        }
    }

    /// A full batch of such rows, were all free axes as long as its longest, is within what padding may take.
    fn is_small(&self, spec: &TensorSpec, pad: &Pad, tensor: &Tensor) -> bool {
        let free = spec.shape.iter().zip(row(tensor)).filter(|(want, _)| **want == -1);
        let Some(longest) = padded(pad, free.map(|(_, size)| *size).max().unwrap_or(0)) else { return false };
        full(spec, longest, self.max_rows).is_some_and(|bytes| bytes <= MOST_PADDED)
    }
}

/// Whether batches of a version may be of several shapes.
pub fn vary(inputs: &[TensorSpec]) -> bool {
    let one_for_all = |join: &Join| match join {
        Join::Stack => false,
        Join::Pad(pad) => pad.sizes.is_empty(),
        Join::Ragged => true,
    };
    inputs.iter().any(|input| input.shape.contains(&-1) && !one_for_all(&input.join))
}

/// What a request gets whose sizes cannot be padded; it fits the contract otherwise.
pub fn refusal(contract: &Contract, call: &Call) -> Option<Fault> {
    contract.inputs.iter().zip(&call.inputs).find_map(|(spec, tensor)| {
        let Join::Pad(pad) = &spec.join else { return None };
        let (name, model) = (&spec.name, &contract.model);
        let batch = std::iter::once(Some(i64::from(call.rows.get())));
        let whole: Option<Shape> = batch.chain(padded_row(spec, pad, row(tensor))).collect();
        let Some(whole) = whole else {
            let most = pad.sizes.last().map_or(i64::MAX, |most| (*most).into());
            let sent = row(tensor);
            return Some(Fault::invalid(format!(
                "input '{name}' of model '{model}' has rows of {sent:?}, but the sizes of its free axes are at most \
                 {most} (batching.join)"
            )));
        };
        let fits = whole == tensor.shape
            || byte_len(spec.datatype, &whole).is_some_and(|bytes| bytes <= MOST_PADDED);
        (!fits).then(|| {
            Fault::invalid(format!(
                "input '{name}' of model '{model}' would be padded to {whole:?}, which is more than {MOST_PADDED} bytes"
            ))
        })
    })
}

/// Joins that cannot be kept.
pub fn misfit(contract: &Contract) -> Option<String> {
    let inputs = contract.inputs.iter().filter(|input| input.join != Join::Stack);
    let outputs = contract.outputs.iter().filter(|output| output.like.is_some());
    inputs
        .filter_map(|input| {
            let why = join_misfit(contract, input)?;
            Some(format!("batching.join of input '{}': {why}", input.name))
        })
        .chain(outputs.filter_map(|output| {
            let why = like_misfit(contract, output)?;
            Some(format!("batching.like of output '{}': {why}", output.name))
        }))
        .next()
}

fn join_misfit(contract: &Contract, input: &TensorSpec) -> Option<String> {
    let free = input.shape.iter().filter(|size| **size == -1).count();
    if contract.streams {
        return Some("the model answers in parts, and its requests have arrays of their own".into());
    }
    if input.datatype == Datatype::Bytes {
        return Some("it is of BYTES, whose elements have lengths of their own".into());
    }
    match &input.join {
        Join::Stack => None,
        Join::Ragged if free == 1 && input.shape.first() == Some(&-1) => None,
        Join::Ragged => Some(format!(
            "rows are put one behind the other along their first axis, which must be the only one of any size (-1), \
             but its shape is {:?}",
            input.shape
        )),
        Join::Pad(_) if free == 0 => {
            Some(format!("its shape is {:?}: no axis is of any size (-1)", input.shape))
        }
        Join::Pad(pad) if !pad.sizes.is_sorted_by(|one, next| one < next) => {
            Some(format!("its sizes {:?} do not rise", pad.sizes))
        }
        Join::Pad(pad) => {
            let longest = i64::from(pad.sizes.last().copied().unwrap_or(pad.multiple_of.max(1)));
            let max_rows = contract.batching.max_rows;
            let fits = full(input, longest, max_rows).is_some_and(|bytes| bytes <= MOST_PADDED);
            (!fits).then(|| {
                format!("{max_rows} rows padded to {longest} are more than {MOST_PADDED} bytes: make one of them less")
            })
        }
    }
}

fn like_misfit(contract: &Contract, output: &TensorSpec) -> Option<String> {
    let name = output.like.as_ref()?;
    let Some(input) = contract.inputs.iter().find(|input| input.name == *name) else {
        return Some(format!("the model declares no input '{name}'"));
    };
    if input.join == Join::Stack {
        return Some(format!("the rows of input '{name}' have one shape: there is nothing to cut"));
    }
    if output.datatype == Datatype::Bytes {
        return Some("it is of BYTES, which cannot be cut".into());
    }
    let free = |spec: &TensorSpec| spec.shape.iter().filter(|size| **size == -1).count();
    if free(input) != free(output) || (input.join == Join::Ragged && output.shape.first() != Some(&-1)) {
        return Some(format!(
            "its shape is {:?}, and that of input '{name}' is {:?}: expected as many axes of any size (-1), and the \
             first one to be of any size where the input is ragged",
            output.shape, input.shape
        ));
    }
    None
}

/// The size that an axis is padded to by itself; `None`: there is none that large.
pub(super) fn padded(pad: &Pad, size: i64) -> Option<i64> {
    if pad.sizes.is_empty() {
        let multiple = u64::from(pad.multiple_of.max(1));
        return i64::try_from(u64::try_from(size).ok()?.checked_next_multiple_of(multiple)?).ok();
    }
    pad.sizes.iter().map(|allowed| i64::from(*allowed)).find(|allowed| *allowed >= size)
}

fn padded_row(spec: &TensorSpec, pad: &Pad, row: &[i64]) -> impl Iterator<Item = Option<i64>> {
    let size = |(want, size): (&i64, &i64)| if *want == -1 { padded(pad, *size) } else { Some(*size) };
    spec.shape.iter().zip(row).map(size)
}

/// Bytes of a full batch whose free axes are so long.
fn full(spec: &TensorSpec, longest: i64, max_rows: u32) -> Option<usize> {
    let row = spec.shape.iter().map(|size| if *size == -1 { longest } else { *size });
    byte_len(spec.datatype, &std::iter::once(i64::from(max_rows)).chain(row).collect::<Shape>())
}

fn row(tensor: &Tensor) -> &[i64] {
    tensor.shape.get(1..).unwrap_or_default()
}

#[cfg(test)]
#[path = "shapes_tests.rs"]
pub(super) mod tests;
