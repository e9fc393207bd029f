//! Calls as they should be.

use super::bench::{INFER, bench, infer, post, prefixed};
use crate::gateway::grpc::method::Question;
use crate::wire::oip_proto::health::HealthCheckResponse;
use crate::wire::oip_proto::messages as m;
use crate::wire::oip_proto::messages::{ModelInferResponse, infer_parameter::ParameterChoice};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use prost::Message;

#[tokio::test(start_paused = true)]
async fn an_inference_comes_back_with_its_version() {
    let mut bench = bench().await;
    for id in ["a", "b"] {
        let got = bench.call(post(INFER), infer(id, b"data")).await;
        assert_eq!((got.http.as_u16(), got.status()), (200, "0"));
        assert_eq!(got.head["content-type"], "application/grpc");
        assert_eq!(got.head["x-headrace-version"], "3");
        let prediction = URL_SAFE_NO_PAD.decode(&got.head["x-headrace-prediction-id"]).unwrap();
        let (said, _) = prediction[26..].split_at(9);
        assert_eq!(
            said,
            [b"m".as_slice(), &2_u32.to_le_bytes(), &116_f32.to_le_bytes()].concat(),
            "the t of data"
        );
        let answer: ModelInferResponse = got.messages().remove(0);
        assert_eq!((&*answer.model_name, &*answer.model_version, &*answer.id), ("m", "3", id));
        assert_eq!((&*answer.outputs[0].name, &answer.outputs[0].shape), ("y", &vec![1, 4]));
        assert_eq!(answer.raw_output_contents, [Bytes::from_static(b"data")]);
    }
}

/// Larger than every window and buffer on the way, in both directions.
#[tokio::test(start_paused = true)]
async fn a_large_tensor_goes_both_ways() {
    let mut bench = bench().await;
    let data: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    for _ in 0..2 {
        let got = bench.call(post(INFER), infer("", &data)).await;
        assert_eq!(got.status(), "0");
        assert!(got.messages::<ModelInferResponse>()[0].raw_output_contents[0] == data);
    }
}

#[tokio::test(start_paused = true)]
async fn answers_pass_each_other() {
    let mut bench = bench().await;
    bench.hold();
    let mut calls = Vec::new();
    for id in ["a", "b", "c"] {
        let (response, mut stream) = bench.open(post(INFER));
        stream.send_data(infer(id, b"x"), true).unwrap();
        calls.push(response);
        bench.held(calls.len()).await;
    }
    for at in [2, 1, 0] {
        bench.echo.answer(at);
        let got = super::bench::receive(calls.remove(at)).await.unwrap();
        assert_eq!(got.messages::<ModelInferResponse>()[0].id, ["a", "b", "c"][at]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_may_come_in_any_pieces() {
    let mut bench = bench().await;
    let body = infer("", &[7; 300]);
    for size in [1, 2, 3, 7, 100] {
        let (response, mut stream) = bench.open(post(INFER));
        for piece in body.chunks(size) {
            stream.send_data(Bytes::copy_from_slice(piece), false).unwrap();
            tokio::task::yield_now().await;
        }
        stream.send_data(Bytes::new(), true).unwrap();
        assert_eq!(super::bench::receive(response).await.unwrap().status(), "0", "pieces of {size}");
    }
}

/// No question fails for want of an answer; what is refused is refused on purpose.
#[tokio::test(start_paused = true)]
async fn every_question_is_answered() {
    let mut bench = bench().await;
    for (question, path) in Question::ALL {
        let asked = m::ModelReadyRequest { name: "m".into(), version: String::new() };
        let named = matches!(
            question,
            Question::ModelReady
                | Question::ModelMetadata
                | Question::ModelConfig
                | Question::ModelStatistics
        );
        let body = if named { asked.encode_to_vec() } else { Vec::new() };
        let got = bench.call(post(path), prefixed(&body)).await;
        let refused = match question {
            Question::RepositoryModelLoad | Question::RepositoryModelUnload => Some("14"),
            Question::SystemSharedMemoryRegister | Question::CudaSharedMemoryRegister => Some("12"),
            Question::ServerLive | Question::ServerReady | Question::ModelReady => {
                assert_eq!(got.body[5..], [8, 1], "{question:?}");
                None
            }
            Question::HealthCheck => {
                assert_eq!(got.messages::<HealthCheckResponse>()[0].status, 1);
                None
            }
            Question::ServerMetadata
            | Question::ModelMetadata
            | Question::ModelConfig
            | Question::ModelStatistics
            | Question::RepositoryIndex
            | Question::SystemSharedMemoryStatus
            | Question::SystemSharedMemoryUnregister
            | Question::CudaSharedMemoryStatus
            | Question::CudaSharedMemoryUnregister => None,
        };
        assert_eq!(got.status(), refused.unwrap_or("0"), "{question:?}");
        assert!(refused != Some("14") || got.note().starts_with("explicit model load / unload is not"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_is_described_with_its_batch_axis_and_its_queue() {
    let mut bench = bench().await;
    let asked = prefixed(&m::ModelConfigRequest { name: "m".into(), version: "3".into() }.encode_to_vec());
    let got = bench.call(post("/inference.GRPCInferenceService/ModelMetadata"), asked.clone()).await;
    let got: m::ModelMetadataResponse = got.messages().remove(0);
    assert_eq!((got.versions, got.inputs[0].shape.clone()), (vec!["3".to_owned()], vec![-1, -1]));
    let got = bench.call(post("/inference.GRPCInferenceService/ModelConfig"), asked).await;
    let config = got.messages::<m::ModelConfigResponse>().remove(0).config.unwrap();
    assert_eq!((config.max_batch_size, config.input[0].data_type), (8, 2));
    assert_eq!(config.dynamic_batching.unwrap().max_queue_delay_microseconds, 2500);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_model_is_not_ready() {
    let mut bench = bench().await;
    let asked = m::ModelReadyRequest { name: "nobody".into(), version: String::new() };
    let path = "/inference.GRPCInferenceService/ModelReady";
    let got = bench.call(post(path), prefixed(&asked.encode_to_vec())).await;
    assert_eq!((got.status(), got.body.len()), ("0", 5));
}

#[tokio::test(start_paused = true)]
async fn counts_are_true_and_parameters_come_back() {
    let mut bench = bench().await;
    let text =
        |text: &str| m::InferParameter { parameter_choice: Some(ParameterChoice::StringParam(text.into())) };
    let mut request = m::ModelInferRequest::decode(&infer("", b"x")[5..]).unwrap();
    request.parameters.insert("colour".into(), text("blue"));
    for _ in 0..5 {
        let got = bench.call(post(INFER), prefixed(&request.encode_to_vec())).await;
        assert_eq!(got.messages::<ModelInferResponse>()[0].parameters["colour"], text("blue"));
    }
    let asked = m::ModelStatisticsRequest { name: "m".into(), version: String::new() };
    let path = "/inference.GRPCInferenceService/ModelStatistics";
    let got = bench.call(post(path), prefixed(&asked.encode_to_vec())).await;
    let row = got.messages::<m::ModelStatisticsResponse>().remove(0).model_stats.remove(0);
    assert_eq!((row.version.as_str(), row.inference_stats.unwrap().success.unwrap().count), ("3", 5));
}
