//! What a client writes is what a model gets, and what a model returns is what a client reads.

use super::{
    reply::{self, Form},
    request::{self, InferRequest},
};
use crate::base::{
    call::Timing,
    contract::{Batching, Contract, TensorSpec},
    datatype::Datatype,
    fault::{Fault, Kind},
    inference::{Answer, Value},
    strings,
    tensor::Tensor,
    units::Version,
};
use crate::wire::budget::Budget;
use bytes::Bytes;
use proptest::prelude::*;
use smallvec::smallvec;
use std::sync::Arc;

/// At most `most` bytes of tensors.
fn within(most: usize, body: &Bytes, json_len: usize) -> Result<InferRequest, Fault> {
    request::read(body, json_len, "m", 8, &mut Budget::new(most, json_len, &mut |_| Ok(())))
}

pub(super) fn read(json: &str, blobs: &[u8]) -> Result<InferRequest, String> {
    let body = Bytes::from([json.as_bytes(), blobs].concat());
    within(1 << 20, &body, json.len()).map_err(|fault| fault.note.into_owned())
}

#[test]
fn a_whole_request_is_read() {
    let json = r#"{"id":"a1","later":{"x":[null,true]},"parameters":{"timeout":250,"binary_data_output":true,
        "priority":2,"n":-3,"big":18446744073709551615,"r":0.5,"s":"t","b":false},
        "inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[[1,2.5]]},
                  {"data":["a","b"],"datatype":"BYTES","shape":[2],"name":"s"},
                  {"name":"z","shape":[2],"datatype":"INT16","parameters":{"binary_data_size":4}}],
        "outputs":[{"name":"y","parameters":{"binary_data":true}},{"name":"w","parameters":{"classification":3}}]}"#;
    let request = read(json, &[1, 0, 2, 0]).unwrap();
    assert_eq!((request.id.as_str(), request.timeout_us, request.binary_output), ("a1", 250, true));
    let values: Vec<_> =
        request.parameters.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    let text = |text: &str| Value::Text(text.into());
    let want = [
        ("priority", Value::Uint(2)),
        ("n", Value::Int(-3)),
        ("big", Value::Uint(u64::MAX)),
        ("r", Value::Double(0.5)),
        ("s", text("t")),
        ("b", Value::Bool(false)),
    ];
    assert_eq!(values, want);
    let inputs: Vec<_> = request.inputs.iter().map(|input| (input.name.as_str(), &input.tensor)).collect();
    let data = [1_f32.to_le_bytes(), 2.5_f32.to_le_bytes()].concat();
    let tensor = |datatype, shape: &[i64], data: &[u8]| Tensor {
        datatype,
        shape: shape.into(),
        data: Bytes::copy_from_slice(data),
    };
    assert_eq!(inputs[0], ("x", &tensor(Datatype::Fp32, &[1, 2], &data)));
    assert_eq!(inputs[1], ("s", &tensor(Datatype::Bytes, &[2], b"\x01\0\0\0a\x01\0\0\0b")));
    assert_eq!(inputs[2], ("z", &tensor(Datatype::Int16, &[2], &[1, 0, 2, 0])));
    let outputs: Vec<_> =
        request.outputs.iter().map(|w| (w.name.as_str(), w.binary, w.classification)).collect();
    assert_eq!(outputs, [("y", Some(true), 0), ("w", None, 3)]);
}

