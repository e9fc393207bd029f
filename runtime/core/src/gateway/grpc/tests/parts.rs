//! `ModelStreamInfer` of a version that answers in parts.

use super::bench::{Bench, Got, INFER, STREAM, bench, bench_of, infer, post, prefixed, receive};
use crate::base::fault::{Fault, Kind};
use crate::gateway::Limits;
use crate::gateway::tests::spout::Spout;
use crate::wire::oip_proto::messages::{
    InferParameter, ModelInferRequest, ModelStreamInferResponse, infer_parameter::ParameterChoice,
    model_infer_request::InferInputTensor,
};
use bytes::Bytes;
use prost::Message;
use std::sync::Arc;
use std::time::Duration;

/// Asks model `g` for so many parts of so many tokens.
fn prompt(id: &str, parts: i64, width: i64, wants_last: bool) -> Bytes {
    let data: Vec<u8> = [parts, width].iter().flat_map(|number| number.to_le_bytes()).collect();
    let input = InferInputTensor {
        name: "prompt".into(),
        datatype: "INT64".into(),
        shape: vec![1, 2],
        ..Default::default()
    };
    let mut request = ModelInferRequest {
        model_name: "g".into(),
        id: id.into(),
        inputs: vec![input],
        raw_input_contents: vec![data.into()],
        ..Default::default()
    };
    if wants_last {
        let flag = InferParameter { parameter_choice: Some(ParameterChoice::BoolParam(true)) };
        request.parameters.insert("triton_enable_empty_final_response".into(), flag);
    }
    prefixed(&request.encode_to_vec())
}

/// Of each message: its id, its first token, whether it is the last of its request, its error.
fn told(got: &Got) -> Vec<(String, Option<i64>, bool, String)> {
    let one = |message: ModelStreamInferResponse| {
        let response = message.infer_response.unwrap();
        let token = response.raw_output_contents.first();
        let token = token.and_then(|token| Some(i64::from_le_bytes(*token.first_chunk()?)));
        let last = response.parameters["triton_final_response"].parameter_choice.clone();
        let last = last == Some(ParameterChoice::BoolParam(true));
        (response.id, token, last, message.error_message)
    };
    got.messages::<ModelStreamInferResponse>().into_iter().map(one).collect()
}

fn part(id: &str, token: i64) -> (String, Option<i64>, bool, String) {
    (id.into(), Some(token), false, String::new())
}

async fn with_spout(holds: bool, limits: Limits) -> (Bench, Arc<Spout>) {
    let mut client = h2::client::Builder::new();
    client.initial_connection_window_size(1 << 20); // a stream's is 64 KiB
    let bench = bench_of(limits, &client).await;
    let spout = Spout::up_with(&bench.gateway, holds, 3);
    (bench, spout)
}

