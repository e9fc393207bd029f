//! What a request says, read by serde_json a second time: slowly, and in the document's order.

use crate::base::{
    datatype::Datatype,
    inference::{Parameters, Value},
    strings, tensor,
};
use crate::wire::json::request::InferRequest;
use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;
use std::fmt;

/// An object's members as they come: a name may stand twice.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Members<'a>, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Members<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Visitor)
    }
}

fn read<'a, T: Deserialize<'a>>(raw: &'a str) -> T {
    serde_json::from_str(raw).unwrap_or_else(|error| panic!("we took {raw:?}, serde_json does not: {error}"))
}

fn members(raw: &RawValue) -> Vec<(String, &RawValue)> {
    read::<Members<'_>>(raw.get()).0
}

fn items(raw: &RawValue) -> Vec<&RawValue> {
    read(raw.get())
}

fn value(raw: &str) -> Value {
    match raw.as_bytes()[0] {
        b'"' => Value::Text(read(raw)),
        b't' | b'f' => Value::Bool(read(raw)),
        _ if raw.contains(['.', 'e', 'E']) => Value::Double(raw.parse().unwrap()),
        _ => raw.parse().map_or_else(|_| Value::Uint(raw.parse().unwrap()), Value::Int),
    }
}

/// Appends the elements of an array of arrays.
fn elements(raw: &RawValue, datatype: Datatype, out: &mut Vec<u8>) {
    let text = raw.get();
    if text.starts_with('[') {
        return items(raw).into_iter().for_each(|item| elements(item, datatype, out));
    }
    let whole = || text.parse::<i128>().unwrap();
    match datatype {
        Datatype::Bool => out.push(u8::from(read::<bool>(text))),
        Datatype::Bytes => strings::push(out, read::<String>(text).as_bytes()).unwrap(),
        Datatype::Fp32 => out.extend(text.trim_matches('"').parse::<f32>().unwrap().to_le_bytes()),
        Datatype::Fp64 => out.extend(text.trim_matches('"').parse::<f64>().unwrap().to_le_bytes()),
        Datatype::Uint8 => out.extend(u8::try_from(whole()).unwrap().to_le_bytes()),
        Datatype::Uint16 => out.extend(u16::try_from(whole()).unwrap().to_le_bytes()),
        Datatype::Uint32 => out.extend(u32::try_from(whole()).unwrap().to_le_bytes()),
        Datatype::Uint64 => out.extend(u64::try_from(whole()).unwrap().to_le_bytes()),
        Datatype::Int8 => out.extend(i8::try_from(whole()).unwrap().to_le_bytes()),
        Datatype::Int16 => out.extend(i16::try_from(whole()).unwrap().to_le_bytes()),
        Datatype::Int32 => out.extend(i32::try_from(whole()).unwrap().to_le_bytes()),
        Datatype::Int64 => out.extend(i64::try_from(whole()).unwrap().to_le_bytes()),
        Datatype::Fp16 | Datatype::Bf16 => panic!("{datatype:?} has no form in JSON"),
    }
}

/// Name, datatype, shape and bytes of an input; `blobs` is what the inputs before left of the body's end.
fn input(raw: &RawValue, blobs: &mut &[u8]) -> (String, Datatype, Vec<i64>, Vec<u8>) {
    let members = members(raw);
    let last = |name: &str| members.iter().rfind(|(key, _)| key == name).map(|(_, raw)| *raw);
    let datatype = Datatype::from_name(&read::<String>(last("datatype").unwrap().get())).unwrap();
    let size = |raw: &RawValue| i64::try_from(unsigned(raw)).unwrap();
    let shape: Vec<i64> = items(last("shape").unwrap()).into_iter().map(size).collect();
    let mut data = Vec::new();
    if let Some(written) = last("data") {
        elements(written, datatype, &mut data);
        let count = if datatype == Datatype::Bytes {
            strings::count(&data).ok()
        } else {
            Some(data.len() / datatype.size().unwrap())
        };
        assert_eq!(count, tensor::elements(&shape), "elements of {shape:?}");
    } else {
        let parameters = self::members(last("parameters").unwrap());
        let len = parameters.iter().rfind(|(key, _)| key == "binary_data_size").unwrap().1;
        let (blob, rest) = blobs.split_at(usize::try_from(unsigned(len)).unwrap());
        data.extend(blob);
        *blobs = rest;
    }
    (read(last("name").unwrap().get()), datatype, shape, data)
}

