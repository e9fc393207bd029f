//! `ModelStreamInfer`.

use super::bench::{Got, STREAM, bench, infer, post, prefixed, receive};
use crate::wire::oip_proto::messages::infer_parameter::ParameterChoice;
use crate::wire::oip_proto::messages::{ModelInferRequest, ModelStreamInferResponse};
use bytes::Bytes;
use prost::Message;

fn unknown(id: &str) -> Bytes {
    let request = ModelInferRequest { model_name: "nobody".into(), id: id.into(), ..Default::default() };
    prefixed(&request.encode_to_vec())
}

/// Ids, and whether each brought an answer; every message is the last of its request.
fn outcomes(got: &Got) -> Vec<(String, bool)> {
    let messages = got.messages::<ModelStreamInferResponse>().into_iter().map(|message| {
        let response = message.infer_response.unwrap();
        let last = response.parameters["triton_final_response"].parameter_choice.clone();
        assert_eq!(last, Some(ParameterChoice::BoolParam(true)));
        assert_eq!(message.error_message.is_empty(), !response.outputs.is_empty());
        (response.id, message.error_message.is_empty())
    });
    messages.collect()
}

#[tokio::test(start_paused = true)]
async fn answers_keep_the_order_of_the_requests() {
    let mut bench = bench().await;
    bench.hold();
    let (response, mut stream) = bench.open(post(STREAM));
    let messages = [infer("a", b"1"), infer("b", b"2"), infer("c", b"3")].concat();
    stream.send_data(messages.into(), true).unwrap();
    bench.held(3).await;
    for at in [2, 0, 0] {
        bench.echo.answer(at);
    }
    let got = receive(response).await.unwrap();
    assert_eq!(outcomes(&got), [("a".into(), true), ("b".into(), true), ("c".into(), true)]);
    assert_eq!(got.status(), "0");
}

#[tokio::test(start_paused = true)]
async fn an_error_is_a_message_and_the_stream_goes_on() {
    let mut bench = bench().await;
    let (response, mut stream) = bench.open(post(STREAM));
    for body in [infer("a", b"1"), unknown("b"), infer("c", b"3")] {
        stream.send_data(body, false).unwrap();
    }
    stream.send_data(Bytes::new(), true).unwrap();
    let got = receive(response).await.unwrap();
    assert_eq!(outcomes(&got), [("a".into(), true), ("b".into(), false), ("c".into(), true)]);
    let note = &got.messages::<ModelStreamInferResponse>()[1].error_message;
    assert_eq!(note, "Request for unknown model: 'nobody' is not found");
    assert_eq!(got.status(), "0");
}

/// More than run side by side, all sent before the first answer is read.
#[tokio::test(start_paused = true)]
async fn a_long_stream_is_answered_whole() {
    let mut bench = bench().await;
    let (response, mut stream) = bench.open(post(STREAM));
    for n in 0..500 {
        stream.send_data(infer(&n.to_string(), &[0; 200]), false).unwrap();
    }
    stream.send_data(Bytes::new(), true).unwrap();
    let got = receive(response).await.unwrap();
    let expected: Vec<_> = (0..500).map(|n| (n.to_string(), true)).collect();
    assert_eq!(outcomes(&got), expected);
}

#[tokio::test(start_paused = true)]
async fn a_stream_may_ask_to_end_with_an_executions_error() {
    for (asks, status, messages) in [(true, "4", 1), (false, "0", 2)] {
        let mut bench = bench().await;
        bench.hold();
        let mut request = post(STREAM);
        request.headers_mut().insert("grpc-timeout", "50m".parse().unwrap());
        if asks {
            request.headers_mut().insert("triton_grpc_error", "true".parse().unwrap());
        }
        let (response, mut stream) = bench.open(request);
        stream.send_data(unknown("a"), false).unwrap(); // found before execution: in band either way
        stream.send_data(infer("b", b"1"), true).unwrap();
        let got = receive(response).await.unwrap();
        assert_eq!((got.status(), outcomes(&got).len()), (status, messages));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_cannot_be_read_any_more_ends_after_its_answers() {
    let mut bench = bench().await;
    let (response, mut stream) = bench.open(post(STREAM));
    stream.send_data([&infer("a", b"1")[..], &[9, 9, 9, 9, 9]].concat().into(), true).unwrap();
    let got = receive(response).await.unwrap();
    assert_eq!((outcomes(&got), got.status()), (vec![("a".into(), true)], "3"));
}