async fn runs(spout: &Spout, count: usize) {
    while spout.runs() != count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_has_a_message_for_each_part_and_its_last_where_it_asks() {
    let (mut bench, _) = with_spout(false, Limits::default()).await;
    for wants_last in [false, true] {
        let got = bench.call(post(STREAM), prompt("a", 40, 1, wants_last)).await;
        let mut want: Vec<_> = (0..40).map(|token| part("a", token)).collect();
        want.extend(wants_last.then(|| ("a".into(), None, true, String::new())));
        assert_eq!((told(&got), got.status()), (want, "0"));
    }
    let nothing = bench.call(post(STREAM), prompt("a", 0, 1, false)).await;
    assert_eq!((told(&nothing), nothing.status()), (vec![], "0"));
    assert_eq!(bench.gateway.statistics(Some("g"), None).unwrap()[0].success.count, 3);
}

#[tokio::test(start_paused = true)]
async fn parts_leave_as_they_come_and_whole_answers_in_order() {
    let (mut bench, spout) = with_spout(true, Limits::default()).await;
    bench.hold();
    let (response, mut stream) = bench.open(post(STREAM));
    let messages = [infer("a", b"1"), prompt("b", 9, 1, true), infer("c", b"3"), prompt("d", 9, 1, false)];
    stream.send_data(messages.concat().into(), true).unwrap();
    bench.held(2).await;
    runs(&spout, 2).await;
    bench.echo.answer(1);
    spout.say(2);
    tokio::time::sleep(Duration::from_millis(1)).await; // they do not wait for "a"
    spout.end();
    spout.say(1);
    tokio::time::sleep(Duration::from_millis(1)).await;
    bench.echo.answer(0);
    tokio::time::sleep(Duration::from_millis(1)).await;
    spout.end_with(Err(Fault::new(Kind::ModelFailed, "as told")));
    let got = receive(response).await.unwrap();
    let ids: Vec<_> =
        told(&got).into_iter().map(|(id, _, last, error)| (id, last, !error.is_empty())).collect();
    let message = |id: &str, last, fails| (id.to_owned(), last, fails);
    let want = [
        message("b", false, false),
        message("b", false, false),
        message("b", true, false),
        message("d", false, false),
        message("a", true, false),
        message("c", true, false),
        message("d", true, true),
    ];
    assert_eq!((&ids[..], got.status()), (&want[..], "0"));
}

#[tokio::test(start_paused = true)]
async fn a_stream_may_ask_to_end_with_an_error_after_parts() {
    let (mut bench, spout) = with_spout(true, Limits::default()).await;
    let mut request = post(STREAM);
    request.headers_mut().insert("triton_grpc_error", "true".parse().unwrap());
    let (response, mut stream) = bench.open(request);
    stream.send_data(prompt("a", 9, 1, true), false).unwrap();
    runs(&spout, 1).await;
    spout.say(1);
    spout.end_with(Err(Fault::new(Kind::ModelFailed, "as told")));
    let got = receive(response).await.unwrap();
    assert_eq!((told(&got), got.status()), (vec![part("a", 0)], "13"));
}

#[tokio::test(start_paused = true)]
async fn a_call_of_one_answer_is_refused_and_told_what_to_ask() {
    let (mut bench, _) = with_spout(false, Limits::default()).await;
    let got = bench.call(post(INFER), prompt("a", 1, 1, false)).await;
    assert_eq!(got.status(), "3");
    assert!(
        got.note().contains("ModelStreamInfer") && got.note().contains("/generate_stream"),
        "{}",
        got.note()
    );
    assert_eq!(bench.gateway.statistics(Some("g"), None).unwrap()[0].fail.count, 1);
}

/// Its window stays shut: its model makes no more than was asked for, and other streams of its connection go on.
#[tokio::test(start_paused = true)]
async fn a_slow_reader_slows_itself_alone_and_is_given_up() {
    let limits = Limits { body_timeout_ms: 5_000, ..Limits::default() };
    let (mut bench, spout) = with_spout(false, limits).await;
    let (slow, mut stream) = bench.open(post(STREAM));
    stream.send_data(prompt("slow", 1_000_000, 100, false), true).unwrap();
    let (head, body) = slow.await.unwrap().into_parts();
    assert_eq!(head.status, 200);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (credit, said) = spout.oldest();
    // 64 KiB of window, and what may be on its way beyond: a part has 890 bytes.
    assert!(credit == 0 && (70..120).contains(&said), "{said} parts");
    for _ in 0..3 {
        let got = bench.call(post(STREAM), prompt("quick", 50, 1, false)).await;
        assert_eq!(told(&got).len(), 50);
    }
    assert_eq!(spout.oldest(), (0, said));
    // Sixteen that nobody took, but for those that were taken and not yet asked for again.
    assert!(bench.gateway.unread.taken() >= 9 * 800, "{}", bench.gateway.unread.taken());
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!((spout.cancelled(), spout.runs(), bench.gateway.unread.taken()), (1, 0, 0));
    drop(body);
    assert_eq!(bench.gateway.flights.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_takes_all_its_requests_back() {
    let (mut bench, spout) = with_spout(true, Limits::default()).await;
    let (response, mut stream) = bench.open(post(STREAM));
    stream.send_data([prompt("a", 9, 1, false), prompt("b", 9, 1, false)].concat().into(), false).unwrap();
    runs(&spout, 2).await;
    spout.say(3);
    let body = response.await.unwrap();
    stream.send_reset(h2::Reason::CANCEL);
    drop(body);
    runs(&spout, 0).await;
    assert_eq!((spout.cancelled(), bench.gateway.flights.len()), (2, 0));
    let page = bench.gateway.metrics();
    assert!(
        page.contains("headrace_request_failures_total{model=\"g\",version=\"5\",kind=\"cancelled\"} 2\n"),
        "each is counted once"
    );
}

/// A message of a stream for a version that answers once is the last of its request, as ever.
#[tokio::test(start_paused = true)]
async fn what_answers_once_has_no_empty_last_message() {
    let mut bench = bench().await;
    let mut request = ModelInferRequest::decode(&infer("a", b"1")[5..]).unwrap();
    let flag = InferParameter { parameter_choice: Some(ParameterChoice::BoolParam(true)) };
    request.parameters.insert("triton_enable_empty_final_response".into(), flag);
    let got = bench.call(post(STREAM), prefixed(&request.encode_to_vec())).await;
    let messages = got.messages::<ModelStreamInferResponse>();
    assert_eq!((messages.len(), got.status()), (1, "0"));
    assert_eq!(messages[0].infer_response.as_ref().unwrap().raw_output_contents[0], b"1"[..]);
}
