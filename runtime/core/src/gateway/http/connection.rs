//! One connection: which protocol it speaks, and how it ends.

use super::{
    guard::{Guard, Verdict},
    linger::linger,
    respond, service,
    status::status,
    streams::{self, Streams},
    watch::{Watch, Watched},
};
use crate::base::{clock, fault::Kind, panics};
use crate::gateway::{
    Client, Gateway, Limits,
    leaving::Unheard,
    sockets::{reading::Reading, resets::Resets, seats::Seat},
};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, request::Parts};
use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::bounds::Http2ServerConnExec;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that one HTTP/2 stream, and all of a connection, may send before we have read them.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// What hyper's two kinds of connections share.
trait Connection: Future {
    fn finish(self: Pin<&mut Self>);
}

impl<I, S, B> Connection for http1::Connection<I, S>
where
    Self: Future,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S, B, E> Connection for http2::Connection<I, S, E>
where
    Self: Future,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    E: Http2ServerConnExec<S::Future, B>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// How the driving of a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// All is written, and nothing more will be.
    Over,
    /// It goes without a word.
    Dropped,
    /// It has been idle for a while, as far as requests tell.
    Quiet,
}

/// Polls nothing but the connection and its timers: the news that the server stops comes through the task's waker.
async fn drive(connection: &mut (impl Connection + Unpin), guard: &mut Guard, line: &Line) -> End {
    let Line { client, watch, limits, .. } = line;
    let mut connection = Pin::new(connection);
    let mut reading = Reading::new(limits);
    let mut resets = Resets::new(limits.streams, clock::now());
    let mut finishing = false;
    poll_fn(|cx| {
        watch.begins_a_turn(cx);
        if watch.is_closing() && !finishing {
            finishing = true;
            connection.as_mut().finish();
        }
        loop {
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(End::Over);
            }
            if watch.is_leaving() {
                return Poll::Ready(End::Dropped);
            }
            let taken_back = watch.taken_back();
            if taken_back > 0 && !resets.spend(taken_back, clock::now()) {
                return Poll::Ready(End::Dropped);
            }
            if reading.poll(cx, &watch.flow, || client.wanted(client.held())).is_ready() {
                return Poll::Ready(End::Dropped);
            }
            match ready!(guard.poll(cx, watch)) {
                Verdict::Quiet if !finishing => return Poll::Ready(End::Quiet),
                Verdict::Finish if !finishing => {
                    finishing = true;
                    connection.as_mut().finish();
                }
                Verdict::Quiet | Verdict::Finish | Verdict::Drop => return Poll::Ready(End::Dropped),
            }
        }
    })
    .await
}

/// Waits for the bytes that tell HTTP/2 from HTTP/1: no method of HTTP/1 begins as its preface does.
/// `None` if they never came: the first within the limit of an idle connection, the others within that of a head.
async fn opening(
    socket: &mut (impl AsyncRead + Unpin),
    watch: &Watch,
    limits: &Limits,
) -> Option<(Bytes, bool)> {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut timer = pin!(tokio::time::sleep(Duration::from_millis(limits.idle_timeout_ms)));
    let mut bytes = [0; PREFACE.len()];
    let mut filled = 0;
    poll_fn(|cx| {
        watch.begins_a_turn(cx);
        loop {
            let known = bytes.get(..filled).unwrap_or_default();
            let http2 = PREFACE.starts_with(known);
            if filled == PREFACE.len() || (filled > 0 && !http2) {
                return Poll::Ready(Some((Bytes::copy_from_slice(known), http2)));
            }
            if watch.is_closing() || watch.is_leaving() || timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            let mut rest = ReadBuf::new(bytes.get_mut(filled..).unwrap_or_default());
            match ready!(Pin::new(&mut *socket).poll_read(cx, &mut rest)) {
                Ok(()) if !rest.filled().is_empty() => {
                    if filled == 0 {
                        let head = Duration::from_millis(limits.header_timeout_ms);
                        timer.as_mut().reset(clock::instant(clock::now().plus(head)));
                    }
                    filled += rest.filled().len();
                }
                Ok(()) | Err(_) => return Poll::Ready(None),
            }
        }
    })
    .await
}

/// Waits for an idle connection to say something; `None` if it does not, or the server stops.
async fn more(socket: &mut (impl AsyncRead + Unpin), watch: &Watch, limits: &Limits) -> Option<Bytes> {
    let mut timer = pin!(tokio::time::sleep(Duration::from_millis(limits.idle_timeout_ms)));
    let mut bytes = [0; 16];
    poll_fn(|cx| {
        watch.begins_a_turn(cx);
        if watch.is_closing() || watch.is_leaving() || timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        let mut some = ReadBuf::new(&mut bytes);
        let read = ready!(Pin::new(&mut *socket).poll_read(cx, &mut some));
        let said = some.filled();
        Poll::Ready(read.ok().filter(|()| !said.is_empty()).map(|()| Bytes::copy_from_slice(said)))
    })
    .await
}

