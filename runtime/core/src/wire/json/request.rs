//! The body of an inference request: JSON, and behind it the tensors that came as bytes.

use super::{
    input::{self, Blobs},
    scan::Scan,
    typed,
};
use crate::base::{
    fault::Fault,
    inference::{Input, Parameters, Value, Wanted},
    sequence::Correlation,
};
use crate::wire::{budget::Budget, limits::Room, shared};
use bytes::Bytes;
use compact_str::CompactString;
use smallvec::SmallVec;

/// What the body says. The model is named by the address, not here.
#[derive(Clone, Debug, Default)]
pub struct InferRequest {
    pub id: CompactString,
    /// Without `timeout` and `binary_data_output`, which are taken out.
    pub parameters: Parameters,
    pub inputs: SmallVec<[Input; 2]>,
    pub outputs: Vec<Wanted>,
    /// Outputs go as bytes when none are listed.
    pub binary_output: bool,
    /// Microseconds; 0 is no limit.
    pub timeout_us: u64,
}

/// `json_len`: where the JSON ends and the bytes begin; at most the body's length. `model` is for messages, `depth` how
/// deep the JSON may be nested, and `budget` for the tensors that stand in it.
pub fn read(
    body: &Bytes,
    json_len: usize,
    model: &str,
    depth: usize,
    budget: &mut Budget<'_>,
) -> Result<InferRequest, Fault> {
    let text = body.get(..json_len).ok_or_else(|| Fault::internal("the JSON is longer than the body"))?;
    let mut scan = Scan::new(text, depth)?;
    let mut request = InferRequest::default();
    let mut blobs = Blobs { body, at: json_len, model };
    if scan.peek().is_none() {
        return Err(scan.flaw("The document is empty."));
    }
    typed::need(&mut scan, b'{', "request", "object")?;
    let (mut inputs, mut outputs) = (false, false);
    let mut room = Room::entries("parameters");
    scan.object(|scan, key| match key {
        "id" => {
            request.id = typed::string(scan, "id")?.into();
            Ok(())
        }
        "parameters" => parameters(scan, &mut request, &mut room),
        "inputs" if !inputs => {
            inputs = true;
            typed::need(scan, b'[', "inputs", "array")?;
            let mut room = Room::entries("inputs");
            scan.array(|scan| {
                room.take()?;
                request.inputs.push(input::read(scan, &mut blobs, budget)?);
                Ok(())
            })
        }
        "outputs" if !outputs => {
            outputs = true;
            typed::need(scan, b'[', "outputs", "array")?;
            let mut room = Room::entries("outputs");
            scan.array(|scan| {
                room.take()?;
                request.outputs.push(output(scan)?);
                Ok(())
            })
        }
        "inputs" | "outputs" => Err(scan.flaw("The same name stands twice in an object.")),
        _ => scan.skip(),
    })?;
    scan.end()?;
    if !inputs {
        return Err(typed::missing("inputs"));
    }
    blobs.end()?;
    Ok(request)
}

fn output(scan: &mut Scan<'_>) -> Result<Wanted, Fault> {
    let mut name = None;
    let mut room = Room::entries("parameters");
    let (mut binary, mut classification, mut told) = (None, 0, shared::Told::default());
    typed::need(scan, b'{', "outputs", "object")?;
    scan.object(|scan, key| match key {
        "name" => {
            name = Some(typed::string(scan, "name")?.into());
            Ok(())
        }
        "parameters" => {
            typed::need(scan, b'{', "parameters", "object")?;
            scan.object(|scan, key| {
                room.take()?;
                match key {
                    "binary_data" => binary = Some(typed::boolean(scan, "binary_data")?),
                    "classification" => {
                        let top = typed::unsigned(scan, "classification")?;
                        classification = u32::try_from(top).unwrap_or(u32::MAX);
                    }
                    _ => input::region(scan, key, &mut told)?,
                }
                Ok(())
            })
        }
        _ => scan.skip(),
    })?;
    let name: CompactString = name.ok_or_else(|| typed::missing("name"))?;
    let region = told.whole(&format_args!("output '{name}'"))?;
    if region.is_some() && (binary == Some(true) || classification > 0) {
        return Err(Fault::invalid(format!(
            "output '{name}' goes into shared memory as it is: take 'binary_data' and 'classification' out of its \
             parameters"
        )));
    }
    Ok(Wanted { name, binary, classification, region })
}

pub(super) fn parameters(
    scan: &mut Scan<'_>,
    request: &mut InferRequest,
    room: &mut Room,
) -> Result<(), Fault> {
    typed::need(scan, b'{', "parameters", "object")?;
    scan.object(|scan, key| {
        room.take()?;
        parameter(scan, key, request)
    })
}

pub(super) fn parameter(scan: &mut Scan<'_>, key: &str, request: &mut InferRequest) -> Result<(), Fault> {
    match key {
        "binary_data_output" => request.binary_output = typed::boolean(scan, key)?,
        "timeout" => {
            request.timeout_us = typed::unsigned_as(scan, key, "a whole number of microseconds")?;
        }
        "priority" => {
            let meaning = "a whole number from 1, the most important, and 0 is the model's default";
            let priority = typed::unsigned_as(scan, key, meaning)?;
            request.parameters.push((key.into(), Value::Uint(priority)));
        }
        Correlation::ID => {
            let id = typed::correlation_id(scan, key)?;
            request.parameters.push((key.into(), id));
        }
        Correlation::START | Correlation::END => {
            let flag = typed::boolean(scan, key)?;
            request.parameters.push((key.into(), Value::Bool(flag)));
        }
        _ if key.starts_with("triton_") => {
            return Err(Fault::invalid(
                "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified.",
            ));
        }
        _ => {
            let value = typed::value(scan, key)?;
            request.parameters.push((key.into(), value));
        }
    }
    Ok(())
}
