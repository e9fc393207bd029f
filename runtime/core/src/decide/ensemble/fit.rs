//! Can the models of an ensemble give each other what it says?

use super::graph::{Graph, Planned};
use crate::base::{
    contract::{Contract, TensorSpec},
    datatype::Datatype,
};

/// A tensor as one side has it, and which side that is.
struct Side {
    who: String,
    datatype: Datatype,
    /// As clients know it.
    shape: Vec<i64>,
}

impl Side {
    fn new(who: String, contract: &Contract, spec: &TensorSpec) -> Side {
        Side { who, datatype: spec.datatype, shape: contract.told(spec) }
    }

    /// Any size may be the one that the other wants.
    fn meets(&self, other: &Side) -> bool {
        let same = |(one, other): (&i64, &i64)| one == other || *one == -1 || *other == -1;
        self.datatype == other.datatype
            && self.shape.len() == other.shape.len()
            && self.shape.iter().zip(&other.shape).all(same)
    }

    fn told(&self) -> String {
        format!("{} {:?} {}", self.datatype.name(), self.shape, self.who)
    }
}

/// What of it cannot be, by the contracts of the versions that its steps ask now: one for each step, `None` where it is
/// not known.
pub fn misfit<'a>(graph: &Graph, contracts: impl Iterator<Item = Option<&'a Contract>>) -> Option<String> {
    let own = &graph.contract;
    let side = |spec: &TensorSpec| Side::new("for the ensemble".to_owned(), own, spec);
    // What each tensor is to those that said so: its maker, and who reads it.
    let mut said: Vec<Vec<Side>> = graph.tensors.iter().map(|_| Vec::new()).collect();
    let outputs = graph.outputs.iter().copied().zip(&own.outputs);
    for (place, spec) in own.inputs.iter().enumerate().chain(outputs) {
        said.get_mut(place)?.push(side(spec));
    }
    for (at, (step, contract)) in graph.steps.iter().zip(contracts).enumerate() {
        let Some(contract) = contract else { continue };
        let who = format!("step {} (model '{}' version {})", at + 1, step.model, contract.version);
        if let Some(why) = unable(own, step, contract) {
            return Some(format!("{who} {why}"));
        }
        let sides = [(&step.inputs, &contract.inputs), (&step.outputs, &contract.outputs)];
        for (names, specs) in sides {
            for (name, place) in names {
                let spec = specs.iter().find(|spec| spec.name == *name)?;
                said.get_mut(*place)?.push(Side::new(format!("for {who}"), contract, spec));
            }
        }
    }
    graph.tensors.iter().zip(&said).find_map(|(name, sides)| {
        let pairs = sides
            .iter()
            .enumerate()
            .flat_map(|(at, one)| sides.iter().skip(at + 1).map(move |other| (one, other)));
        let (one, other) = pairs.into_iter().find(|(one, other)| !one.meets(other))?;
        Some(format!("tensor '{name}' is {}, and {}", one.told(), other.told()))
    })
}

/// Why a version cannot be the step.
fn unable(own: &Contract, step: &Planned, contract: &Contract) -> Option<String> {
    if contract.streams {
        return Some("answers in parts, and a step has one answer".to_owned());
    }
    if contract.sequences.is_some() {
        return Some("keeps sequences, whose requests an ensemble cannot keep in order".to_owned());
    }
    let lacks = |given: &[(_, usize)], spec: &&TensorSpec| given.iter().all(|(name, _)| *name != spec.name);
    if let Some(missing) = contract.inputs.iter().find(|spec| lacks(&step.inputs, spec)) {
        return Some(format!("needs input '{}', which it is not given", missing.name));
    }
    for (what, names, specs) in
        [("input", &step.inputs, &contract.inputs), ("output", &step.outputs, &contract.outputs)]
    {
        if let Some((name, _)) = names.iter().find(|(name, _)| specs.iter().all(|spec| spec.name != *name)) {
            return Some(format!("has no {what} '{name}'"));
        }
    }
    let (most, own_most) = (contract.batching.most_of_request(), own.batching.max_rows);
    let is_less = !own.unbatched && !contract.unbatched && most < own_most;
    is_less.then(|| format!("takes at most {most} rows at once, and the ensemble {own_most}"))
}
