//! `ModelInferRequest` → [`Inference`]: one pass over the message, then the protocol's rules. Raw contents
//! become views of the message; nothing is copied but names.

use super::contents::{self, tensor_bytes};
use super::field::{Fields, Value as Wire, each_varint};
use super::parameters::{self, Entries, find, in_region, read_entry};
use super::rooms::Rooms;
use crate::base::{
    callers::Callers,
    datatype::Datatype,
    fault::Fault,
    inference::{Inference, Input, Value, Wanted},
    named::Named,
    tensor::{Shape, Tensor},
    units::{Tick, Version},
};
use crate::wire::{budget::Budget, limits::Room};
use bytes::Bytes;
use compact_str::CompactString;
use smallvec::SmallVec;

#[derive(Debug, Default)]
struct InputPart<'a> {
    name: CompactString,
    datatype: CompactString,
    shape: Shape,
    parameters: Entries,
    contents: SmallVec<[&'a [u8]; 1]>,
}

/// The message as it came.
#[derive(Debug, Default)]
pub struct Request<'a> {
    model: CompactString,
    version: CompactString,
    /// For in-band errors of a stream, too.
    pub id: CompactString,
    parameters: Entries,
    inputs: SmallVec<[InputPart<'a>; 2]>,
    outputs: Vec<(CompactString, Entries)>,
    raw: SmallVec<[&'a [u8]; 2]>,
}

/// What the request's transport knows, beside the message.
#[derive(Clone, Debug)]
pub struct Surroundings {
    pub arrived: Tick,
    pub deadline: Tick,
    pub facts: Vec<(CompactString, CompactString)>,
    /// Its caller asks how it went.
    pub traced: bool,
    /// Of one that a model makes: who waits for it.
    pub callers: Option<Callers>,
}

impl<'a> Request<'a> {
    pub fn read(message: &'a Bytes) -> Result<Request<'a>, Fault> {
        let mut request = Request::default();
        let mut room = Rooms::default();
        let mut fields = Fields(message);
        while let Some((number, value)) = fields.next()? {
            room.fields.take()?;
            match number {
                1 => request.model = value.name("the model's name")?.into(),
                2 => request.version = value.name("the version")?.into(),
                3 => request.id = value.name("id")?.into(),
                4 => push_entry(&mut request.parameters, &mut room, value)?,
                5 => {
                    room.inputs.take()?;
                    request.inputs.push(read_input(value.bytes()?, &mut room)?);
                }
                6 => {
                    room.outputs.take()?;
                    request.outputs.push(read_output(value.bytes()?, &mut room)?);
                }
                7 => {
                    room.raw.take()?;
                    request.raw.push(value.bytes()?);
                }
                _ => {}
            }
        }
        Ok(request)
    }

    pub fn names_version(&self) -> bool {
        !self.version.is_empty()
    }

    /// Whether a request that is answered in parts is told of their end.
    pub fn wants_last(&self) -> bool {
        matches!(find(&self.parameters, parameters::EMPTY_FINAL), Some(Some(Value::Bool(true))))
    }

    /// Bytes of typed contents that have to be gone through: all but a run that is the tensor already.
    pub fn contents_bytes(&self) -> usize {
        let parts = self.inputs.iter().flat_map(|input| &input.contents);
        parts.filter(|part| !contents::is_one_run(part)).map(|part| part.len()).sum()
    }

    /// Checks what can be checked without a contract.
    /// `message` is what was read: tensors become views of it.
    /// `budget` is for typed contents, which are written out.
    pub fn into_inference(
        self,
        message: &Bytes,
        around: Surroundings,
        budget: &mut Budget<'_>,
    ) -> Result<Inference, Fault> {
        let model = self.model;
        let version = version(&self.version)?;
        let checked = parameters::check(self.parameters)?;
        let deadline = match checked.timeout {
            Some(span) => around.deadline.min(around.arrived.plus(span)),
            None => around.deadline,
        };
        let raw_only = !self.raw.is_empty();
        let mut raw = self.raw.into_iter();
        let mut inputs = SmallVec::with_capacity(self.inputs.len());
        for part in self.inputs {
            let region = in_region(&part.parameters, &format_args!("input '{}'", part.name))?;
            let datatype = Datatype::from_name(&part.datatype).ok_or_else(|| unknown_datatype(&part))?;
            if part.shape.iter().any(|size| *size < 0) {
                return Err(Fault::invalid(format!(
                    "unexpected shape for input '{}' for model '{model}'. Expected sizes >= 0, got {:?}",
                    part.name,
                    part.shape.as_slice()
                )));
            }
            let data = if region.is_some() {
                // It takes none of the raw contents.
                if !part.contents.is_empty() {
                    return Err(Fault::invalid(format!(
                        "unexpected 'content' provided when using shared memory for input tensor '{}' for model '{model}'",
                        part.name
                    )));
                }
                Bytes::new()
            } else if raw_only {
                if !part.contents.is_empty() {
                    return Err(Fault::invalid(format!(
                        "contents field must not be specified when using raw_input_contents for '{}' for model '{model}'",
                        part.name
                    )));
                }
                let raw = raw.next().ok_or_else(|| no_data(&part.name, &model))?;
                message.slice_ref(raw)
            } else {
                if part.contents.is_empty() {
                    return Err(no_data(&part.name, &model));
                }
                tensor_bytes(message, &part.name, &part.contents, datatype, budget, |came| {
                    Fault::invalid(format!(
                        "unexpected explicit tensor data for input tensor '{}' for model '{model}' of type \
                         '{came}', expected datatype '{}'",
                        part.name,
                        datatype.name()
                    ))
                })?
            };
            let tensor = Tensor { datatype, shape: part.shape, data };
            inputs.push(Input { name: part.name, tensor, region });
        }
        let outputs = self.outputs.into_iter().map(wanted).collect::<Result<_, Fault>>()?;
        Ok(Inference {
            model,
            version,
            id: self.id,
            parameters: checked.parameters,
            inputs,
            outputs,
            deadline,
            arrived: around.arrived,
            facts: around.facts,
            traced: around.traced,
            callers: around.callers,
        })
    }
}

fn push_entry(entries: &mut Entries, room: &mut Rooms, value: Wire<'_>) -> Result<(), Fault> {
    room.parameters.take()?;
    entries.push(read_entry(value.bytes()?, &mut room.fields)?);
    Ok(())
}

fn read_input<'a>(message: &'a [u8], room: &mut Rooms) -> Result<InputPart<'a>, Fault> {
    let mut part = InputPart::default();
    let mut axes = Room::axes();
    let mut contents = Room::entries("parts of contents");
    let mut fields = Fields(message);
    while let Some((number, value)) = fields.next()? {
        room.fields.take()?;
        match number {
            1 => part.name = value.name("name")?.into(),
            2 => part.datatype = value.name("datatype")?.into(),
            3 => each_varint(value, |size| {
                axes.take()?;
                part.shape.push(size.cast_signed());
                Ok(())
            })?,
            4 => push_entry(&mut part.parameters, room, value)?,
            5 => {
                contents.take()?;
                part.contents.push(value.bytes()?);
            }
            _ => {}
        }
    }
    Ok(part)
}