/// What all of a connection's requests share.
#[derive(Clone, Debug)]
struct Line {
    client: Arc<Client>,
    watch: Arc<Watch>,
    limits: Arc<Limits>,
    seats: usize,
}

impl Line {
    /// Answers one request.
    fn answer(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<respond::Reply, Infallible>> + use<> {
        let mut unheard = Unheard::new(Arc::clone(&self.client), service::infers(&request));
        let (mut running, seats) = (self.watch.run(), self.seats);
        // Taken apart here: what a future is given it holds to its end.
        let (Parts { method, uri, mut headers, .. }, body) = request.into_parts();
        async move {
            let infers = unheard.is_heard();
            let client = &unheard.asked;
            // What only looks waits for nothing, and whether the server lives is asked when it has most to do.
            let seat = (method == Method::POST).then(|| Seat::take(seats)).transpose();
            let mut served = None;
            let mut reply = match seat {
                Ok(seat) => {
                    served = seat;
                    let work = pin!(service::answer(client, (&method, uri.path()), &mut headers, body));
                    let answered = panics::survive_all(work).await;
                    answered.unwrap_or_else(|fault| {
                        respond::fault(HeaderMap::new(), &client.gateway.told(fault, "", None))
                    })
                }
                Err(fault) => {
                    let gateway = &client.gateway;
                    let fault = match infers {
                        true => gateway.turned_away(fault, "", None),
                        false => gateway.told(fault, "", None),
                    };
                    respond::fault(headers, &fault)
                }
            };
            // Whose body broke off has taken the request back, though the task heard of it only now.
            if reply.status() != status(Kind::Cancelled) {
                running.answered();
            }
            if let Some(seat) = served.filter(|_| reply.body().is_live()) {
                reply.body_mut().hold(seat, running, streams::flow());
            } else if let Some(flow) = streams::flow() {
                reply.body_mut().tell(flow, running);
            }
            Ok(reply)
        }
    }

    async fn http2<S: AsyncRead + AsyncWrite + Unpin>(&self, io: Watched<S>) {
        let limits = &self.limits;
        let line = self.clone();
        let streams = Streams { client: Arc::clone(&self.client), limits: Arc::clone(limits) };
        let mut connection = http2::Builder::new(streams)
            .max_concurrent_streams(limits.streams)
            .max_pending_accept_reset_streams(usize::try_from(limits.streams).unwrap_or(usize::MAX))
            .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .auto_date_header(false)
            .serve_connection(TokioIo::new(io), service_fn(move |request| line.answer(request)));
        drive(&mut connection, &mut Guard::http2(limits), self).await;
    }

    /// Returns the socket of a connection that has fallen idle. One that only seems so has a part of a head in hyper's
    /// buffer, which came with the request before, and is ended: taken apart, a connection tells. Idle ones hold no
    /// buffers then, either.
    async fn http1<S: AsyncRead + AsyncWrite + Unpin>(&self, io: Watched<S>) -> Option<Watched<S>> {
        let line = self.clone();
        let mut connection = http1::Builder::new()
            .max_header_size(self.limits.header_bytes)
            .header_read_timeout(None) // the guard's, without a timer per request
            .auto_date_header(false) // nothing caches our answers
            .serve_connection(TokioIo::new(io), service_fn(move |request| line.answer(request)));
        match drive(&mut connection, &mut Guard::http1(&self.limits), self).await {
            End::Dropped => None,
            End::Over => {
                let mut io = connection.into_parts().io.into_inner();
                Box::pin(linger(&mut io.socket, &io.watch)).await;
                None
            }
            End::Quiet => {
                let parts = connection.into_parts();
                parts.read_buf.is_empty().then(|| parts.io.into_inner())
            }
        }
    }
}

/// Serves one connection to its end. What goes wrong on it is its peer's to know.
pub(crate) async fn serve<S>(mut socket: S, gateway: Arc<Gateway>, watch: Arc<Watch>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let limits = gateway.limits();
    let Some((ahead, http2)) = opening(&mut socket, &watch, limits).await else { return };
    let line = Line {
        watch: Arc::clone(&watch),
        limits: Arc::new(limits.clone()),
        seats: gateway.seats_of_a_thread(),
        client: Client::new(Arc::clone(&gateway)),
    };
    let mut io = Watched { socket, ahead, watch, http2 };
    // Boxed: thousands of connections that say nothing need no room for what they might do.
    if http2 {
        return Box::pin(line.http2(io)).await;
    }
    while let Some(mut idle) = Box::pin(line.http1(io)).await {
        let Some(said) = more(&mut idle.socket, &line.watch, &line.limits).await else { return };
        io = Watched { ahead: said, ..idle };
    }
}
