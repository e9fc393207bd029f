//! `GET /metrics` on a port of its own.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::{Future, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// At once; who comes then takes the place of the one that has said nothing for longest.
const CONNECTIONS: usize = 64;
/// A connection carries one request; this is its whole life, so that a peer that stalls gives its place back.
const LIFE: Duration = Duration::from_secs(10);
/// After a failed accept, which most often means that no file descriptor is free.
const PAUSE: Duration = Duration::from_millis(100);

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Writes the page.
pub type Render = Arc<dyn Fn() -> String + Send + Sync>;

/// A connection and whether its request has come.
struct Place {
    task: AbortHandle,
    asked: Arc<AtomicBool>,
}

/// Room for one more, if somebody has it who says nothing; oldest first.
fn make_room(places: &mut Vec<Place>) -> bool {
    places.retain(|place| !place.task.is_finished());
    if places.len() < CONNECTIONS {
        return true;
    }
    let silent = places.iter().position(|place| !place.asked.load(Relaxed));
    silent.map(|at| places.remove(at).task.abort()).is_some()
}

/// Answers scrapes until `shutdown` is done, then finishes those that are being answered. Wants a thread of its own:
/// hundreds of versions take milliseconds to write.
pub async fn serve(listener: TcpListener, render: Render, shutdown: impl Future<Output = ()>) {
    let mut shutdown = std::pin::pin!(shutdown);
    let (mut open, mut places) = (JoinSet::new(), Vec::new());
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = open.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if make_room(&mut places) => {
                    let (render, asked) = (Arc::clone(&render), Arc::new(AtomicBool::new(false)));
                    let connection = connection(stream, render, Arc::clone(&asked));
                    let task = open.spawn(async move {
                        // Who was cut off, by its own doing or by the time limit, knows it.
                        let _ = tokio::time::timeout(LIFE, connection).await;
                    });
                    places.push(Place { task, asked });
                }
                Ok(_) => {} // all are being answered
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
        }
    }
    while open.join_next().await.is_some() {}
}

async fn connection(stream: TcpStream, render: Render, asked: Arc<AtomicBool>) -> Result<(), hyper::Error> {
    let service = service_fn(move |request| {
        asked.store(true, Relaxed);
        ready(Ok::<_, Infallible>(answer(&request, &render)))
    });
    http1::Builder::new()
        .keep_alive(false) // a scrape a connection: no idle ones to limit
        .timer(TokioTimer::new())
        .header_read_timeout(LIFE)
        .max_buf_size(16 << 10)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn answer(request: &Request<Incoming>, render: &Render) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    if request.method() != Method::GET {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
    } else if request.uri().path() == "/metrics" {
        *response.body_mut() = Full::from(render());
        response.headers_mut().insert(CONTENT_TYPE, TEXT);
    }
    response // any other path is empty, as Triton has it
}

#[cfg(test)]
mod tests {
    use super::super::{Meter, tests::contract};
    use super::*;
    use crate::base::clock;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;

    async fn ask(address: std::net::SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut out = String::new();
        stream.read_to_string(&mut out).await.unwrap();
        out
    }

    #[tokio::test]
    async fn a_scrape_gets_the_page_and_nothing_else_does() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let meter = Arc::new(Meter::default());
        meter.version(&contract("m", 1)).admitted();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(serve(listener, Arc::new(move || meter.render(&[], &[])), async {
            drop(stopped.await)
        }));

        let page = ask(address, "GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
        assert!(page.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{page}");
        assert!(page.contains("nv_inference_pending_request_count{model=\"m\",version=\"1\"} 1\n"), "{page}");
        let other = ask(address, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(
            other.starts_with("HTTP/1.1 200 OK\r\n") && other.contains("content-length: 0\r\n"),
            "{other}"
        );
        let post = ask(address, "POST /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").await;
        assert!(post.starts_with("HTTP/1.1 405 "), "{post}");

        stop.send(()).unwrap();
        task.await.unwrap();
    }

    /// Time stands still, so no limit of time helps.
    #[tokio::test(start_paused = true)]
    async fn peers_that_say_nothing_make_room() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(serve(listener, Arc::new(String::new), std::future::pending()));
        let mut silent = Vec::new();
        for _ in 0..3 * CONNECTIONS {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let began = clock::now();
        let page = ask(address, "GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
        assert!(clock::now().since(began) < LIFE);
        task.abort();
    }
}
