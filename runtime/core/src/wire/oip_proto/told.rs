//! `ModelInferResponse` of our own gateway, for a model that knows no contract of whom it asks: what it says of itself.
//! Contents become views of the message, or a copy where those would not be aligned.

use super::answered::{Output, fields, take_final};
use super::field::Fields;
use crate::base::{
    datatype::Datatype,
    fault::Fault,
    inference::Parameters,
    strings,
    tensor::{Tensor, byte_len, elements},
};
use bytes::{Bytes, BytesMut};
use compact_str::CompactString;

/// Outputs that one answer may have.
const MOST_OUTPUTS: usize = 4096;
/// Of every tensor, for whoever looks at its numbers.
const ALIGN: usize = 16;

/// An answer, or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub model: CompactString,
    pub version: CompactString,
    pub id: CompactString,
    pub parameters: Parameters,
    pub outputs: Vec<(CompactString, Tensor)>,
}

/// The answer of a unary call.
pub fn answer(message: &Bytes) -> Result<Told, Fault> {
    read(message, message).map(|(told, _)| told).map_err(named)
}

/// One message of a stream, which ends with the status of what went wrong; `None` for one that only says that all is said.
pub fn part(message: &Bytes) -> Result<Option<Told>, Fault> {
    let found = || {
        let mut response: &[u8] = &[];
        let mut fields = Fields(message);
        while let Some((number, value)) = fields.next()? {
            if number == 2 {
                response = value.bytes()?;
            }
        }
        let (told, is_final) = read(message, response)?;
        Ok((!is_final || !told.outputs.is_empty()).then_some(told))
    };
    found().map_err(named)
}

fn named(fault: Fault) -> Fault {
    Fault::internal(format!("the gateway's answer cannot be read: {}", fault.note))
}

/// `response`: all of `message`, or a part of it.
fn read(message: &Bytes, response: &[u8]) -> Result<(Told, bool), Fault> {
    let mut said = fields(response, MOST_OUTPUTS)?;
    let is_final = take_final(&mut said.entries);
    let parameters = said.parameters();
    let mut outputs = Vec::with_capacity(said.outputs.len());
    for (at, output) in said.outputs.iter().enumerate() {
        let raw = said.raw.get(at).copied().unwrap_or_default();
        outputs.push((output.name.into(), tensor(message, output, raw)?));
    }
    let (model, version, id) = (said.model.into(), said.version.into(), said.id.into());
    Ok((Told { model, version, id, parameters, outputs }, is_final))
}

fn tensor(message: &Bytes, output: &Output<'_>, raw: &[u8]) -> Result<Tensor, Fault> {
    let (name, shape) = (output.name, output.shape.clone());
    let unknown = || Fault::invalid(format!("output '{name}' has the datatype '{}'", output.datatype));
    let datatype = Datatype::from_name(output.datatype).ok_or_else(unknown)?;
    let fits = match datatype.size() {
        None => elements(&shape).is_some_and(|count| strings::count(raw).is_ok_and(|found| found == count)),
        Some(_) => byte_len(datatype, &shape) == Some(raw.len()),
    };
    if !fits {
        let len = raw.len();
        return Err(Fault::invalid(format!(
            "output '{name}' has {len} bytes, which its shape {shape:?} does not give"
        )));
    }
    let whole = datatype.size().is_none_or(|size| raw.as_ptr().align_offset(size) == 0);
    let data = if whole { message.slice_ref(raw) } else { aligned(raw) };
    Ok(Tensor { datatype, shape, data })
}

fn aligned(raw: &[u8]) -> Bytes {
    let mut room = BytesMut::zeroed(raw.len() + ALIGN);
    let start = room.as_ptr().align_offset(ALIGN).min(ALIGN);
    if let Some(place) = room.get_mut(start..start + raw.len()) {
        place.copy_from_slice(raw);
    }
    room.freeze().slice(start..start + raw.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::oip_proto::messages::{self as m, model_infer_response::InferOutputTensor};
    use prost::Message;

    fn response() -> m::ModelInferResponse {
        let output = |name: &str, datatype: &str, shape: &[i64]| InferOutputTensor {
            name: name.into(),
            datatype: datatype.into(),
            shape: shape.to_vec(),
            ..Default::default()
        };
        m::ModelInferResponse {
            model_name: "back".into(),
            model_version: "2".into(),
            id: "n".into(),
            outputs: vec![output("y", "FP64", &[2]), output("s", "BYTES", &[1])],
            raw_output_contents: vec![
                [1.5_f64, 2.5].map(f64::to_le_bytes).concat().into(),
                b"\x02\0\0\0hi".to_vec().into(),
            ],
            ..Default::default()
        }
    }

    #[test]
    fn an_answer_says_all_of_itself() {
        let told = answer(&response().encode_to_vec().into()).unwrap();
        assert_eq!((told.model.as_str(), told.version.as_str(), told.id.as_str()), ("back", "2", "n"));
        let [(y, doubles), (s, texts)] = &told.outputs[..] else { panic!("{told:?}") };
        assert_eq!((y.as_str(), s.as_str()), ("y", "s"));
        assert_eq!(doubles.data, [1.5_f64, 2.5].map(f64::to_le_bytes).concat());
        assert_eq!((&doubles.shape[..], &texts.data[..]), (&[2][..], &b"\x02\0\0\0hi"[..]));
    }

    #[test]
    fn numbers_are_aligned_wherever_they_came() {
        for before in 0..16 {
            let raw = vec![7; 64 + before];
            assert_eq!(aligned(&raw[before..]).as_ptr().align_offset(ALIGN), 0);
        }
    }

    #[test]
    fn what_does_not_hold_together_is_refused() {
        for change in [
            (|one: &mut m::ModelInferResponse| one.outputs[0].shape = vec![3])
                as fn(&mut m::ModelInferResponse),
            |one| one.outputs[0].datatype = "FP65".into(),
            |one| one.outputs[1].shape = vec![2],
            |one| one.raw_output_contents = Vec::new(),
        ] {
            let mut one = response();
            change(&mut one);
            assert!(answer(&one.encode_to_vec().into()).is_err(), "{one:?}");
        }
    }
}
