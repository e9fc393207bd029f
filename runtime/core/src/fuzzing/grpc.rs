//! The body of a gRPC call: messages with their prefixes, in DATA frames of any size.

use super::{
    echo::{check_said, nameless, with_gateway},
    memory::Most,
};
use crate::gateway::{Client, grpc};
use crate::wire::oip_proto::messages::{ModelInferRequest, ModelInferResponse, ModelStreamInferResponse};
use bytes::Bytes;
use h2::{RecvStream, client::SendRequest};
use http::{HeaderMap, Request};
use percent_encoding::percent_decode;
use prost::Message;
use std::future::poll_fn;
use std::sync::Arc;
use tokio::io::duplex;
use tokio::sync::watch;

/// Windows and buffers of both ends of a connection, and one message of the largest size.
const MOST: Most = Most { each: 64, beside: 3 << 20 };

const METHODS: [&str; 2] = ["ModelInfer", "ModelStreamInfer"];
const ENCODINGS: [&str; 3] = ["identity", "gzip", "deflate"];

/// How a call ended: its status, what that says, and the messages before it.
#[derive(Debug, PartialEq)]
struct Ended {
    status: String,
    said: String,
    messages: Vec<u8>,
}

/// Sends the body in pieces, and reads to the end.
async fn call(
    mut client: SendRequest<Bytes>,
    (method, encoding): (&str, &str),
    body: &[u8],
    cut: usize,
) -> Ended {
    poll_fn(|cx| client.poll_ready(cx)).await.unwrap();
    let head = Request::post(format!("http://x/inference.GRPCInferenceService/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-encoding", encoding);
    let (response, mut sending) = client.send_request(head.body(()).unwrap(), false).unwrap();
    for piece in body.chunks(cut) {
        // Refused once the call has ended, which may be before its body.
        let _ = sending.send_data(Bytes::copy_from_slice(piece), false);
        tokio::task::yield_now().await;
    }
    let _ = sending.send_data(Bytes::new(), true);
    let (head, body) = response.await.expect("every call is answered").into_parts();
    assert_eq!(head.status, 200);
    finish(head.headers, body).await
}

async fn finish(head: HeaderMap, mut body: RecvStream) -> Ended {
    let mut messages = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        let _ = body.flow_control().release_capacity(data.len());
        messages.extend_from_slice(&data);
    }
    // A call that fails at once has no trailers but in its head.
    let trailers = body.trailers().await.unwrap().unwrap_or(head);
    let text = |name| trailers.get(name).map_or(&b""[..], |value| value.as_bytes());
    let status = String::from_utf8_lossy(text("grpc-status")).into_owned();
    let said: Vec<u8> = percent_decode(text("grpc-message")).collect();
    Ended { status, said: nameless(&said), messages }
}

fn exchange(how: (&str, &str), body: &[u8], cut: usize) -> Ended {
    with_gateway(|runtime, gateway| {
        let (ours, theirs) = duplex(256 << 10);
        let (_stop, told) = watch::channel(false);
        let serve = grpc::connection::serve(ours, Client::new(Arc::clone(gateway)), Arc::default(), told);
        let talk = async {
            let (client, line) = h2::client::handshake(theirs).await.unwrap();
            tokio::select! {
                ended = call(client, how, body, cut) => ended,
                _ = line => panic!("the connection ended before the call"),
            }
        };
        let both = async { tokio::join!(serve, talk).1 };
        MOST.hold(body.len(), || runtime.block_on(both))
    })
}

/// The messages of a body; `None` if it ends within one.
fn messages(mut body: &[u8]) -> Option<Vec<(bool, &[u8])>> {
    let mut messages = Vec::new();
    while let Some(([flag, len @ ..], rest)) = body.split_first_chunk::<5>() {
        let (message, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).unwrap())?;
        messages.push((*flag != 0, message));
        body = rest;
    }
    body.is_empty().then_some(messages)
}

/// What the model was asked is what it answers with.
fn answers(asked: &[u8], answer: &ModelInferResponse) {
    let asked = ModelInferRequest::decode(asked).expect("what is answered is a request");
    assert_eq!((&answer.id, &answer.model_name), (&asked.id, &asked.model_name));
    if let [only] = asked.raw_input_contents.as_slice() {
        assert_eq!(answer.raw_output_contents, [only]);
    }
}

/// The first byte says which method, and the encoding of messages that are compressed. In any pieces the body is
/// answered as at once; each message of it, or the call, is answered with an answer or a reason.
pub fn any_grpc(data: &[u8]) {
    let Some((how, body)) = data.split_first() else { return };
    let how = (METHODS[usize::from(how & 1)], ENCODINGS[usize::from(how / 2 % 3)]);
    let whole = exchange(how, body, usize::MAX);
    let cut = 1 + data.iter().fold(data.len(), |sum, byte| sum * 31 % 8191 + usize::from(*byte)) % 67;
    let pieces = exchange(how, body, cut);
    if how.0 == METHODS[0] {
        assert_eq!(whole, pieces, "in pieces of {cut} bytes");
    }
    if whole.status != "0" {
        check_said(&whole.said);
    }
    assert_ne!(whole.status, "13", "{whole:?}");
    let got = messages(&whole.messages).expect("answers are whole messages");
    let Some(asked) = messages(body) else {
        assert_ne!(whole.status, "0", "a part of a message is taken for one");
        return;
    };
    if how.0 == METHODS[0] {
        assert_eq!(got.len(), usize::from(whole.status == "0"));
        for ((_, answer), (packed, asked)) in got.iter().zip(asked) {
            let answer = ModelInferResponse::decode(*answer).unwrap();
            if !packed {
                answers(asked, &answer);
            }
        }
        return;
    }
    let again = messages(&pieces.messages).expect("answers are whole messages");
    assert_eq!((got.len(), &whole.status), (again.len(), &pieces.status), "in pieces of {cut} bytes");
    assert!(got.len() == asked.len() || whole.status != "0", "{} answers to {}", got.len(), asked.len());
    for ((_, answer), (packed, asked)) in got.iter().zip(asked) {
        let answer = ModelStreamInferResponse::decode(*answer).unwrap();
        let response = answer.infer_response.unwrap();
        if answer.error_message.is_empty() && !packed {
            answers(asked, &response);
        }
    }
}
