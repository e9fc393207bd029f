//! Requests that are understood and cannot be served.

use super::bench::{INFER, bench, infer, post, prefixed};
use crate::wire::oip_proto::messages::{
    InferParameter, ModelInferRequest, infer_parameter::ParameterChoice,
    model_infer_request::InferRequestedOutputTensor,
};
use prost::Message;

fn int(number: i64) -> InferParameter {
    InferParameter { parameter_choice: Some(ParameterChoice::Int64Param(number)) }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_offered_is_refused_by_name() {
    let mut bench = bench().await;
    let plain = ModelInferRequest::decode(&infer("", b"x")[5..]).unwrap();
    let mut top = plain.clone();
    let parameters = [("classification".to_owned(), int(2))].into();
    top.outputs = vec![InferRequestedOutputTensor { name: "y".into(), parameters }];
    let (mut input, mut output) = (plain.clone(), plain.clone());
    let region = || {
        let region = InferParameter { parameter_choice: Some(ParameterChoice::StringParam("r".into())) };
        [("shared_memory_region".to_owned(), region), ("shared_memory_byte_size".to_owned(), int(1))].into()
    };
    input.inputs[0].parameters = region();
    output.outputs = vec![InferRequestedOutputTensor { name: "y".into(), parameters: region() }];
    let cases = [
        (top, "classification of output 'y' is not offered"),
        (input, "shared memory regions of clients are not switched on"),
        (output, "shared memory regions of clients are not switched on"),
    ];
    for (request, note) in cases {
        let got = bench.call(post(INFER), prefixed(&request.encode_to_vec())).await;
        assert_eq!(got.status(), "12", "{note}");
        assert!(got.note().contains(note), "{} for {note}", got.note());
    }
}
