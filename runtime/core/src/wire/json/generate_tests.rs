use super::*;
use crate::base::{
    call::Timing,
    inference::{Answer, Value},
};
use crate::wire::json::flat;
use std::sync::Arc;

fn contract() -> Contract {
    let input = |name: &str, datatype: &str, shape: &[i64]| serde_json::json!({"name": name, "datatype": datatype, "shape": shape});
    let inputs = [
        input("prompt", "INT64", &[-1]),
        input("text", "BYTES", &[1]),
        input("grid", "FP32", &[2, -1]),
        input("free", "UINT8", &[-1, -1]),
    ];
    let contract = serde_json::json!({"model": "m", "version": 3, "platform": "python", "inputs": inputs,
        "outputs": inputs, "batching": {"max_rows": 8}});
    serde_json::from_value(contract).unwrap()
}

fn read(json: &str) -> Result<InferRequest, String> {
    let body = Bytes::copy_from_slice(json.as_bytes());
    let mut leave = |_| Ok(());
    let mut budget = Budget::new(100, body.len(), &mut leave);
    super::read(&body, &contract(), 5, &mut budget).map_err(|fault| fault.note.into_owned())
}

#[test]
fn inputs_stand_under_their_names_and_all_else_is_a_parameter() {
    let request = read(
        r#"{"id":"7","prompt":[[1,2,3]],"text":"ü","grid":[[1,2,3],[4,5,6]],"stream":true,"top":0.5,
            "parameters":{"timeout":9,"n":1}}"#,
    )
    .unwrap();
    assert_eq!((request.id.as_str(), request.timeout_us), ("7", 9));
    let parameters: Vec<_> =
        request.parameters.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    let want = [("stream", Value::Bool(true)), ("top", Value::Double(0.5)), ("n", Value::Int(1))];
    assert_eq!(parameters, want);
    let inputs: Vec<_> = request
        .inputs
        .iter()
        .map(|input| (input.name.as_str(), input.tensor.shape.to_vec(), input.tensor.data.len()))
        .collect();
    let want = [("prompt", vec![1, 3], 24), ("text", vec![1, 1], 6), ("grid", vec![1, 2, 3], 24)];
    assert_eq!(inputs, want);
}

#[test]
fn one_element_needs_no_brackets_and_none_is_a_size_too() {
    let shape = |json: &str| read(json).map(|request| request.inputs[0].tensor.shape.to_vec());
    assert_eq!(shape(r#"{"prompt":5}"#), Ok(vec![1, 1]));
    assert_eq!(shape(r#"{"prompt":[[5]]}"#), Ok(vec![1, 1]));
    assert_eq!(shape(r#"{"prompt":[]}"#), Ok(vec![1, 0]));
    assert_eq!(shape(r#"{"grid":[]}"#), Ok(vec![1, 2, 0]));
    assert_eq!(shape(r#"{"grid":[[],[]]}"#), Ok(vec![1, 2, 0]));
    assert_eq!(shape(r#"{"grid":[NaN,-Infinity,-1,Inf]}"#), Ok(vec![1, 2, 2]));
    assert!(shape(r#"{"grid":[NaN,-x]}"#).is_err());
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let cases = [
        ("", "The document is empty"),
        ("[]", "non-object"),
        (r#"{"prompt":[1,2}"#, "Missing a comma or ]"),
        (r#"{"prompt":1.5}"#, "1.5 is no INT64, which input 'prompt' holds"),
        (r#"{"prompt":{}}"#, "{} is no INT64"),
        (r#"{"prompt":null}"#, "null is no INT64"),
        (r#"{"prompt":1,"prompt":2}"#, "twice"),
        (r#"{"text":["a","b"]}"#, "input 'text' has 2 elements"),
        (r#"{"text":[]}"#, "input 'text' has 0 elements"),
        (r#"{"grid":[1,2,3]}"#, "input 'grid' has 3 elements"),
        (r#"{"free":[1]}"#, "2 sizes that are free"),
        (
            r#"{"promt":[1]}"#,
            "'promt' is no input of model 'm', which has 'prompt', 'text', 'grid', 'free'; and a parameter is a number",
        ),
        (r#"{"promt":[1,}"#, "failed to parse"),
        (r#"{"prompt":NaN}"#, "NaN is no INT64, which input 'prompt' holds"),
        (r#"{"prompt":[1,Infinity]}"#, "Infinity is no INT64"),
        (r#"{"prompt":[2.5,1]}"#, "2.5 is no INT64"),
        (r#"{"prompt":true}"#, "true is no INT64"),
        (r#"{"prompt":[1,[2,3]]}"#, "the lists in input 'prompt' are of different sizes or depths"),
        (r#"{"grid":[[1,2,3],[4,5],[6]]}"#, "the lists in input 'grid' are of different sizes"),
        (r#"{"grid":[[],[1]]}"#, "the lists in input 'grid' are of different sizes"),
        (r#"{"grid":[[[1]],[[1],[1]]]}"#, "the lists in input 'grid' are of different sizes"),
        (
            r#"{"timeout":"5"}"#,
            "non-unsigned-integer as unsigned-integer: timeout is a whole number of microseconds",
        ),
        (r#"{"timeout":1.5}"#, "timeout is a whole number of microseconds"),
        (r#"{"timeout":nul}"#, "failed to parse"),
        (r#"{"priority":"high"}"#, "priority is a whole number from 1, the most important"),
        (r#"{"triton_x":1}"#, "reserved"),
        (r#"{"sequence_id":-7}"#, "'sequence_id': attempt to access JSON non-string as string"),
        (r#"{"sequence_start":1}"#, "'sequence_start': attempt to access JSON non-boolean as boolean"),
        (r#"{"sequence_end":"x"}"#, "'sequence_end': attempt to access JSON non-boolean as boolean"),
        (r#"{"id":7}"#, "'id'"),
        (r#"{"prompt":[1,2,3,4,5,6,7,8,9,0,1,2,3]}"#, "exceeds the 100 bytes"),
        (r#"{"prompt":[[[[[1]]]]]}"#, "deeper"),
        (r#"{"prompt":1} x"#, "must not be followed"),
    ];
    for (json, want) in cases {
        let note = read(json).unwrap_err();
        assert!(note.contains(want), "{json}: {note}");
    }
}

#[test]
fn outputs_come_back_as_inputs_went() {
    let json = r#"{"id":"7","prompt":[1,2,3],"text":"ü","grid":[1.0,2.5]}"#;
    let request = read(json).unwrap();
    let answer = Answer {
        contract: Arc::new(contract()),
        id: request.id,
        outputs: request.inputs.into_iter().map(|input| input.tensor).enumerate().collect(),
        parameters: Vec::new(),
        timing: Timing::default(),
        prediction: None,
    };
    let mut out = Vec::new();
    flat::write(&mut out, &answer).unwrap();
    let want =
        r#"{"id":"7","model_name":"m","model_version":"3","prompt":[1,2,3],"text":"ü","grid":[1.0,2.5]}"#;
    assert_eq!(String::from_utf8(out).unwrap(), want);
}
