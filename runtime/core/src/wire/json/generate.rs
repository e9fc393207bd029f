//! A request of Triton's `generate`: one flat object, in which inputs stand under their names and all else is a
//! parameter.

use super::{
    elements::{self, Wish},
    request::{self, InferRequest},
    scan::Scan,
    typed,
};
use crate::base::{
    contract::{Contract, TensorSpec},
    fault::Fault,
    inference::Input,
    tensor::{Shape, Tensor, elements},
};
use crate::wire::{budget::Budget, limits::Room};
use bytes::Bytes;
use smallvec::SmallVec;

/// `contract` tells inputs from parameters, and what they hold.
pub fn read(
    body: &Bytes,
    contract: &Contract,
    depth: usize,
    budget: &mut Budget<'_>,
) -> Result<InferRequest, Fault> {
    let mut scan = Scan::new(body, depth)?;
    let mut request = InferRequest::default();
    if scan.peek().is_none() {
        return Err(scan.flaw("The document is empty."));
    }
    typed::need(&mut scan, b'{', "request", "object")?;
    let mut room = Room::entries("parameters");
    scan.object(|scan, key| {
        if key == "id" {
            request.id = typed::string(scan, "id")?.into();
        } else if let Some(spec) = contract.inputs.iter().find(|spec| spec.name == key) {
            if request.inputs.iter().any(|input| input.name == key) {
                return Err(scan.flaw("The same name stands twice in an object."));
            }
            let tensor = tensor(scan, contract, spec, budget)?;
            request.inputs.push(Input { name: spec.name.clone(), tensor, region: None });
        } else if key == "parameters" {
            request::parameters(scan, &mut request, &mut room)?;
        } else {
            room.take()?;
            if matches!(scan.peek(), Some(b'[' | b'{')) {
                scan.skip()?; // what is no JSON at all is told as that
                return Err(no_parameter(key, contract));
            }
            request::parameter(scan, key, &mut request)?;
        }
        Ok(())
    })?;
    scan.end()?;
    Ok(request)
}

/// Rather an input whose name is not right: no parameter is a list.
fn no_parameter(key: &str, contract: &Contract) -> Fault {
    let names: Vec<_> = contract.inputs.iter().map(|spec| format!("'{}'", spec.name)).collect();
    Fault::invalid(format!(
        "'{key}' is no input of model '{}', which has {}; and a parameter is a number, a boolean or a string",
        contract.model,
        names.join(", "),
    ))
}

/// One row, from an element or from elements in any nesting that is even.
fn tensor(
    scan: &mut Scan<'_>,
    contract: &Contract,
    spec: &TensorSpec,
    budget: &mut Budget<'_>,
) -> Result<Tensor, Fault> {
    let sizes = sizes(&mut scan.clone(), spec)?;
    // Each was counted, one by one.
    let count = sizes.iter().fold(1_usize, |product, size| product.saturating_mul(*size));
    let shape = contract.of_one_row(sizes_of(spec, count)?.into_iter());
    let wish = Wish { input: &spec.name, datatype: spec.datatype, count, bare: true, limit: budget.left() };
    let data = elements::read(scan, &wish, budget)?.into();
    Ok(Tensor { datatype: spec.datatype, shape, data })
}

/// Of nested lists, from the innermost to the outermost; none of an element. Recursion is bounded by the allowed depth.
type Sizes = SmallVec<[usize; 4]>;

/// Lists in a list have to be alike: laid end to end, uneven ones would say something else than their sender meant.
fn sizes(scan: &mut Scan<'_>, spec: &TensorSpec) -> Result<Sizes, Fault> {
    match scan.peek() {
        Some(b'[') => {}
        Some(b'N' | b'I') => {
            let word = elements::no_number(scan).map(|_| Sizes::new());
            return word.ok_or_else(|| scan.flaw("Invalid value."));
        }
        // The minus was passed.
        Some(b'-') => {
            let number = scan.number().map(|_| Sizes::new());
            return number.or_else(|flaw| elements::no_number(scan).map(|_| Sizes::new()).ok_or(flaw));
        }
        _ => return scan.skip().map(|()| Sizes::new()),
    }
    let (mut within, mut count) = (None, 0);
    scan.array(|scan| {
        let next = sizes(scan, spec)?;
        count += 1;
        match &within {
            None => within = Some(next),
            Some(first) if *first == next => {}
            Some(_) => return Err(uneven(spec)),
        }
        Ok(())
    })?;
    let mut sizes = within.unwrap_or_default();
    sizes.push(count);
    Ok(sizes)
}

fn uneven(spec: &TensorSpec) -> Fault {
    Fault::invalid(format!(
        "the lists in input '{}' are of different sizes or depths, which is no tensor: a request is one row, and so is each \
         input",
        spec.name
    ))
}

/// The sizes of one row of so many elements: what is free takes what is left.
fn sizes_of(spec: &TensorSpec, count: usize) -> Result<Shape, Fault> {
    let TensorSpec { name, shape, .. } = spec;
    let fixed: Shape = shape.iter().copied().filter(|size| *size != -1).collect();
    let free = shape.len() - fixed.len();
    if free > 1 {
        return Err(Fault::invalid(format!(
            "input '{name}' has {free} sizes that are free, which a list does not tell: send it with /infer"
        )));
    }
    let unfit = || {
        Fault::invalid(format!(
            "input '{name}' has {count} elements, which its shape {shape:?} does not hold"
        ))
    };
    let product = elements(&fixed).ok_or_else(unfit)?;
    let left = match (free, product) {
        (0, _) => (product == count).then_some(1),
        (_, 0) => (count == 0).then_some(0),
        (_, _) => count.is_multiple_of(product).then(|| count / product),
    };
    let left = left.and_then(|left| i64::try_from(left).ok()).ok_or_else(unfit)?;
    Ok(shape.iter().map(|size| if *size == -1 { left } else { *size }).collect())
}

#[cfg(test)]
#[path = "generate_tests.rs"]
mod tests;
