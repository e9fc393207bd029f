//! The body of another server's answer → what its model made. Tensors behind the JSON become views of the body; those in
//! it are written out.

use super::{
    input::{self, Blobs},
    scan::Scan,
    typed,
};
use crate::base::{
    call::{Produced, Tensors},
    contract::Contract,
    fault::Fault,
    inference::{Input, Parameters},
    units::Rows,
};
use crate::wire::{
    budget::Budget,
    fit::{self, wrong},
    limits::Room,
};
use bytes::Bytes;
use smallvec::SmallVec;

/// Deep enough for what servers say of themselves in parameters.
const DEPTH: usize = 32;

/// Reads the answer to a request of so many rows. `json_len`: where the JSON ends and the bytes begin.
pub fn answered(body: &Bytes, json_len: usize, contract: &Contract, rows: Rows) -> Result<Produced, Fault> {
    read(body, json_len, contract, rows).map_err(|fault| {
        // Its readers are those of requests.
        wrong(format_args!("{}", fault.note.replace("the request JSON buffer", "its JSON")))
    })
}

fn read(body: &Bytes, json_len: usize, contract: &Contract, rows: Rows) -> Result<Produced, Fault> {
    let text = body.get(..json_len).ok_or_else(|| Fault::invalid("its JSON is longer than its body"))?;
    let mut scan = Scan::new(text, DEPTH)?;
    let mut blobs = Blobs { body, at: json_len, model: &contract.model };
    let mut found: SmallVec<[Input; 2]> = SmallVec::new();
    let mut parameters = Parameters::new();
    let mut room = Room::entries("parameters");
    let most = contract.outputs.len();
    // The shortest text of an element is two bytes, and the longest element has eight.
    let mut allowed = |_: usize| Ok(());
    let mut budget = Budget::new(json_len.saturating_mul(4), json_len, &mut allowed);
    typed::need(&mut scan, b'{', "response", "object")?;
    scan.object(|scan, key| match key {
        "outputs" if found.is_empty() => {
            typed::need(scan, b'[', "outputs", "array")?;
            scan.array(|scan| {
                if found.len() == most {
                    return Err(Fault::invalid(format!(
                        "it has more than the {most} outputs of its metadata"
                    )));
                }
                found.push(input::read(scan, &mut blobs, &mut budget)?);
                Ok(())
            })
        }
        "parameters" if scan.peek() == Some(b'{') => scan.object(|scan, key| {
            room.take()?;
            match scan.peek() {
                // What has no place in an answer of ours, as the details that servers of Python add.
                Some(b'{' | b'[' | b'n') => scan.skip()?,
                _ => parameters.push((key.into(), typed::value(scan, key)?)),
            }
            Ok(())
        }),
        _ => scan.skip(),
    })?;
    scan.end()?;
    blobs.end()?;
    let mut outputs = Tensors::new();
    for spec in &contract.outputs {
        let at = found.iter().position(|output| output.name == spec.name);
        let output = at.map(|at| found.swap_remove(at));
        let output = output.ok_or_else(|| Fault::invalid(format!("output '{}' is missing", spec.name)))?;
        if output.region.is_some() {
            return Err(Fault::invalid(format!("output '{}' is in shared memory", spec.name)));
        }
        let mut tensor = output.tensor;
        tensor.shape = fit::shape(tensor.datatype.name(), &tensor.shape, spec, contract, rows)?;
        outputs.push(fit::whole(&spec.name, tensor)?);
    }
    Ok(Produced { outputs, parameters })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{
        contract::{Batching, TensorSpec},
        datatype::Datatype,
        inference::Value,
        tensor::Tensor,
        units::Version,
    };
    use crate::wire::asking::Asking;
    use crate::wire::json::request;
    use proptest::prelude::*;

    fn specs() -> Vec<TensorSpec> {
        vec![TensorSpec::new("a", Datatype::Fp32, [2]), TensorSpec::new("b", Datatype::Bytes, [-1])]
    }

    fn contract(unbatched: bool) -> Contract {
        Contract {
            model: "m".into(),
            version: Version(1),
            platform: "test".into(),
            inputs: specs(),
            outputs: specs(),
            batching: Batching { max_rows: 8, ..Batching::default() },
            repeatable: false,
            lanes: 1,
            streams: false,
            unbatched,
            sequences: None,
            feedback: None,
        }
    }

    fn tensors() -> [Tensor; 2] {
        let floats = [1.5_f32, -2.0, 0.0, f32::INFINITY].map(f32::to_le_bytes).concat();
        [
            Tensor { datatype: Datatype::Fp32, shape: [2, 2].as_slice().into(), data: floats.into() },
            Tensor {
                datatype: Datatype::Bytes,
                shape: [2, 1].as_slice().into(),
                data: Bytes::from_static(b"\x01\0\0\0x\0\0\0\0"),
            },
        ]
    }

    #[test]
    fn what_is_asked_is_what_a_server_reads_and_an_answer_alike_is_read_back() {
        let (inputs, tensors) = (specs(), tensors());
        let parameters = vec![("user".into(), Value::Text("ada".into())), ("n".into(), Value::Int(-3))];
        for binary in [false, true] {
            let asking = Asking {
                model: "m",
                version: "",
                id: "",
                outputs: &[],
                inputs: &inputs,
                tensors: &tensors,
                unbatched: false,
                parameters: &parameters,
                in_parts: false,
            };
            let written = asking.write_json(binary).unwrap();
            let json_len = written.json.len();
            assert!(written.blobs.iter().zip(&tensors).all(|(blob, one)| blob.as_ptr() == one.data.as_ptr()));
            let body: Bytes = [written.json, written.blobs.concat()].concat().into();
            let mut allowed = |_: usize| Ok(());
            let mut budget = Budget::new(1 << 20, body.len(), &mut allowed);
            let read = request::read(&body, json_len, "m", 8, &mut budget).unwrap();
            assert_eq!(read.parameters, parameters);
            assert_eq!(read.binary_output, binary);
            let sent: Vec<_> = read.inputs.iter().map(|input| &input.tensor).collect();
            assert_eq!(sent, tensors.iter().collect::<Vec<_>>());
            // Outputs are written as inputs are.
            let text = std::str::from_utf8(&body[..json_len]).unwrap().replace("\"inputs\"", "\"outputs\"");
            let answer: Bytes = [text.as_bytes(), &body[json_len..]].concat().into();
            let produced = answered(&answer, text.len(), &contract(false), Rows::new(2)).unwrap();
            assert_eq!(produced.outputs.as_slice(), tensors);
        }
    }

    #[test]
    fn what_servers_of_python_add_is_passed_over() {
        let text = r#"{"model_name":"m","id":"1","parameters":{"cached":true,"headers":null,"x":{"y":[1]}},
            "outputs":[{"name":"b","shape":[1],"datatype":"BYTES","parameters":{"content_type":"str"},"data":["xy"]},
                       {"name":"a","shape":[2],"datatype":"FP32","data":[1, 2.5]}]}"#;
        let produced =
            answered(&Bytes::from_static(text.as_bytes()), text.len(), &contract(true), Rows::new(1));
        let produced = produced.unwrap();
        assert_eq!(produced.parameters, [("cached".into(), Value::Bool(true))]);
        assert_eq!(produced.outputs[0].shape.as_slice(), [1, 2]);
        assert_eq!(produced.outputs[1].data.as_ref(), b"\x02\0\0\0xy");
    }

    #[test]
    fn what_does_not_hold_together_is_the_servers_doing() {
        let a = r#"{"name":"a","shape":[1,2],"datatype":"FP32","data":[1,2]}"#;
        let b = r#"{"name":"b","shape":[1,1],"datatype":"BYTES","data":["x"]}"#;
        let cases = [
            (String::new(), "failed to parse its JSON"),
            ("{".into(), "at 1"),
            (format!(r#"{{"outputs":[{a}]}}"#), "output 'b' is missing"),
            (format!(r#"{{"outputs":[{a},{b},{b}]}}"#), "more than the 2 outputs"),
            (format!(r#"{{"outputs":[{a},{b}]}}{{"#), "must not be followed"),
            (format!(r#"{{"outputs":[{},{b}]}}"#, a.replace("FP32", "FP64")), "is FP64"),
            (format!(r#"{{"outputs":[{},{b}]}}"#, a.replace("[1,2]}", "[1]}")), "asks for 2 elements"),
            (
                format!(r#"{{"outputs":[{},{b}]}}"#, a.replace("[1,2],\"d", "[2,1],\"d")),
                "has the shape [2, 1]",
            ),
            (
                format!(
                    r#"{{"outputs":[{},{b}]}}"#,
                    a.replace(r#""data":[1,2]"#, r#""parameters":{"binary_data_size":8}"#)
                ),
                "expecting 8 additional bytes",
            ),
        ];
        for (text, why) in cases {
            let len = text.len();
            let fault = answered(&text.into(), len, &contract(false), Rows::new(1)).unwrap_err();
            assert!(fault.note.contains(why) && fault.kind == crate::base::fault::Kind::Internal, "{fault}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, at in 0_usize..300, byte: u8, json_len in 0_usize..300) {
            let text = concat!(
                r#"{"parameters":{"a":1},"outputs":[{"name":"a","shape":[1,2],"datatype":"FP32","data":[1,2]},"#,
                r#"{"name":"b","shape":[1,1],"datatype":"BYTES","parameters":{"binary_data_size":5}}]}"#
            );
            let mut changed = [text.as_bytes(), b"\x01\0\0\0x"].concat();
            let at = at % changed.len();
            changed[at] = byte;
            for (body, json_len) in [(bytes, json_len), (changed, text.len())] {
                if let Ok(produced) = answered(&body.into(), json_len, &contract(false), Rows::new(1)) {
                    prop_assert_eq!(produced.outputs.len(), 2);
                }
            }
        }
    }
}
