//! `ModelInferResponse` of another server of the protocol → what its model made. Raw contents become views of the
//! message; typed ones are written out.

use super::contents::tensor_bytes;
use super::field::{Fields, Value as Wire, each_varint};
use super::parameters::{Entries, FINAL_RESPONSE, read_entry, settle_keys};
use crate::base::{
    call::{Produced, Tensors},
    contract::{Contract, TensorSpec},
    fault::Fault,
    inference::{Parameters, Value},
    tensor::{Shape, Tensor},
    units::Rows,
};
use crate::wire::{
    budget::Budget,
    fit::{self, wrong},
    limits::{NAME_BYTES, Room},
};
use bytes::Bytes;
use compact_str::CompactString;
use smallvec::SmallVec;

/// A response, checked.
#[derive(Debug)]
pub struct Answered {
    /// Outputs in the contract's order, with an axis of rows first; none where a stream's message has none.
    pub produced: Produced,
    /// Of a stream: no more follows for its request.
    pub is_final: bool,
}

/// One message of a stream.
#[derive(Debug)]
pub enum Streamed {
    /// The request failed, in the server's words.
    Failed(String),
    Answered(Answered),
}

#[derive(Default)]
pub(super) struct Output<'a> {
    pub(super) name: &'a str,
    pub(super) datatype: &'a str,
    pub(super) shape: Shape,
    contents: SmallVec<[&'a [u8]; 1]>,
}

/// Reads the answer to a request of so many rows.
pub fn answered(message: &Bytes, contract: &Contract, rows: Rows) -> Result<Answered, Fault> {
    read(message, message, contract, rows).map_err(|fault| wrong(format_args!("{}", fault.note)))
}

/// Reads one message of a stream of answers to a request of so many rows.
pub fn streamed(message: &Bytes, contract: &Contract, rows: Rows) -> Result<Streamed, Fault> {
    let found = || {
        let (mut error, mut response): (&str, &[u8]) = ("", &[]);
        let mut fields = Fields(message);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => error = value.text(message.len(), "the error")?,
                2 => response = value.bytes()?,
                _ => {}
            }
        }
        if !error.is_empty() {
            return Ok(Streamed::Failed(error.to_owned()));
        }
        read(message, response, contract, rows).map(Streamed::Answered)
    };
    found().map_err(|fault: Fault| wrong(format_args!("{}", fault.note)))
}

/// What a message has, as it stands there.
#[derive(Default)]
pub(super) struct Said<'a> {
    pub(super) model: &'a str,
    pub(super) version: &'a str,
    pub(super) id: &'a str,
    pub(super) entries: Entries,
    pub(super) outputs: SmallVec<[Output<'a>; 2]>,
    pub(super) raw: SmallVec<[&'a [u8]; 2]>,
}

impl Said<'_> {
    pub(super) fn parameters(&mut self) -> Parameters {
        settle_keys(&mut self.entries);
        let entries = std::mem::take(&mut self.entries);
        entries.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

/// Refused with more outputs than `most`.
pub(super) fn fields(response: &[u8], most: usize) -> Result<Said<'_>, Fault> {
    let mut said = Said::default();
    let mut room = Room::fields();
    let mut fields = Fields(response);
    while let Some((number, value)) = fields.next()? {
        room.take()?;
        match number {
            1 => said.model = value.text(NAME_BYTES, "name")?,
            2 => said.version = value.text(NAME_BYTES, "version")?,
            3 => said.id = value.text(NAME_BYTES, "id")?,
            4 => said.entries.push(read_entry(value.bytes()?, &mut room)?),
            5 if said.outputs.len() < most => said.outputs.push(output(value.bytes()?, &mut room)?),
            6 if said.raw.len() < most => said.raw.push(value.bytes()?),
            5 | 6 => {
                return Err(Fault::invalid(format!("it has more than the {most} outputs of its metadata")));
            }
            _ => {}
        }
    }
    Ok(said)
}

/// `response`: all of `message`, or a part of it.
fn read(message: &Bytes, response: &[u8], contract: &Contract, rows: Rows) -> Result<Answered, Fault> {
    let mut said = fields(response, contract.outputs.len())?;
    let is_final = take_final(&mut said.entries);
    let parameters = said.parameters();
    let Said { outputs, raw, .. } = said;
    if outputs.is_empty() && contract.streams {
        return Ok(Answered { produced: Produced { outputs: Tensors::new(), parameters }, is_final });
    }
    let mut tensors = Tensors::new();
    for spec in &contract.outputs {
        let at = outputs.iter().position(|output| output.name == spec.name);
        let found = at.and_then(|at| outputs.get(at).map(|output| (output, raw.get(at))));
        let (output, raw) =
            found.ok_or_else(|| Fault::invalid(format!("output '{}' is missing", spec.name)))?;
        let raw =
            if raw.is_none_or(|raw| raw.is_empty()) && !output.contents.is_empty() { None } else { raw };
        tensors.push(tensor(message, output, raw.copied(), spec, contract, rows)?);
    }
    Ok(Answered { produced: Produced { outputs: tensors, parameters }, is_final })
}

/// Takes the flag out: each gateway says it anew.
pub(super) fn take_final(entries: &mut Entries) -> bool {
    let is_final =
        entries.iter().any(|(key, value)| key == FINAL_RESPONSE && *value == Some(Value::Bool(true)));
    entries.retain(|(key, _): &(CompactString, _)| key != FINAL_RESPONSE);
    is_final
}

fn output<'a>(message: &'a [u8], room: &mut Room) -> Result<Output<'a>, Fault> {
    let mut output = Output::default();
    let mut axes = Room::axes();
    let mut contents = Room::entries("parts of contents");
    let mut fields = Fields(message);
    while let Some((number, value)) = fields.next()? {
        room.take()?;
        match number {
            1 => output.name = value.text(NAME_BYTES, "name")?,
            2 => output.datatype = value.text(NAME_BYTES, "datatype")?,
            3 => each_varint(value, |size| {
                axes.take()?;
                output.shape.push(size.cast_signed());
                Ok(())
            })?,
            5 => {
                contents.take()?;
                output.contents.push(Wire::bytes(value)?);
            }
            _ => {}
        }
    }
    Ok(output)
}

fn tensor(
    message: &Bytes,
    output: &Output<'_>,
    raw: Option<&[u8]>,
    spec: &TensorSpec,
    contract: &Contract,
    rows: Rows,
) -> Result<Tensor, Fault> {
    let name = &spec.name;
    let shape = fit::shape(output.datatype, &output.shape, spec, contract, rows)?;
    let datatype = spec.datatype;
    let data = match raw {
        Some(raw) => message.slice_ref(raw),
        None => {
            let mut allowed = |_: usize| Ok(());
            // A varint of a byte becomes up to eight.
            let mut budget = Budget::new(message.len().saturating_mul(8), message.len(), &mut allowed);
            let mixed = |got| Fault::invalid(format!("output '{name}' has contents of type {got}"));
            tensor_bytes(message, name, &output.contents, datatype, &mut budget, mixed)?
        }
    };
    fit::whole(name, Tensor { datatype, shape, data })
}
