//! One input of a request: its tensor stands in the JSON or behind it.

use super::{
    elements::{self, Wish},
    scan::Scan,
    typed,
};
use crate::base::{
    datatype::Datatype,
    fault::Fault,
    inference::Input,
    tensor::{self, Shape, Tensor},
};
use crate::wire::{budget::Budget, limits::Room, shared};
use bytes::Bytes;
use compact_str::CompactString;

/// The bytes behind the JSON, given out in the order of the inputs.
pub(super) struct Blobs<'a> {
    pub(super) body: &'a Bytes,
    pub(super) at: usize,
    pub(super) model: &'a str,
}

impl Blobs<'_> {
    /// A view of the body; nothing is copied.
    fn take(&mut self, len: usize, input: &str) -> Result<Bytes, Fault> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.body.len()).ok_or_else(|| {
            let more = len.saturating_sub(self.body.len().saturating_sub(self.at));
            let model = self.model;
            Fault::invalid(format!(
                "unexpected size for input '{input}', expecting {more} additional bytes for model '{model}'"
            ))
        })?;
        let blob = self.body.slice(self.at..end);
        self.at = end;
        Ok(blob)
    }

    pub(super) fn end(&self) -> Result<(), Fault> {
        if self.at == self.body.len() {
            return Ok(());
        }
        Err(Fault::invalid(format!("unexpected additional input data for model '{}'", self.model)))
    }
}

pub(super) fn read(
    scan: &mut Scan<'_>,
    blobs: &mut Blobs<'_>,
    budget: &mut Budget<'_>,
) -> Result<Input, Fault> {
    let mut name: Option<CompactString> = None;
    let mut datatype: Option<CompactString> = None;
    let mut shape: Option<Shape> = None;
    // `data` may stand before what says how to read it: then the place is kept, and read at the end.
    let (mut data, mut later) = (None, None);
    let (mut blob_len, mut told) = (None, shared::Told::default());
    let mut room = Room::entries("parameters");
    typed::need(scan, b'{', "inputs", "object")?;
    scan.object(|scan, key| {
        // What came second could contradict what the data was read by.
        let twice = match key {
            "name" => name.is_some(),
            "datatype" => datatype.is_some(),
            "shape" => shape.is_some(),
            "data" => data.is_some() || later.is_some(),
            _ => false,
        };
        if twice {
            return Err(scan.flaw("The same name stands twice in an object."));
        }
        match key {
            "name" => name = Some(typed::string(scan, "name")?.into()),
            "datatype" => datatype = Some(typed::string(scan, "datatype")?.into()),
            "shape" => shape = Some(read_shape(scan)?),
            "data" => match (&name, &datatype, &shape) {
                (Some(name), Some(datatype), Some(shape)) => {
                    data = Some(elements::read(scan, &wish(name, datatype, shape, budget)?, budget)?);
                }
                _ => {
                    later = Some(*scan);
                    scan.skip()?;
                }
            },
            "parameters" => blob_len = parameters(scan, &mut room, &mut told)?,
            _ => scan.skip()?,
        }
        Ok(())
    })?;
    let name = name.ok_or_else(|| typed::missing("name"))?;
    let shape = shape.ok_or_else(|| typed::missing("shape"))?;
    let datatype = datatype.ok_or_else(|| typed::missing("datatype"))?;
    let region = told.whole(&format_args!("input '{name}'"))?;
    let sources = [
        (data.is_some() || later.is_some(), "'data'"),
        (blob_len.is_some(), "'binary_data_size'"),
        (region.is_some(), "'shared_memory_region'"),
    ];
    if sources.iter().filter(|(is_set, _)| *is_set).count() != 1 {
        return Err(one_source(&name, sources));
    }
    let data = match (blob_len, later) {
        (Some(len), _) => blobs.take(len, &name)?,
        (None, Some(mut place)) => {
            elements::read(&mut place, &wish(&name, &datatype, &shape, budget)?, budget)?.into()
        }
        (None, None) => data.unwrap_or_default().into(),
    };
    let datatype = known(&name, &datatype)?;
    Ok(Input { name, tensor: Tensor { datatype, shape, data }, region })
}

fn one_source(input: &str, sources: [(bool, &str); 3]) -> Fault {
    let set: Vec<_> = sources.iter().filter_map(|(is_set, name)| is_set.then_some(*name)).collect();
    let set =
        if set.is_empty() { "no field is set".to_owned() } else { format!("{} are set", set.join(" and ")) };
    Fault::invalid(format!(
        "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', \
         'shared_memory_region' in 'parameters'. But {set} for input '{input}'"
    ))
}

fn known(input: &str, datatype: &str) -> Result<Datatype, Fault> {
    Datatype::from_name(datatype).ok_or_else(|| {
        Fault::invalid(format!("invalid datatype for input {input}: '{datatype}' is none, 'FP32' is one"))
    })
}

fn wish<'a>(input: &'a str, datatype: &str, shape: &Shape, budget: &Budget<'_>) -> Result<Wish<'a>, Fault> {
    let datatype = known(input, datatype)?;
    let count = tensor::elements(shape);
    let count = count.ok_or_else(|| Fault::invalid(format!("the shape of input '{input}' is too large")))?;
    Ok(Wish { input, datatype, count, bare: false, limit: budget.left() })
}

fn read_shape(scan: &mut Scan<'_>) -> Result<Shape, Fault> {
    let mut shape = Shape::new();
    let mut room = Room::axes();
    typed::need(scan, b'[', "shape", "array")?;
    scan.array(|scan| {
        room.take()?;
        let size = match scan.peek() {
            Some(b'-' | b'0'..=b'9') => scan.number()?.to_u64().and_then(|size| i64::try_from(size).ok()),
            _ => None,
        };
        shape.push(size.ok_or_else(|| typed::mistyped("shape", "unsigned-integer"))?);
        Ok(())
    })?;
    Ok(shape)
}

/// How many bytes behind the JSON are this input's, if they are there.
fn parameters(scan: &mut Scan<'_>, room: &mut Room, told: &mut shared::Told) -> Result<Option<usize>, Fault> {
    let mut len = None;
    typed::need(scan, b'{', "parameters", "object")?;
    scan.object(|scan, key| {
        room.take()?;
        match key {
            "binary_data_size" => {
                let size = typed::unsigned(scan, "binary_data_size")?;
                len = Some(usize::try_from(size).map_err(|_| typed::mistyped(key, "unsigned-integer"))?);
            }
            _ => region(scan, key, told)?,
        }
        Ok(())
    })?;
    Ok(len)
}

/// A parameter of a tensor that may say where in shared memory it lies.
pub(super) fn region(scan: &mut Scan<'_>, key: &str, told: &mut shared::Told) -> Result<(), Fault> {
    match key {
        shared::REGION => told.region = Some(typed::string(scan, key)?.into()),
        shared::LEN => told.len = Some(typed::unsigned(scan, key)?),
        shared::OFFSET => told.offset = Some(typed::unsigned(scan, key)?),
        _ => scan.skip()?,
    }
    Ok(())
}