#[test]
fn all_inputs_of_a_request_share_one_bound() {
    let data = format!(r#""data":[{}0]"#, "0,".repeat(11));
    let body = |count: usize, first: &str, last: &str| {
        let input = format!(r#"{{{first}"name":"x","shape":[12],"datatype":"INT64"{last}}}"#);
        Bytes::from(format!(r#"{{"inputs":[{}]}}"#, vec![input; count].join(",")))
    };
    let read = |body: &Bytes| within(200, body, body.len()).map(|_| ()).map_err(|fault| fault.kind);
    // The data may stand before what says how to read it.
    for (first, last) in [(format!("{data},"), String::new()), (String::new(), format!(",{data}"))] {
        assert_eq!(read(&body(2, &first, &last)), Ok(()));
        assert_eq!(read(&body(3, &first, &last)), Err(Kind::TooLarge));
    }
}

#[test]
fn each_mistake_is_told() {
    let x = |rest: &str| format!(r#"{{"inputs":[{{"name":"x","shape":[1],"datatype":"FP32"{rest}}}]}}"#);
    let deep = format!(r#"{{"z":{}1{}}}"#, "[".repeat(8), "]".repeat(8));
    let table: &[(&str, &[u8], &str)] = &[
        ("", b"", "failed to parse the request JSON buffer: The document is empty. at 0"),
        ("[1]", b"", "Unable to parse 'request': attempt to access JSON non-object as object"),
        ("{", b"", "failed to parse the request JSON buffer: Missing a name for object member. at 1"),
        ("{}", b"", "Unable to parse 'inputs': attempt to access non-existing object member 'inputs'"),
        (r#"{"inputs":3}"#, b"", "Unable to parse 'inputs': attempt to access JSON non-array as array"),
        (r#"{"inputs":[]} x"#, b"", "The document root must not be followed by other values. at 14"),
        (r#"{"inputs":[],"inputs":[]}"#, b"", "stands twice"),
        (r#"{"inputs":[],"id":7}"#, b"", "Unable to parse 'id': attempt to access JSON non-string as string"),
        (&deep, b"", "JSON nesting is deeper than allowed"),
        (r#"{"parameters":{"priority":-1},"inputs":[]}"#, b"", "non-unsigned-integer as unsigned-integer"),
        (r#"{"parameters":{"foo":null},"inputs":[]}"#, b"", "parameter 'foo' has invalid type. It should be"),
        (r#"{"parameters":{"triton_x":1},"inputs":[]}"#, b"", "are reserved for Triton usage"),
        (
            r#"{"inputs":[{"name":"x","shape":[-1],"datatype":"FP32","data":[1]}]}"#,
            b"",
            "Unable to parse 'shape'",
        ),
        (
            r#"{"inputs":[{"name":"x","shape":[1.0],"datatype":"FP32","data":[1]}]}"#,
            b"",
            "Unable to parse 'shape'",
        ),
        (
            r#"{"inputs":[{"name":"x","shape":[1],"datatype":"F","data":[1]}]}"#,
            b"",
            "invalid datatype for input x",
        ),
        (r#"{"inputs":[{"name":"x","datatype":"FP32","data":[1]}]}"#, b"", "object member 'shape'"),
        (&x(""), b"", "Input must set only one of the following fields"),
        (&x(r#","data":[1],"parameters":{"binary_data_size":4}"#), &[0; 4], "must set only one of"),
        (
            &x(r#","parameters":{"binary_data_size":4}"#),
            &[0; 5],
            "unexpected additional input data for model 'm'",
        ),
        (
            &x(r#","parameters":{"binary_data_size":4}"#),
            &[0; 3],
            "unexpected size for input 'x', expecting 1 additional bytes for model 'm'",
        ),
        (&x(r#","parameters":{"binary_data_size":18446744073709551615}"#), &[0; 3], "unexpected size"),
        (&x(r#","data":[1],"data":[1]"#), b"", "stands twice"),
        (&x(r#","data":[1],"datatype":"INT32""#), b"", "stands twice"),
        (&x(r#","data":[1],"shape":[5]"#), b"", "stands twice"),
        (&x(r#","data":[1],"name":"y""#), b"", "stands twice"),
        (&x(r#","data":[1,2]"#), b"", "Shape does not match true shape of 'data' field"),
        (&x(r#","data":1"#), b"", "Unable to parse 'data': attempt to access JSON non-array as array"),
    ];
    for (json, blobs, want) in table {
        let got = read(json, blobs).unwrap_err();
        assert!(got.contains(want), "{json}: {got}");
    }
    let body = Bytes::from_static(b"{\"id\":\"\xff\"}");
    let fault = within(1 << 20, &body, body.len()).unwrap_err();
    assert!(fault.note.contains("Invalid encoding in string. at 7"), "{fault}");
}

fn contract(outputs: &[(&str, Datatype)]) -> Arc<Contract> {
    let outputs = outputs.iter().map(|(name, datatype)| TensorSpec::new(*name, *datatype, [-1]));
    Arc::new(Contract {
        model: "m".into(),
        version: Version(3),
        platform: "python".into(),
        inputs: Vec::new(),
        outputs: outputs.collect(),
        batching: Batching { max_rows: 8, queue_rows: 8, ..Batching::default() },
        repeatable: false,
        lanes: 1,
        streams: false,
        unbatched: false,
        sequences: None,
        feedback: None,
    })
}

fn answer(outputs: &[(&str, Datatype, &[u8])]) -> Answer {
    let size = |datatype: Datatype, data: &[u8]| match datatype.size() {
        Some(size) => data.len() / size,
        None => strings::count(data).unwrap(),
    };
    let tensors = outputs.iter().enumerate().map(|(index, (_, datatype, data))| {
        let shape = smallvec![1, i64::try_from(size(*datatype, data)).unwrap()];
        (index, Tensor { datatype: *datatype, shape, data: Bytes::copy_from_slice(data) })
    });
    Answer {
        contract: contract(&outputs.iter().map(|(name, datatype, _)| (*name, *datatype)).collect::<Vec<_>>()),
        id: "".into(),
        outputs: tensors.collect(),
        parameters: Vec::new(),
        timing: Timing::default(),
        prediction: None,
    }
}

#[test]
fn a_reply_is_written_as_triton_does() {
    let mut answer = answer(&[
        ("y", Datatype::Fp32, &[1_f32.to_le_bytes(), 0.5_f32.to_le_bytes()].concat()),
        ("s", Datatype::Bytes, b"\x02\0\0\0\"\n"),
        ("b", Datatype::Bool, &[0, 7]),
        ("e", Datatype::Int32, b""),
    ]);
    answer.id = "a1".into();
    answer.parameters = vec![("k".into(), Value::Double(1.5))];
    let encoded = reply::write(&answer, |name| if name == "e" { Form::Binary } else { Form::Json }).unwrap();
    assert_eq!(
        String::from_utf8(encoded.json).unwrap(),
        concat!(
            r#"{"id":"a1","model_name":"m","model_version":"3","parameters":{"k":1.5},"outputs":["#,
            r#"{"name":"y","datatype":"FP32","shape":[1,2],"data":[1.0,0.5]},"#,
            r#"{"name":"s","datatype":"BYTES","shape":[1,1],"data":["\"\n"]},"#,
            r#"{"name":"b","datatype":"BOOL","shape":[1,2],"data":[false,true]},"#,
            r#"{"name":"e","datatype":"INT32","shape":[1,0],"parameters":{"binary_data_size":0}}]}"#
        )
    );
    assert!(encoded.binary);
}

#[test]
fn what_json_cannot_say_is_told() {
    for (datatype, data) in [
        (Datatype::Fp16, vec![0, 0]),
        (Datatype::Bf16, vec![0, 0]),
        (Datatype::Bytes, vec![1, 0, 0, 0, 0xff]),
    ] {
        let answer = answer(&[("y", datatype, &data)]);
        let note = reply::write(&answer, |_| Form::Json).unwrap_err().note;
        assert!(note.contains("Please use the binary data format"), "{note}");
        assert_eq!(reply::write(&answer, |_| Form::Binary).unwrap().blobs[0], data);
    }
}

/// Bytes of a tensor that JSON can say.
fn sayable() -> impl Strategy<Value = (Datatype, Vec<u8>)> {
    let kinds: Vec<_> =
        Datatype::ALL.iter().copied().filter(|d| !matches!(d, Datatype::Fp16 | Datatype::Bf16)).collect();
    (prop::sample::select(kinds), prop::collection::vec(any::<u64>(), 0..9), any::<Vec<String>>()).prop_map(
        |(datatype, words, texts)| {
            let mut data = Vec::new();
            let Some(size) = datatype.size() else {
                texts.iter().for_each(|text| strings::push(&mut data, text.as_bytes()).unwrap());
                return (datatype, data);
            };
            for word in &words {
                // All NaNs are one in JSON.
                let low: u32 = (word & u64::from(u32::MAX)).try_into().unwrap();
                let (float, double) = (f32::from_bits(low), f64::from_bits(*word));
                if datatype == Datatype::Bool {
                    data.push(u8::from(word & 1 == 1));
                } else if datatype == Datatype::Fp32 && float.is_nan() {
                    data.extend(f32::NAN.to_le_bytes());
                } else if datatype == Datatype::Fp64 && double.is_nan() {
                    data.extend(f64::NAN.to_le_bytes());
                } else {
                    data.extend(&word.to_le_bytes()[..size]);
                }
            }
            (datatype, data)
        },
    )
}

proptest! {
    #[test]
    fn every_datatype_comes_back_as_it_went((datatype, data) in sayable()) {
        let encoded = reply::write(&answer(&[("y", datatype, &data)]), |_| Form::Json).unwrap();
        // A reply's outputs are written as a request's inputs are.
        let json = String::from_utf8(encoded.json).unwrap().replacen("\"outputs\"", "\"inputs\"", 1);
        let request = read(&json, &[]).unwrap();
        prop_assert_eq!(&request.inputs[0].tensor.data, &data);
        prop_assert_eq!(request.inputs[0].tensor.datatype, datatype);
    }

    #[test]
    fn no_body_makes_the_reader_panic(body: Vec<u8>, cut: prop::sample::Index) {
        let cut = cut.index(body.len() + 1);
        let _ = within(1 << 20, &Bytes::from(body), cut);
    }

    #[test]
    fn no_mangled_request_makes_the_reader_panic(at: prop::sample::Index, with: String, drop in 0..9_usize) {
        let good = r#"{"id":"a","inputs":[{"name":"x","shape":[2],"datatype":"BYTES","data":["\u00e9",["b"]]}]}"#;
        let at = at.index(good.len());
        let mangled = format!("{}{}{}", &good[..at], with, good.get(at + drop..).unwrap_or_default());
        let ours = read(&mangled, &[]);
        if ours.is_ok() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&mangled).is_ok(), "{mangled}");
        }
    }

    #[test]
    fn texts_are_json_to_us_when_they_are_to_serde(text in "[\\[\\]{}\",:0-9a-f\\\\ue.+ -]{0,24}") {
        let body = format!("{{\"inputs\":[],\"z\":{text}}}");
        let ours = read(&body, &[]).is_ok();
        let keys = |value: &serde_json::Value| value.get("inputs").is_some_and(|v| v.as_array().is_some_and(Vec::is_empty));
        match serde_json::from_str::<serde_json::Value>(&body) {
            // Larger numbers than a double are refused there and passed over here.
            Err(error) if error.to_string().contains("out of range") => {}
            theirs => prop_assert_eq!(ours, theirs.is_ok_and(|value| keys(&value)), "{}", body),
        }
    }
}
