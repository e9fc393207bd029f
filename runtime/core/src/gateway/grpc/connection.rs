//! One HTTP/2 connection and all its calls in one task: an answer that wakes it is written by it, with no
//! lock that another thread holds and no second wake-up, and answers of one batch leave in one write.

use super::{
    call,
    idle::{Idle, Verdict},
    stop::Stop,
};
use crate::base::clock;
use crate::gateway::{Gateway, Limits};
use futures_util::stream::{FuturesUnordered, Stream};
use h2::server::Builder;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

/// Of one stream: an image of 600 KB comes without a pause.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// Clients that go along save system calls; each connection's read buffer grows to it.
const FRAME: u32 = 256 << 10;
/// Bytes of answers that wait for the socket, for each stream that keeps within its window.
const SEND_BUFFER: usize = 1 << 20;

fn builder(limits: &Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .max_send_buffer_size(SEND_BUFFER)
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
    builder
}

/// Serves until the client leaves, nothing happens for too long, or `stop` turns true and the calls that were
/// accepted are answered. Dropping it ends every call.
pub(crate) async fn serve<T>(io: T, gateway: Arc<Gateway>, stop: watch::Receiver<bool>)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let limits = gateway.limits();
    let handshake = builder(limits).handshake(io);
    let patience = Duration::from_millis(limits.header_timeout_ms);
    let Ok(Ok(mut connection)) = tokio::time::timeout(patience, handshake).await else { return };

    let (mut stopping, mut closing) = (Stop::new(stop.clone()), false);
    let mut idle = Idle::new(Duration::from_millis(limits.idle_timeout_ms), patience);
    let mut calls = FuturesUnordered::new();
    poll_fn(|cx| {
        loop {
            // What was asked comes first: a batch is as full as it can be before anybody waits for it.
            loop {
                match connection.poll_accept(cx) {
                    Poll::Ready(Some(Ok((request, respond)))) => {
                        calls.push(call::answer(Arc::clone(&gateway), request, respond, &stop));
                    }
                    Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                    Poll::Pending => break,
                }
            }
            let mut answered = false;
            while let Poll::Ready(Some(())) = Pin::new(&mut calls).poll_next(cx) {
                answered = true;
            }
            if !answered {
                break; // else the answers go out first
            }
        }
        if !closing && stopping.poll(cx) {
            closing = true;
            connection.graceful_shutdown();
            cx.waker().wake_by_ref();
        }
        match idle.poll(cx, clock::now, calls.is_empty()) {
            Verdict::Stay => Poll::Pending,
            Verdict::Close => {
                closing = true;
                connection.graceful_shutdown();
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Verdict::Drop => Poll::Ready(()),
        }
    })
    .await;
}
