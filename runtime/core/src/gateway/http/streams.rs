//! The requests of one connection over HTTP/2, each a task.

use crate::gateway::{
    Client, Limits,
    sockets::{flow::Flow, reading::Reading},
};
use hyper::rt::Executor;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

tokio::task_local! {
    /// Of the answer of the request whose task this is.
    static FLOW: Arc<Flow>;
}

/// Of the request that this is called for; none over HTTP/1.
pub(super) fn flow() -> Option<Arc<Flow>> {
    FLOW.try_with(Arc::clone).ok()
}

/// Starts a request's task, and ends it if nobody takes its answer: the stream is reset then, and the connection's
/// other requests go on.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    pub(super) client: Arc<Client>,
    pub(super) limits: Arc<Limits>,
}

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
{
    fn execute(&self, stream: F) {
        let flow = Arc::<Flow>::default();
        let (client, reading) = (Arc::clone(&self.client), Reading::new(&self.limits));
        let read = Read { stream: Box::pin(stream), flow: Arc::clone(&flow), reading, client };
        tokio::spawn(FLOW.scope(flow, read));
    }
}

/// A request, for as long as its client reads the answer.
struct Read<F> {
    stream: Pin<Box<F>>,
    flow: Arc<Flow>,
    reading: Reading,
    client: Arc<Client>,
}

impl<F: Future> Future for Read<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        ready!(this.reading.poll(cx, &this.flow, || this.client.wanted(this.flow.held())));
        Poll::Ready(())
    }
}
