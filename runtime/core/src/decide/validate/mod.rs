//! Does a request fit the contract? The messages are Triton's, because its clients' users know them.

mod elements;
mod on_device;
mod oversize;
mod produced;

pub(crate) use oversize::{is_oversize, parameter_bytes};
pub(crate) use produced::{miscounted, unfit_outputs};

use super::cost::{cost, too_dear};
use crate::base::{
    call::Tensors,
    contract::{Contract, TensorSpec},
    device::OnDevice,
    fault::{Fault, Kind},
    inference::{Input, Wanted},
    tensor::byte_len,
    units::Rows,
};
use smallvec::SmallVec;
use std::fmt::Write;
use std::sync::Arc;

/// A request that fits.
#[derive(Debug)]
pub struct Bound {
    /// In the contract's order.
    pub inputs: Tensors,
    /// Which of them, and of the outputs, are in the caller's memory on a device.
    pub on_device: Option<Arc<OnDevice>>,
    pub rows: Rows,
    /// Where the model counts one; else 0.
    pub cost: u64,
    /// Places in the contract's outputs, ascending, each once.
    pub outputs: SmallVec<[usize; 2]>,
}

const BATCH_NOTE: &str = "NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension \
to be prepended to each input shape. If you want to specify the full shape including the batch dim in your input \
dims config, try setting max_batch_size to zero. See the model configuration docs for more info on max_batch_size.";

/// Looks at names first, then at the batch size, then at each input, as Triton does.
pub fn bind(
    contract: &Contract,
    id: &str,
    inputs: SmallVec<[Input; 2]>,
    wanted: &[Wanted],
) -> Result<Bound, Fault> {
    let check = Check { contract, id };
    let outputs = check.outputs(wanted)?;
    check.names(&inputs)?;
    let rows = check.rows(&inputs)?;
    let on_device = on_device::spans(contract, &inputs, wanted)?;
    let mut bound = Tensors::new();
    for spec in &contract.inputs {
        // `names` has seen every declared input.
        let input = inputs.iter().find(|input| input.name == spec.name);
        let input = input.ok_or_else(|| Fault::internal(format!("input '{}' was lost", spec.name)))?;
        check.tensor(spec, input)?;
        let mut tensor = input.tensor.clone();
        if contract.unbatched {
            tensor.shape.insert(0, 1);
        }
        bound.push(tensor);
    }
    let whole = !contract.batching.split_oversize; // parts of one that is cut cost each their own
    let mut costs = 0;
    if let Some(max_cost) = contract.batching.max_cost.filter(|_| whole) {
        costs = cost(contract, rows, &bound)?;
        if costs > max_cost {
            return Err(too_dear(contract, costs, max_cost));
        }
    }
    Ok(Bound { inputs: bound, on_device: on_device.map(Arc::new), rows, cost: costs, outputs })
}

/// What does not fit, with the id of the request.
pub(super) fn unfit(id: &str, note: std::fmt::Arguments<'_>) -> Fault {
    let id = if id.is_empty() { "<id_unknown>" } else { id };
    Fault::invalid(format!("[request id: {id}] {note}"))
}

struct Check<'a> {
    contract: &'a Contract,
    id: &'a str,
}

