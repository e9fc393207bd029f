//! A server that does as it is told, over a real socket.

use crate::wire::oip_proto::messages as m;
use bytes::{BufMut, Bytes, BytesMut};
use h2::server::SendResponse;
use http::{HeaderMap, Response};
use parking_lot::Mutex;
use prost::Message;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use tokio::net::{TcpListener, TcpStream};

/// What it does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::link::foreign) enum Mood {
    Echo,
    /// With typed contents, as servers of Python do.
    Typed,
    /// A status and a message.
    Refuse,
    /// The wrong shape.
    Lie,
    /// A message that is longer than is read.
    Flood,
    /// No answer.
    Silence,
    /// The connection ends.
    Leave,
    /// Parts, 40 of them.
    Stream,
    /// Two parts, an error in the stream, and its end.
    Fail,
    /// Says that it goes away, and answers what it has.
    GoAway,
}

#[derive(Debug)]
pub(in crate::link::foreign) struct Server {
    pub(in crate::link::foreign) mood: Mutex<Mood>,
    pub(in crate::link::foreign) ready: AtomicBool,
    /// Calls that were reset by their caller.
    pub(in crate::link::foreign) reset: AtomicUsize,
    pub(in crate::link::foreign) connections: AtomicUsize,
    /// What the last one showed.
    pub(in crate::link::foreign) shown: Mutex<Option<String>>,
    /// Calls that came.
    pub(in crate::link::foreign) calls: AtomicUsize,
}

fn framed(message: &impl Message) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u8(0);
    out.put_u32(u32::try_from(message.encoded_len()).unwrap());
    out.put_slice(&message.encode_to_vec());
    out.freeze()
}

fn tensor_metadata(name: &str) -> m::model_metadata_response::TensorMetadata {
    let shape = vec![-1, -1];
    m::model_metadata_response::TensorMetadata { name: name.into(), datatype: "UINT8".into(), shape }
}

fn answer(asked: &m::ModelInferRequest, mood: Mood) -> m::ModelInferResponse {
    let [input] = asked.inputs.as_slice() else { panic!("one input") };
    let [data] = asked.raw_input_contents.as_slice() else { panic!("one tensor") };
    let mut output = m::model_infer_response::InferOutputTensor {
        name: "out".into(),
        datatype: "UINT8".into(),
        shape: input.shape.clone(),
        ..Default::default()
    };
    if mood == Mood::Lie {
        output.shape = vec![1, 1_000_000];
    }
    let mut raw = vec![data.clone()];
    if mood == Mood::Typed {
        let uint_contents = data.iter().map(|byte| u32::from(*byte)).collect();
        output.contents = Some(m::InferTensorContents { uint_contents, ..Default::default() });
        raw.clear();
    }
    let model_name = asked.model_name.clone();
    m::ModelInferResponse {
        model_name,
        outputs: vec![output],
        raw_output_contents: raw,
        ..Default::default()
    }
}

impl Server {
    pub(in crate::link::foreign) async fn start(mood: Mood) -> (Arc<Server>, TcpListener) {
        let server = Server {
            mood: Mutex::new(mood),
            ready: AtomicBool::new(true),
            reset: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            shown: Mutex::new(None),
            calls: AtomicUsize::new(0),
        };
        (Arc::new(server), TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(in crate::link::foreign) async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            self.connections.fetch_add(1, Relaxed);
            tokio::spawn(Arc::clone(&self).connection(socket));
        }
    }

    async fn connection(self: Arc<Self>, socket: TcpStream) {
        let mut connection = h2::server::handshake(socket).await.unwrap();
        while let Some(Ok((request, respond))) = connection.accept().await {
            let mood = *self.mood.lock();
            let is_call = request.uri().path().ends_with("Infer");
            if mood == Mood::Leave && is_call {
                return;
            }
            if mood == Mood::GoAway && is_call {
                *self.mood.lock() = Mood::Echo;
                connection.graceful_shutdown();
            }
            tokio::spawn(Arc::clone(&self).call(request, respond));
        }
    }

    async fn call(self: Arc<Self>, request: http::Request<h2::RecvStream>, mut respond: SendResponse<Bytes>) {
        let mood = *self.mood.lock();
        let (head, mut body) = request.into_parts();
        let mut message = BytesMut::new();
        while let Some(chunk) = body.data().await {
            let chunk = chunk.unwrap();
            let _ = body.flow_control().release_capacity(chunk.len());
            message.extend_from_slice(&chunk);
        }
        let message = message.freeze().slice(5..);
        let path = head.uri.path().rsplit('/').next().unwrap().to_owned();
        let is_call = path.contains("Infer");
        let shown = head.headers.get("authorization").map(|shown| shown.to_str().unwrap().to_owned());
        *self.shown.lock() = shown;
        if is_call {
            self.calls.fetch_add(1, Relaxed);
        }
        if mood == Mood::Silence && is_call {
            let ended = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
            assert_eq!(ended.unwrap(), h2::Reason::CANCEL);
            self.reset.fetch_add(1, Relaxed);
            return;
        }
        let answers: Vec<Bytes> = match path.as_str() {
            "ModelReady" => vec![framed(&m::ModelReadyResponse { ready: self.ready.load(Relaxed) })],
            "ModelMetadata" => vec![framed(&m::ModelMetadataResponse {
                platform: "scripted".into(),
                inputs: vec![tensor_metadata("in")],
                outputs: vec![tensor_metadata("out")],
                ..Default::default()
            })],
            "ModelConfig" => {
                let policy =
                    m::ModelTransactionPolicy { decoupled: matches!(mood, Mood::Stream | Mood::Fail) };
                let config = m::ModelConfig {
                    max_batch_size: 8,
                    model_transaction_policy: Some(policy),
                    ..Default::default()
                };
                vec![framed(&m::ModelConfigResponse { config: Some(config) })]
            }
            "ModelInfer" if mood == Mood::Flood => vec![Bytes::from_static(&[0, 0x7f, 0xff, 0xff, 0xff])],
            "ModelInfer" if mood == Mood::Refuse => vec![],
            "ModelInfer" => vec![framed(&answer(&m::ModelInferRequest::decode(message).unwrap(), mood))],
            "ModelStreamInfer" => {
                let asked = m::ModelInferRequest::decode(message).unwrap();
                let part = |n: u8| {
                    let mut response = answer(&asked, mood);
                    response.raw_output_contents = vec![vec![n; 4].into()];
                    framed(&m::ModelStreamInferResponse {
                        infer_response: Some(response),
                        ..Default::default()
                    })
                };
                if mood == Mood::Fail {
                    let error = m::ModelStreamInferResponse {
                        error_message: "thirteen".into(),
                        ..Default::default()
                    };
                    vec![part(0), part(1), framed(&error), part(2)]
                } else {
                    (0..40).map(part).collect()
                }
            }
            other => panic!("{other} was asked"),
        };
        let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
        let mut send = respond.send_response(head, false).unwrap();
        answers.into_iter().for_each(|bytes| send.send_data(bytes, false).unwrap());
        let mut trailers = HeaderMap::new();
        let refused = mood == Mood::Refuse && is_call;
        trailers.insert("grpc-status", if refused { "3" } else { "0" }.parse().unwrap());
        if refused {
            trailers.insert("grpc-message", "unexpected%20shape".parse().unwrap());
        }
        send.send_trailers(trailers).unwrap();
    }
}
