//! One HTTP/2 connection and all its calls in one task: an answer that wakes it is written by it, with no
//! lock that another thread holds and no second wake-up, and answers of one batch leave in one write.

use super::{
    call,
    idle::{Idle, Verdict},
    presence::Presence,
    send,
    socket::Socket,
    stop::Stop,
};
use crate::base::clock;
use crate::gateway::{
    Client, Limits,
    sockets::{flow::Flow, reading::Reading, resets::Resets, seats::Seat},
};
use crate::link::calls::MOST_CALLS;
use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, Stream};
use h2::{
    Reason, RecvStream,
    server::{Builder, SendResponse},
};
use http::Request;
use std::future::{Future, poll_fn};
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

fn builder(limits: &Limits, streams: u32) -> Builder {
    let mut builder = Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .max_send_buffer_size(SEND_BUFFER)
        .max_concurrent_streams(streams)
        // Calls that are taken back before they are looked at: all that a client has may be. `Resets` bounds how often.
        .max_pending_accept_reset_streams(usize::try_from(streams).unwrap_or(usize::MAX))
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
    builder
}

/// Calls that are taken before those that are there are looked at: resets that come in one piece with their calls
/// would else pile up.
const AT_A_TURN: usize = 256;

/// One call. True if the client took it back, or was lost.
fn serve_call(
    client: Arc<Client>,
    seats: usize,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    stop: &watch::Receiver<bool>,
) -> impl Future<Output = bool> {
    // Taken apart here: what a future is given it holds to its end, and so does each that it passes it to.
    let (mut parts, body) = request.into_parts();
    async move {
        match Seat::take(seats) {
            Ok(_seat) => call::answer(client, (&mut parts, body), &mut respond, stop).await.is_err(),
            Err(fault) => send::fail(&mut respond, &client.gateway.turned_away(fault, "", None)).is_err(),
        }
    }
}

/// Serves until the client leaves, nothing happens for too long, or `stop` turns true and the calls that were
/// accepted are answered. Dropping it ends every call.
pub(crate) async fn serve<T>(io: T, client: Arc<Client>, presence: Arc<Presence>, stop: watch::Receiver<bool>)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let gateway = Arc::clone(&client.gateway);
    let (limits, seats) = (gateway.limits(), gateway.seats_of_a_thread());
    let flow = Arc::<Flow>::default();
    let io = Socket { io, flow: Arc::clone(&flow) };
    // A host has one connection for all calls of its models, which may wait for each other.
    let streams = if client.is_host { MOST_CALLS } else { limits.streams };
    let handshake = builder(limits, streams).handshake(io);
    let patience = Duration::from_millis(limits.header_timeout_ms);
    let Ok(Ok(mut connection)) = tokio::time::timeout(patience, handshake).await else { return };

    let (mut stopping, mut closing) = (Stop::new(stop.clone()), false);
    let mut idle = Idle::new(limits);
    let mut reading = Reading::new(limits);
    let mut resets = Resets::new(streams, clock::now());
    let mut calls = FuturesUnordered::new();
    poll_fn(|cx| {
        flow.begins_a_turn();
        presence.begins_a_turn(cx);
        loop {
            // What was asked comes first: a batch is as full as it can be before anybody waits for it.
            let mut taken = 0;
            while taken < AT_A_TURN {
                match connection.poll_accept(cx) {
                    Poll::Ready(Some(Ok((request, respond)))) => {
                        calls.push(serve_call(Arc::clone(&client), seats, request, respond, &stop));
                        taken += 1;
                    }
                    Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                    Poll::Pending => break,
                }
            }
            presence.tell(taken, true);
            let mut answered = false;
            while let Poll::Ready(Some(taken_back)) = Pin::new(&mut calls).poll_next(cx) {
                answered = true;
                if taken_back && !resets.spend(1, clock::now()) {
                    connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                }
            }
            if !answered && taken < AT_A_TURN {
                break; // else the answers go out first
            }
        }
        presence.tell(0, !calls.is_empty());
        if presence.is_unwanted() && calls.is_empty() && !connection.has_streams() {
            return Poll::Ready(());
        }
        if !closing && stopping.poll(cx) {
            closing = true;
            connection.graceful_shutdown();
            cx.waker().wake_by_ref();
        }
        if reading.poll(cx, &flow, || client.wanted(client.held())).is_ready() {
            return Poll::Ready(());
        }
        // Answers that no window lets go lie there without a call.
        match idle.poll(cx, clock::now, calls.is_empty() && !client.is_host, || connection.has_streams()) {
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