/// What a request says.
#[derive(Debug, Default, PartialEq)]
struct Said {
    id: String,
    binary_output: bool,
    timeout_us: u64,
    parameters: Parameters,
    inputs: Vec<(String, Datatype, Vec<i64>, Vec<u8>)>,
    outputs: Vec<(String, Option<bool>, u32)>,
}

/// Words for floats that are no number become strings: serde_json knows none of them.
fn quoted(json: &str) -> String {
    let (mut out, mut rest, mut is_text) = (String::new(), json, false);
    while let Some(letter) = rest.chars().next() {
        let words = ["-Infinity", "-NaN", "-Inf", "Infinity", "NaN", "Inf"];
        let word = words.into_iter().find(|word| !is_text && rest.starts_with(word));
        let len = match (word, letter) {
            (Some(word), _) => {
                out.extend(["\"", word, "\""]);
                word.len()
            }
            (None, '\\') if is_text => {
                let len = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                out.push_str(&rest[..len]);
                len
            }
            (None, _) => {
                is_text ^= letter == '"';
                out.push(letter);
                letter.len_utf8()
            }
        };
        rest = &rest[len..];
    }
    out
}

fn said(json: &str, mut blobs: &[u8]) -> Said {
    let mut said = Said::default();
    let json = &quoted(json);
    for (key, raw) in members(read(json)) {
        match key.as_str() {
            "id" => said.id = read(raw.get()),
            "inputs" => said.inputs = items(raw).into_iter().map(|item| input(item, &mut blobs)).collect(),
            "outputs" => said.outputs = items(raw).into_iter().map(output).collect(),
            "parameters" => {
                for (key, raw) in members(raw) {
                    match key.as_str() {
                        "binary_data_output" => said.binary_output = read(raw.get()),
                        "timeout" => said.timeout_us = unsigned(raw),
                        "priority" => said.parameters.push((key.into(), Value::Uint(unsigned(raw)))),
                        _ => said.parameters.push((key.into(), value(raw.get()))),
                    }
                }
            }
            _ => {}
        }
    }
    assert!(blobs.is_empty(), "{} bytes belong to no input", blobs.len());
    said
}

/// "-0" is one.
fn unsigned(raw: &RawValue) -> u64 {
    u64::try_from(raw.get().parse::<i128>().unwrap()).unwrap()
}

fn output(raw: &RawValue) -> (String, Option<bool>, u32) {
    let mut said = (String::new(), None, 0);
    for (key, raw) in members(raw) {
        match key.as_str() {
            "name" => said.0 = read(raw.get()),
            "parameters" => {
                for (key, raw) in members(raw) {
                    match key.as_str() {
                        "binary_data" => said.1 = Some(read(raw.get())),
                        "classification" => said.2 = u32::try_from(unsigned(raw)).unwrap_or(u32::MAX),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    said
}

/// A member of an object, as it is written there.
pub(super) fn member(json: &str, name: &str) -> Option<String> {
    let json = &quoted(json);
    members(read(json)).into_iter().rfind(|(key, _)| key == name).map(|(_, raw)| raw.get().to_owned())
}

/// Panics where the two readings differ.
pub(super) fn agree(ours: &InferRequest, json: &str, blobs: &[u8]) {
    let inputs = ours.inputs.iter().map(|input| {
        let tensor = &input.tensor;
        (input.name.to_string(), tensor.datatype, tensor.shape.to_vec(), tensor.data.to_vec())
    });
    let outputs = ours.outputs.iter().map(|it| (it.name.to_string(), it.binary, it.classification));
    let ours = Said {
        id: ours.id.to_string(),
        binary_output: ours.binary_output,
        timeout_us: ours.timeout_us,
        parameters: ours.parameters.clone(),
        inputs: inputs.collect(),
        outputs: outputs.collect(),
    };
    assert_eq!(ours, said(json, blobs));
}
