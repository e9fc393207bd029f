//! What a model returned, and whether it is what the model declared.

use super::{elements::Elements, fit::shape_fits};
use crate::base::{
    contract::{Contract, TensorSpec},
    datatype::Datatype,
    tensor::{Shape, Tensor, elements},
    units::Rows,
};
use crate::decide::extents::Extent;
use bytes::Bytes;

/// One output of a whole batch, as Python holds it.
#[derive(Debug)]
pub enum Output<'a> {
    /// Row-major; of an address that the model may still write to once the batch is settled.
    Fixed {
        datatype: Datatype,
        shape: Shape,
        data: &'a [u8],
    },
    Elements {
        shape: Shape,
        elements: Elements,
    },
}

impl Output<'_> {
    pub fn datatype(&self) -> Datatype {
        match self {
            Output::Fixed { datatype, .. } => *datatype,
            Output::Elements { .. } => Datatype::Bytes,
        }
    }

    pub fn shape(&self) -> &[i64] {
        match self {
            Output::Fixed { shape, .. } | Output::Elements { shape, .. } => shape,
        }
    }

    /// Copied out of Python's memory.
    pub(super) fn into_tensor(self) -> Tensor {
        match self {
            Output::Fixed { datatype, shape, data } => {
                Tensor { datatype, shape, data: Bytes::copy_from_slice(data) }
            }
            Output::Elements { shape, elements } => {
                Tensor { datatype: Datatype::Bytes, shape, data: elements.into_parts().0.into() }
            }
        }
    }

    fn is_whole(&self) -> bool {
        match self {
            Output::Fixed { datatype, shape, data } => {
                elements(shape).zip(datatype.size()).and_then(|(count, size)| count.checked_mul(size))
                    == Some(data.len())
            }
            Output::Elements { shape, elements: given } => elements(shape) == Some(given.count()),
        }
    }
}

/// `given` in the contract's order. The message names the model, what it declared and what it returned.
/// `extents` are those of the batch's inputs.
pub(super) fn check(
    contract: &Contract,
    rows: Rows,
    extents: &[Extent],
    given: &[Output<'_>],
) -> Result<(), String> {
    if given.len() != contract.outputs.len() {
        return Err(wrong_names(contract, &[]));
    }
    for (spec, output) in contract.outputs.iter().zip(given) {
        let like = extent_like(contract, spec, extents).map(|extent| extent.whole_like(&spec.shape));
        let shape_fits = match &like {
            Some(like) => like.as_slice() == output.shape(),
            None => shape_fits(&spec.shape, output.shape(), rows.get()),
        };
        if output.datatype() != spec.datatype || !shape_fits {
            let returned = format!("{}{}", output.datatype().name(), list(output.shape()));
            return Err(match like {
                Some(like) => wrong_shape(contract, spec, &like, rows, &returned),
                None => wrong_output(contract, spec, rows, &returned),
            });
        }
        if !output.is_whole() {
            return Err(wrong_output(contract, spec, rows, "an array whose size does not fit its shape"));
        }
    }
    Ok(())
}

/// The input whose sizes an output has.
pub(super) fn extent_like<'a>(
    contract: &Contract,
    spec: &TensorSpec,
    extents: &'a [Extent],
) -> Option<&'a Extent> {
    let name = spec.like.as_ref()?;
    let input = contract.inputs.iter().position(|input| input.name == *name)?;
    extents.iter().find(|extent| extent.input == input)
}

/// `returned` says what came instead, such as `FP64[4,5]`.
pub fn wrong_output(contract: &Contract, spec: &TensorSpec, rows: Rows, returned: &str) -> String {
    let shape: Shape = std::iter::once(i64::from(rows.get())).chain(spec.shape.iter().copied()).collect();
    wrong_shape(contract, spec, &shape, rows, returned)
}

fn wrong_shape(contract: &Contract, spec: &TensorSpec, shape: &[i64], rows: Rows, returned: &str) -> String {
    format!(
        "model '{}' version {} declared output '{}' as {}{} for this batch of {} rows, but returned {returned}",
        contract.model,
        contract.version,
        spec.name,
        spec.datatype.name(),
        list(shape),
        rows.get(),
    )
}

pub fn wrong_names(contract: &Contract, returned: &[String]) -> String {
    let declared: Vec<_> = contract.outputs.iter().map(|spec| spec.name.as_str()).collect();
    let (model, version) = (&contract.model, contract.version);
    format!("model '{model}' version {version} declared outputs {declared:?}, but returned {returned:?}")
}

fn list(shape: &[i64]) -> String {
    let sizes: Vec<_> = shape.iter().map(i64::to_string).collect();
    format!("[{}]", sizes.join(","))
}
