//! An ensemble as it is written, and as it runs. What cannot be is refused here, in words.

use crate::base::{
    contract::{Batching, Contract, TensorSpec},
    step::Step,
    units::Version,
};
use compact_str::CompactString;
use rustc_hash::FxHashMap;
use serde::Deserialize;
use std::collections::BTreeSet;

/// What such a version is said to run on, as with Triton.
pub const PLATFORM: &str = "ensemble";

/// Each request has a place for each of them.
const MOST_STEPS: usize = 256;
const MOST_TENSORS: usize = 4096;

/// As its file has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    pub model: CompactString,
    pub version: Version,
    /// Most rows of a request; 0: its tensors have no axis of rows.
    pub max_rows: u32,
    pub inputs: Vec<TensorSpec>,
    pub outputs: Vec<TensorSpec>,
    pub steps: Vec<Step>,
}

/// A model that an ensemble asks: one version of it, or any.
pub type Need = (CompactString, Option<Version>);

/// As it runs. Tensors are known by their places: the ensemble's inputs first, in its contract's order.
#[derive(Debug)]
pub struct Graph {
    pub contract: Contract,
    pub written: Vec<Step>,
    pub steps: Vec<Planned>,
    pub tensors: Vec<CompactString>,
    /// Of each tensor, how often it is read: by steps, and as an output.
    pub readers: Vec<u32>,
    /// Places of the ensemble's outputs, in its contract's order.
    pub outputs: Vec<usize>,
}

#[derive(Debug)]
pub struct Planned {
    pub model: CompactString,
    pub version: Option<Version>,
    pub inputs: Vec<(CompactString, usize)>,
    pub outputs: Vec<(CompactString, usize)>,
    /// Of how many steps it needs something.
    pub waits_for: usize,
    /// Steps that need something of it.
    pub then: Vec<usize>,
}

impl Graph {
    /// Every tensor is made once, by the caller or by a step, and read; no step waits for itself.
    pub fn new(written: Written) -> Result<Graph, String> {
        let Written { model, version, max_rows, inputs, outputs, steps } = written;
        let tensors: usize = steps.iter().map(|step| step.inputs.len() + step.outputs.len()).sum();
        if steps.is_empty() || steps.len() > MOST_STEPS {
            return Err(format!("it has {} steps: expected 1 to {MOST_STEPS}", steps.len()));
        }
        if inputs.is_empty() || outputs.is_empty() {
            return Err("it needs an input and an output".to_owned());
        }
        if inputs.len() + outputs.len() + tensors > MOST_TENSORS {
            return Err(format!("its steps name {tensors} tensors, and {MOST_TENSORS} may be in all"));
        }
        let mut places = Places::of(&inputs)?;
        for (at, step) in steps.iter().enumerate() {
            let is_itself = step.version.is_none_or(|one| one == version);
            if step.model == model && is_itself {
                return Err(format!("{}: the ensemble contains itself", told(at, step)));
            }
            if step.inputs.is_empty() || step.outputs.is_empty() {
                return Err(format!("{}: expected an input and an output at least", told(at, step)));
            }
            places.makes(at, step)?;
        }
        let mut built = Vec::with_capacity(steps.len());
        for (at, step) in steps.iter().enumerate() {
            built.push(places.step(at, step)?);
        }
        let found = outputs.iter().map(|output| places.output(output)).collect::<Result<Vec<_>, _>>()?;
        places.all_are_read()?;
        lead_on(&mut built, &places.makers);
        if let Some(stuck) = stuck(&built) {
            let each = stuck.iter().filter_map(|at| Some(told(*at, steps.get(*at)?)));
            return Err(format!(
                "each of these waits for another one: {}",
                each.collect::<Vec<_>>().join(", ")
            ));
        }
        let contract = contract(model, version, max_rows, (inputs, outputs));
        let Places { tensors, readers, .. } = places;
        Ok(Graph { contract, written: steps, steps: built, tensors, readers, outputs: found })
    }

    /// Steps that need nothing but what the caller sent.
    pub fn first(&self) -> impl Iterator<Item = usize> {
        self.steps.iter().enumerate().filter_map(|(at, step)| (step.waits_for == 0).then_some(at))
    }

    pub fn needs(&self) -> Vec<Need> {
        needs(&self.written)
    }
}

/// Each once.
pub fn needs(steps: &[Step]) -> Vec<Need> {
    let all: BTreeSet<_> = steps.iter().map(|step| (step.model.clone(), step.version)).collect();
    all.into_iter().collect()
}

fn told(at: usize, step: &Step) -> String {
    format!("step {} (model '{}')", at + 1, step.model)
}

fn contract(
    model: CompactString,
    version: Version,
    max_rows: u32,
    (inputs, outputs): (Vec<TensorSpec>, Vec<TensorSpec>),
) -> Contract {
    Contract {
        model,
        version,
        platform: PLATFORM.into(),
        inputs,
        outputs,
        batching: Batching { max_rows: max_rows.max(1), ..Batching::default() },
        // A step that is not is not asked twice: its own contract says so.
        repeatable: false,
        lanes: 1,
        streams: false,
        unbatched: max_rows == 0,
        sequences: None,
        feedback: None,
    }
}

