//! A server of HTTP that does as it is told, over a real socket.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What it does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::link::foreign) enum Mood {
    Echo,
    /// With tensors in the JSON alone.
    Texts,
    Refuse,
    /// The wrong shape.
    Lie,
    /// A body that is longer than is read.
    Flood,
    /// No answer.
    Silence,
    /// The connection ends.
    Leave,
    /// An answer, and the end of the connection.
    Last,
    /// A model that answers in parts.
    Parts,
}

#[derive(Debug)]
pub(in crate::link::foreign) struct Server {
    pub(in crate::link::foreign) mood: Mutex<Mood>,
    pub(in crate::link::foreign) connections: AtomicUsize,
    /// Of calls that were closed by their caller.
    pub(in crate::link::foreign) closed: AtomicUsize,
    /// Calls that came, and how the last one was sent.
    pub(in crate::link::foreign) calls: AtomicUsize,
    pub(in crate::link::foreign) was_binary: Mutex<Option<bool>>,
    leaves: Notify,
}

impl Server {
    pub(in crate::link::foreign) async fn start(mood: Mood) -> (Arc<Server>, TcpListener) {
        let server = Server {
            mood: Mutex::new(mood),
            connections: AtomicUsize::new(0),
            closed: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            was_binary: Mutex::new(None),
            leaves: Notify::new(),
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
        let answers = hyper::service::service_fn(|request| {
            let server = Arc::clone(&self);
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), answers);
        tokio::select! {
            _ = connection => {}
            () = self.leaves.notified() => {}
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let mood = *self.mood.lock();
        let (head, body) = request.into_parts();
        assert!(head.headers.contains_key("host"));
        let body = body.collect().await.unwrap().to_bytes();
        let plain = |value: Value| Response::new(Full::new(value.to_string().into()));
        let tensor = |name: &str| json!({"name": name, "datatype": "UINT8", "shape": [-1, -1]});
        match head.uri.path() {
            "/v2" => plain(
                json!({"extensions": if mood == Mood::Texts { vec![] } else { vec!["binary_tensor_data"] }}),
            ),
            "/v2/models/a%2Fe_cho/versions/1/ready" => plain(json!({})),
            "/v2/models/a%2Fe_cho/versions/1" => {
                plain(json!({"platform": "scripted", "inputs": [tensor("in")], "outputs": [tensor("out")]}))
            }
            "/v2/models/a%2Fe_cho/versions/1/config" => plain(
                json!({"max_batch_size": 8, "model_transaction_policy": {"decoupled": mood == Mood::Parts}}),
            ),
            "/v2/models/a%2Fe_cho/versions/1/infer" => self.infer(mood, &head, body).await,
            other => panic!("{other} was asked"),
        }
    }

    async fn infer(&self, mood: Mood, head: &http::request::Parts, body: Bytes) -> Response<Full<Bytes>> {
        self.calls.fetch_add(1, Relaxed);
        let json_len = head.headers.get("inference-header-content-length");
        let json_len = json_len.map(|len| len.to_str().unwrap().parse::<usize>().unwrap());
        *self.was_binary.lock() = Some(json_len.is_some());
        let asked: Value = serde_json::from_slice(&body[..json_len.unwrap_or(body.len())]).unwrap();
        let mut output = asked["inputs"][0].clone();
        output["name"] = "out".into();
        if mood == Mood::Lie {
            output["shape"] = json!([1, 1_000_000]);
        }
        let text = json!({"model_name": "a/e_cho", "model_version": "1", "outputs": [output]}).to_string();
        let blobs = body.slice(json_len.unwrap_or(body.len())..);
        let mut answer = Response::new(Full::new([text.as_bytes(), &blobs].concat().into()));
        if json_len.is_some() {
            answer.headers_mut().insert("inference-header-content-length", text.len().into());
        }
        match mood {
            Mood::Echo | Mood::Texts | Mood::Lie | Mood::Parts => {}
            Mood::Refuse => {
                answer = Response::new(Full::new(r#"{"error":"unexpected shape"}"#.into()));
                *answer.status_mut() = StatusCode::BAD_REQUEST;
            }
            Mood::Flood => answer = Response::new(Full::new(vec![b' '; 2 << 20].into())),
            Mood::Last => {
                answer.headers_mut().insert("connection", "close".parse().unwrap());
            }
            Mood::Leave => {
                self.leaves.notify_one();
                std::future::pending::<()>().await;
            }
            Mood::Silence => {
                let _closed = Closed(self);
                std::future::pending::<()>().await;
            }
        }
        answer
    }
}

/// Counts a call that is dropped, as its connection is.
struct Closed<'a>(&'a Server);

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, Relaxed);
    }
}
