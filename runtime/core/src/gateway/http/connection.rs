//! One connection: which protocol it speaks, how long it may take, how it ends.

use super::{
    respond, service,
    watch::{Doing, Watch, Watched},
};
use crate::base::{clock, panics};
use crate::gateway::{Gateway, Limits};
use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::bounds::Http2ServerConnExec;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Bytes that one HTTP/2 stream, and all of a connection, may send before we have read them.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// Closes who is slow. One timer a connection: it is moved when a part of a head stays, and looks again when it
/// fires, so an ordinary request costs it nothing.
struct Guard {
    timer: Pin<Box<Sleep>>,
    since: Doing,
    head: Duration,
    idle: Duration,
    unread: Duration,
}

impl Guard {
    fn new(limits: &Limits) -> Guard {
        let head = Duration::from_millis(limits.header_timeout_ms);
        let idle = Duration::from_millis(limits.idle_timeout_ms);
        let unread = Duration::from_millis(limits.body_timeout_ms);
        Guard { timer: Box::pin(tokio::time::sleep(idle)), since: Doing::Idle, head, idle, unread }
    }

    fn wait(&mut self, span: Duration, doing: Doing) {
        self.since = doing;
        self.timer.as_mut().reset(clock::instant(clock::now().plus(span)));
    }

    /// Ready when the connection should end: `true` at once, `false` gracefully. An idle one ends between one and
    /// two times its limit after the last thing that went on.
    fn poll(&mut self, cx: &mut Context<'_>, watch: &Watch) -> Poll<bool> {
        let doing = watch.doing();
        if doing != self.since {
            match doing {
                Doing::Head(_) => self.wait(self.head, doing),
                Doing::Writing => {
                    watch.has_read(); // what it read before does not count
                    self.wait(self.unread, doing);
                }
                Doing::Idle | Doing::Running => {}
            }
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            match doing {
                Doing::Head(_) => return Poll::Ready(true),
                Doing::Writing if !watch.has_read() => return Poll::Ready(true),
                Doing::Writing => self.wait(self.unread, doing),
                Doing::Idle if !watch.has_moved() => {
                    self.wait(self.head, Doing::Idle); // for the end to come
                    return Poll::Ready(false);
                }
                Doing::Idle | Doing::Running => self.wait(self.idle, doing),
            }
        }
    }
}

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

/// Polls nothing but the connection and its timer: the news that the server stops comes through the task's waker.
async fn drive(connection: impl Connection, watch: &Watch, limits: &Limits) {
    let mut connection = pin!(connection);
    let mut guard = Guard::new(limits);
    let mut finishing = false;
    poll_fn(|cx| {
        watch.known_to(cx);
        if watch.is_closing() && !finishing {
            finishing = true;
            connection.as_mut().finish();
        }
        loop {
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            match guard.poll(cx, watch) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(false) if !finishing => {
                    finishing = true;
                    connection.as_mut().finish();
                }
                Poll::Ready(_) => return Poll::Ready(()),
            }
        }
    })
    .await;
}

/// Waits for the bytes that tell HTTP/2 from HTTP/1: no method of HTTP/1 begins with `PRI`.
/// `None` if they never came: the first within the limit of an idle connection, the others within that of a head.
async fn opening(
    socket: &mut (impl AsyncRead + Unpin),
    watch: &Watch,
    limits: &Limits,
) -> Option<(Bytes, bool)> {
    const PREFACE: &[u8] = b"PRI";
    let mut timer = pin!(tokio::time::sleep(Duration::from_millis(limits.idle_timeout_ms)));
    let mut bytes = [0; PREFACE.len()];
    let mut filled = 0;
    poll_fn(|cx| {
        watch.known_to(cx);
        loop {
            let known = bytes.get(..filled).unwrap_or_default();
            let http2 = PREFACE.starts_with(known);
            if filled == PREFACE.len() || (filled > 0 && !http2) {
                return Poll::Ready(Some((Bytes::copy_from_slice(known), http2)));
            }
            if watch.is_closing() || timer.as_mut().poll(cx).is_ready() {
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

/// Serves one connection to its end. What goes wrong on it is its peer's to know.
pub(crate) async fn serve<S>(mut socket: S, gateway: Arc<Gateway>, watch: Arc<Watch>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let limits = gateway.limits().clone();
    let Some((ahead, http2)) = opening(&mut socket, &watch, &limits).await else { return };
    let io = TokioIo::new(Watched { socket, ahead, watch: Arc::clone(&watch), http2 });
    let seen = Arc::clone(&watch);
    let service = service_fn(move |request| {
        let (gateway, running) = (Arc::clone(&gateway), seen.run());
        async move {
            let answered = panics::survive_all(pin!(service::answer(&gateway, request))).await;
            let mut reply = answered
                .unwrap_or_else(|fault| respond::fault(HeaderMap::new(), &gateway.told(fault, "", None)));
            if http2 {
                reply.body_mut().tell(running.watch());
            }
            drop(running);
            Ok::<_, Infallible>(reply)
        }
    });
    if http2 {
        let headers = u32::try_from(limits.header_bytes).unwrap_or(u32::MAX);
        let connection = http2::Builder::new(TokioExecutor::new())
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(headers)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .auto_date_header(false)
            .serve_connection(io, service);
        drive(connection, &watch, &limits).await;
    } else {
        let connection = http1::Builder::new()
            .max_header_size(limits.header_bytes)
            .header_read_timeout(None) // the guard's, without a timer per request
            .auto_date_header(false) // nothing caches our answers
            .serve_connection(io, service);
        drive(connection, &watch, &limits).await;
    }
}