/// Tensors by name, and who makes each: `None` the caller.
struct Places {
    by_name: FxHashMap<CompactString, usize>,
    tensors: Vec<CompactString>,
    makers: Vec<Option<usize>>,
    readers: Vec<u32>,
}

impl Places {
    fn of(inputs: &[TensorSpec]) -> Result<Places, String> {
        let (by_name, tensors) = (FxHashMap::default(), Vec::new());
        let mut places = Places { by_name, tensors, makers: Vec::new(), readers: Vec::new() };
        for input in inputs {
            if !places.add(&input.name, None) {
                return Err(format!("input '{}' is there twice", input.name));
            }
        }
        Ok(places)
    }

    /// False if there is one of this name.
    fn add(&mut self, name: &CompactString, maker: Option<usize>) -> bool {
        let place = self.tensors.len();
        if self.by_name.contains_key(name) {
            return false;
        }
        self.by_name.insert(name.clone(), place);
        self.tensors.push(name.clone());
        self.makers.push(maker);
        self.readers.push(0);
        true
    }

    fn makes(&mut self, at: usize, step: &Step) -> Result<(), String> {
        for tensor in step.outputs.values() {
            if !self.add(tensor, Some(at)) {
                let by =
                    self.by_name.get(tensor).and_then(|place| self.makers.get(*place).copied().flatten());
                let by = by.map_or_else(
                    || "an input of the ensemble".to_owned(),
                    |by| format!("made by step {}", by + 1),
                );
                return Err(format!("{} makes tensor '{tensor}', which is {by}", told(at, step)));
            }
        }
        Ok(())
    }

    fn read(&mut self, name: &CompactString) -> Option<usize> {
        let place = *self.by_name.get(name)?;
        *self.readers.get_mut(place)? += 1;
        Some(place)
    }

    fn step(&mut self, at: usize, step: &Step) -> Result<Planned, String> {
        let mut inputs = Vec::with_capacity(step.inputs.len());
        for (input, tensor) in &step.inputs {
            let nobody = || {
                format!(
                    "{} reads tensor '{tensor}', which is no input of the ensemble, and no step makes it",
                    told(at, step)
                )
            };
            inputs.push((input.clone(), self.read(tensor).ok_or_else(nobody)?));
        }
        let outputs = step.outputs.iter();
        let outputs =
            outputs.filter_map(|(output, tensor)| Some((output.clone(), *self.by_name.get(tensor)?)));
        Ok(Planned {
            model: step.model.clone(),
            version: step.version,
            inputs,
            outputs: outputs.collect(),
            waits_for: 0,
            then: Vec::new(),
        })
    }

    fn output(&mut self, output: &TensorSpec) -> Result<usize, String> {
        let nobody = || format!("output '{}' is made by no step", output.name);
        self.read(&output.name).ok_or_else(nobody)
    }

    fn all_are_read(&self) -> Result<(), String> {
        let unread = self.tensors.iter().zip(&self.readers).find(|(_, readers)| **readers == 0);
        unread.map_or(Ok(()), |(name, _)| {
            Err(format!("tensor '{name}' is read by no step, and is no output of the ensemble"))
        })
    }
}

/// Tells each step who needs it.
fn lead_on(steps: &mut [Planned], makers: &[Option<usize>]) {
    for at in 0..steps.len() {
        let inputs = steps.get(at).map_or(&[][..], |step| &step.inputs);
        let before: BTreeSet<usize> =
            inputs.iter().filter_map(|(_, place)| makers.get(*place).copied().flatten()).collect();
        if let Some(step) = steps.get_mut(at) {
            step.waits_for = before.len();
        }
        for one in before {
            if let Some(step) = steps.get_mut(one) {
                step.then.push(at);
            }
        }
    }
}

/// Steps that would never begin.
fn stuck(steps: &[Planned]) -> Option<Vec<usize>> {
    let mut waits: Vec<usize> = steps.iter().map(|step| step.waits_for).collect();
    let mut ready: Vec<usize> = (0..steps.len()).filter(|at| waits.get(*at) == Some(&0)).collect();
    while let Some(at) = ready.pop() {
        for next in steps.get(at).map_or(&[][..], |step| &step.then) {
            if let Some(left) = waits.get_mut(*next) {
                *left -= 1;
                if *left == 0 {
                    ready.push(*next);
                }
            }
        }
    }
    let left: Vec<usize> = (0..steps.len()).filter(|at| waits.get(*at) != Some(&0)).collect();
    (!left.is_empty()).then_some(left)
}

/// The way from what an ensemble needs back to itself, by what others need: the models on it, itself at the end.
/// `needs_of`: of each version that may be meant, if it is an ensemble, what it needs.
pub fn way_back(
    (model, version): (&str, Version),
    needs: &[Need],
    needs_of: impl Fn(&Need) -> Vec<Vec<Need>>,
) -> Option<Vec<CompactString>> {
    let (mut seen, mut next) = (BTreeSet::new(), Vec::new());
    next.extend(needs.iter().map(|need| (need.clone(), Vec::new())));
    while let Some((need, mut way)) = next.pop() {
        way.push(need.0.clone());
        if need.0 == model && need.1.is_none_or(|one| one == version) {
            return Some(way);
        }
        if seen.insert(need.clone()) {
            let more = needs_of(&need).into_iter().flatten();
            next.extend(more.map(|one| (one, way.clone())));
        }
    }
    None
}