fn read_output(message: &[u8], room: &mut Rooms) -> Result<(CompactString, Entries), Fault> {
    let (mut name, mut entries) = (CompactString::default(), Entries::new());
    let mut fields = Fields(message);
    while let Some((number, value)) = fields.next()? {
        room.fields.take()?;
        match number {
            1 => name = value.name("name")?.into(),
            2 => push_entry(&mut entries, room, value)?,
            _ => {}
        }
    }
    Ok((name, entries))
}

/// A version as text, its number or an alias; "" lets the router choose.
pub fn version(text: &str) -> Result<Option<Named>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    let Ok(number) = text.parse::<i64>() else {
        return Named::alias(text).map(Some).ok_or_else(|| {
            Fault::invalid(format!(
                "failed to get model version from specified version string '{text}' (details: stol), version should \
                 be an integral value > 0, or an alias"
            ))
        });
    };
    match u64::try_from(number) {
        Ok(number @ 1..) => Ok(Some(Version(number).into())),
        Ok(0) | Err(_) => Err(Fault::invalid(format!(
            "invalid model version specified '{text}' , version should be an integral value > 0"
        ))),
    }
}

fn no_data(input: &str, model: &str) -> Fault {
    Fault::invalid(format!("unable to find data for input tensor '{input}' for model '{model}' in request."))
}

fn unknown_datatype(part: &InputPart<'_>) -> Fault {
    let known: Vec<_> = Datatype::ALL.iter().map(|datatype| datatype.name()).collect();
    Fault::invalid(format!(
        "inference input '{}' data-type is '<invalid>': got '{}', expected one of {}",
        part.name,
        part.datatype,
        known.join(", ")
    ))
}

fn wanted((name, entries): (CompactString, Entries)) -> Result<Wanted, Fault> {
    let region = in_region(&entries, &format_args!("output '{name}'"))?;
    let classification = match find(&entries, "classification") {
        None => 0,
        Some(Some(Value::Int(count))) => {
            // Clipped to the tensor's elements later, so more than fits here means all.
            u32::try_from((*count).min(i64::from(u32::MAX))).ok().filter(|count| *count > 0).ok_or_else(
                || Fault::invalid("invalid value for 'classification' parameter, expected >= 0"),
            )?
        }
        Some(_) => {
            return Err(Fault::invalid(
                "invalid value type for 'classification' parameter, expected int64_param.",
            ));
        }
    };
    if region.is_some() && classification > 0 {
        return Err(Fault::invalid(format!(
            "output '{name}' goes into shared memory as it is: take 'classification' out of its parameters"
        )));
    }
    Ok(Wanted { name, binary: None, classification, region })
}
