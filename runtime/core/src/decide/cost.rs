//! What a request costs its model, in whatever the model's author counts: rows, elements, bytes, values of an input.
//!
//! It bounds what is in memory at once where rows do not tell: the tokens of a prompt, and those still to come.

use crate::base::{
    call::Tensors,
    contract::{Contract, Term},
    datatype::Datatype,
    fault::Fault,
    tensor::{Tensor, elements},
    units::Rows,
};

/// The sum of the contract's terms, for inputs that fit it. What does not fit 64 bits is `u64::MAX`: a hostile value
/// wraps into no small cost. A fault for a value below zero.
pub fn cost(contract: &Contract, rows: Rows, inputs: &Tensors) -> Result<u64, Fault> {
    let terms = &contract.batching.cost;
    if terms.is_empty() {
        return Ok(rows.get().into());
    }
    let mut sum = 0_u64;
    for term in terms {
        sum = sum.saturating_add(match term {
            Term::Rows => rows.get().into(),
            Term::Elements(name) => input(contract, inputs, name).map_or(0, elements_of),
            Term::Bytes(name) => input(contract, inputs, name).map_or(0, bytes_of),
            Term::Value(name) => input(contract, inputs, name).map_or(Ok(0), |tensor| {
                values_of(tensor).map_err(|value| {
                    Fault::invalid(format!(
                        "input '{name}' of model '{}' has the value {value}, but what a request may cost is counted \
                         from it: send 0 or more",
                        contract.model
                    ))
                })
            })?,
        });
    }
    Ok(sum)
}

/// What a request gets that alone costs more than all together may.
pub fn too_dear(contract: &Contract, cost: u64, max_cost: u64) -> Fault {
    Fault::invalid(format!(
        "the request costs {cost}, but model '{}' takes requests that cost at most {max_cost} (batching.max_cost)",
        contract.model
    ))
}

/// Terms that name no input of the model, or count values of one that has no integers.
pub fn misfit(contract: &Contract) -> Option<String> {
    let wrong = |term: &Term| {
        let name = term.input()?;
        let Some(spec) = contract.inputs.iter().find(|spec| spec.name == *name) else {
            return Some(format!("batching.cost names the input '{name}', which the model does not declare"));
        };
        let counts = !matches!(term, Term::Value(_)) || reader(spec.datatype).is_some();
        (!counts).then(|| {
            let datatype = spec.datatype.name();
            format!("batching.cost counts the value of input '{name}', which is {datatype} and no integer")
        })
    };
    contract.batching.cost.iter().find_map(wrong)
}

fn input<'a>(contract: &Contract, inputs: &'a Tensors, name: &str) -> Option<&'a Tensor> {
    let at = contract.inputs.iter().position(|spec| spec.name == name)?;
    inputs.get(at)
}

fn elements_of(tensor: &Tensor) -> u64 {
    elements(&tensor.shape).map_or(u64::MAX, wide)
}

fn bytes_of(tensor: &Tensor) -> u64 {
    let has_lengths = tensor.datatype == Datatype::Bytes;
    let lengths = if has_lengths { elements_of(tensor).saturating_mul(4) } else { 0 };
    wide(tensor.byte_len()).saturating_sub(lengths)
}

/// The sum, or the first value below zero.
fn values_of(tensor: &Tensor) -> Result<u64, i64> {
    let (Some(read), Some(size)) = (reader(tensor.datatype), tensor.datatype.size()) else { return Ok(0) };
    tensor.data.chunks_exact(size).try_fold(0_u64, |sum, bytes| Ok(sum.saturating_add(read(bytes)?)))
}

type Read = fn(&[u8]) -> Result<u64, i64>;

fn reader(datatype: Datatype) -> Option<Read> {
    match datatype {
        Datatype::Uint8 | Datatype::Uint16 | Datatype::Uint32 | Datatype::Uint64 => {
            Some(|bytes| Ok(little_endian(bytes, 0)))
        }
        Datatype::Int8 | Datatype::Int16 | Datatype::Int32 | Datatype::Int64 => Some(|bytes| {
            let sign = bytes.last().map_or(0, |top| if *top < 0x80 { 0 } else { 0xff });
            let value = little_endian(bytes, sign).cast_signed();
            u64::try_from(value).map_err(|_| value)
        }),
        Datatype::Bool
        | Datatype::Fp16
        | Datatype::Bf16
        | Datatype::Fp32
        | Datatype::Fp64
        | Datatype::Bytes => None,
    }
}

/// `fill`: what stands above the bytes that are there.
fn little_endian(bytes: &[u8], fill: u8) -> u64 {
    let mut whole = [fill; 8];
    whole.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    u64::from_le_bytes(whole)
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "cost_tests.rs"]
mod tests;
