//! `GET /metrics` on a port of its own.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// More wait in the listener's backlog.
const CONNECTIONS: usize = 32;
/// A connection carries one request; this is its whole life, so that a peer that stalls gives its place back.
const LIFE: Duration = Duration::from_secs(10);
/// After a failed accept, which most often means that no file descriptor is free.
const PAUSE: Duration = Duration::from_millis(100);

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Writes the page.
pub type Render = Arc<dyn Fn() -> String + Send + Sync>;

/// Answers scrapes until `shutdown` is done, then finishes those that are being answered.
pub async fn serve(listener: TcpListener, render: Render, shutdown: impl Future<Output = ()>) {
    let mut shutdown = std::pin::pin!(shutdown);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut open = JoinSet::new();
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = open.join_next() => {}
            (place, accepted) = accepted => match accepted {
                Ok((stream, _)) => {
                    let render = Arc::clone(&render);
                    open.spawn(async move {
                        let _place = place;
                        // Who was cut off, by its own doing or by the time limit, knows it.
                        let _ = tokio::time::timeout(LIFE, connection(stream, render)).await;
                    });
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
        }
    }
    while open.join_next().await.is_some() {}
}

async fn connection(stream: TcpStream, render: Render) -> Result<(), hyper::Error> {
    let service = service_fn(move |request| answer(request, Arc::clone(&render)));
    http1::Builder::new()
        .keep_alive(false) // a scrape a connection: no idle ones to limit
        .timer(TokioTimer::new())
        .header_read_timeout(LIFE)
        .max_buf_size(16 << 10)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

async fn answer(request: Request<Incoming>, render: Render) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::default());
    if request.method() != Method::GET {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
    } else if request.uri().path() == "/metrics" {
        // Hundreds of versions take milliseconds to write, and this thread carries requests.
        match tokio::task::spawn_blocking(move || render()).await {
            Ok(text) => {
                *response.body_mut() = Full::from(text);
                response.headers_mut().insert(CONTENT_TYPE, TEXT);
            }
            Err(_) => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
    Ok(response) // any other path is empty, as Triton has it
}

#[cfg(test)]
mod tests {
    use super::super::{Meter, tests::contract};
    use super::*;
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
        let task =
            tokio::spawn(serve(listener, Arc::new(move || meter.render(&[])), async { drop(stopped.await) }));

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

    #[tokio::test(start_paused = true)]
    async fn peers_that_say_nothing_give_their_places_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(serve(listener, Arc::new(String::new), std::future::pending()));
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let page = ask(address, "GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
        task.abort();
    }
}