impl Check<'_> {
    fn no(&self, note: std::fmt::Arguments<'_>) -> Fault {
        unfit(self.id, note)
    }

    fn outputs(&self, wanted: &[Wanted]) -> Result<SmallVec<[usize; 2]>, Fault> {
        let declared = &self.contract.outputs;
        if wanted.is_empty() {
            return Ok((0..declared.len()).collect());
        }
        let is_shared = wanted.iter().any(|output| output.region.is_some());
        let mut places = SmallVec::new();
        for output in wanted {
            let place = declared.iter().position(|spec| spec.name == output.name).ok_or_else(|| {
                let (name, model) = (&output.name, &self.contract.model);
                Fault::invalid(format!("unexpected inference output '{name}' for model '{model}'"))
            })?;
            if output.classification > 0 {
                let name = &output.name;
                let note =
                    format!("classification of output '{name}' is not offered: ask for the output itself");
                return Err(Fault::new(Kind::Unsupported, note));
            }
            if is_shared && places.contains(&place) {
                return Err(Fault::invalid(format!(
                    "output '{}' is asked for more than once: where outputs go into shared memory each has one place",
                    output.name
                )));
            }
            places.push(place);
        }
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }

    /// Every declared input once, and no other. Each name is compared with those that are declared: a request may
    /// have thousands of long ones, and compared with each other they would take seconds.
    fn names(&self, inputs: &[Input]) -> Result<(), Fault> {
        let (declared, model) = (&self.contract.inputs, &self.contract.model);
        let mut given: SmallVec<[bool; 8]> = declared.iter().map(|_| false).collect();
        let mut other = None;
        for input in inputs {
            let place = declared.iter().position(|spec| spec.name == input.name);
            match place.and_then(|place| given.get_mut(place)) {
                Some(true) => {
                    return Err(self.no(format_args!("input '{}' already exists in request", input.name)));
                }
                Some(given) => *given = true,
                None => other = other.or(Some(input)),
            }
        }
        if inputs.len() < declared.len() {
            let got = quoted(inputs.iter().map(|input| input.name.as_str()));
            let missing = declared.iter().zip(&given).filter(|(_, given)| !**given);
            let missing = quoted(missing.map(|(spec, _)| spec.name.as_str()));
            return Err(self.no(format_args!(
                "expected {} inputs but got {} inputs for model '{model}'. Got input(s) {got}, but missing required \
                 input(s) {missing}. Please provide all required input(s).",
                declared.len(),
                inputs.len(),
            )));
        }
        if let Some(other) = other {
            return Err(Fault::invalid(format!(
                "unexpected inference input '{}' for model '{model}'",
                other.name
            )));
        }
        Ok(())
    }

    fn rows(&self, inputs: &[Input]) -> Result<Rows, Fault> {
        if self.contract.unbatched {
            return Ok(Rows::new(1));
        }
        let model = &self.contract.model;
        let mut batch = None;
        for input in inputs {
            let name = &input.name;
            let Some(size) = input.tensor.shape.first().copied() else {
                return Err(self.no(format_args!(
                    "input '{name}' has no shape but model requires batch dimension for '{model}'"
                )));
            };
            if batch.is_some_and(|batch| batch != size) {
                return Err(self.no(format_args!(
                    "input '{name}' batch size does not match other inputs for '{model}'"
                )));
            }
            if size < 1 {
                let shape = dims(&input.tensor.shape);
                return Err(self.no(format_args!(
                    "input '{name}' has batch size {size} in shape {shape}, model '{model}' expects at least 1"
                )));
            }
            batch = Some(size);
        }
        let size = batch.unwrap_or(1);
        let most = self.contract.batching.most_of_request();
        match u32::try_from(size) {
            Ok(rows) if rows <= most => Ok(Rows::new(rows)),
            Ok(_) | Err(_) => {
                let fault =
                    self.no(format_args!("inference request batch-size must be <= {most} for '{model}'"));
                Err(Fault { kind: Kind::TooLarge, ..fault })
            }
        }
    }

    fn tensor(&self, spec: &TensorSpec, input: &Input) -> Result<(), Fault> {
        let tensor = &input.tensor;
        let (name, model) = (&spec.name, &self.contract.model);
        if tensor.datatype != spec.datatype {
            return Err(self.no(format_args!(
                "inference input '{name}' data-type is '{}', but model '{model}' expects '{}'",
                tensor.datatype.name(),
                spec.datatype.name(),
            )));
        }
        let unbatched = self.contract.unbatched;
        let sizes = tensor.shape.get(usize::from(!unbatched)..).unwrap_or_default();
        if sizes.iter().any(|size| *size < 0) {
            return Err(self.no(format_args!(
                "All input dimensions should be specified for input '{name}' for model '{model}', got {}",
                dims(&tensor.shape)
            )));
        }
        let fits = |(want, got): (&i64, &i64)| *want == -1 || want == got;
        if sizes.len() != spec.shape.len() || !spec.shape.iter().zip(sizes).all(fits) {
            return Err(self.no(format_args!(
                "unexpected shape for input '{name}' for model '{model}'. Expected {}, got {}.{}{}",
                dims(&self.contract.told(spec)),
                dims(&tensor.shape),
                if unbatched { "" } else { " " },
                if unbatched { "" } else { BATCH_NOTE },
            )));
        }
        if tensor.datatype.size().is_none() {
            return elements::check(&tensor.shape, &tensor.data)
                .map_err(|bad| self.no(format_args!("{}", bad.told(name, model))));
        }
        // A shape whose size overflows fits no buffer.
        let want = byte_len(tensor.datatype, &tensor.shape);
        let got = on_device::byte_len(input).unwrap_or(tensor.data.len());
        if want != Some(got) {
            let want = want.map_or_else(|| "more than can be addressed".to_owned(), |len| len.to_string());
            return Err(self.no(format_args!(
                "input byte size mismatch for input '{name}' for model '{model}'. Expected {want}, got {got}"
            )));
        }
        Ok(())
    }
}

/// `['a','b']`
fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.map(|name| format!("'{name}'")).collect();
    format!("[{}]", names.join(","))
}

/// `[-1,4]`
fn dims(shape: &[i64]) -> String {
    let mut text = String::from("[");
    for (at, size) in shape.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(text, "{comma}{size}");
    }
    text.push(']');
    text
}

#[cfg(test)]
mod tests;
