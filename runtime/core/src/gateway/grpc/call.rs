//! One call, from its head to its status.

use super::{
    body::{Message, Messages},
    describe,
    head::{self, Encoding, Head, Refusal},
    infer, labels,
    method::{Method, Question},
    send, series, status,
    stop::Stop,
    stream,
};
use crate::base::{callers::Callers, clock, fault::Fault, panics, units::Tick};
use crate::gateway::{Client, Gateway, memory::growing};
use crate::wire::oip_proto::answer::put_prefix;
use bytes::{BufMut, Bytes, BytesMut};
use compact_str::CompactString;
use h2::{RecvStream, server::SendResponse};
use http::request::Parts;
use std::future::{Future, poll_fn};
use std::mem::take;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::watch;

/// Compressed bytes that are inflated where they came in; more would keep the thread's other calls waiting.
const AT_ONCE: usize = 4 << 10;

/// What every kind of call needs.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) client: Arc<Client>,
    pub(super) head: Head,
    pub(super) arrived: Tick,
    pub(super) deadline: Tick,
    /// Metadata that routing looks at.
    pub(super) facts: Vec<(CompactString, CompactString)>,
    pub(super) may_name_versions: bool,
    /// Of one that a model makes.
    pub(super) callers: Option<Callers>,
}

/// What a message says about the messages that answer it.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) id: CompactString,
    /// The end of an answer in parts is a message too.
    pub(super) wants_last: bool,
}

/// Answers a call, whatever happens on the way, unless its client takes it back or is lost. Dropping it, or the
/// client's reset, cancels what it asked for.
pub(super) async fn answer(
    client: Arc<Client>,
    request: (&mut Parts, RecvStream),
    respond: &mut SendResponse<Bytes>,
    stop: &watch::Receiver<bool>,
) -> Result<(), send::Gone> {
    let gateway = Arc::clone(&client.gateway);
    let answered = {
        let work = pin!(attempt(client, request, respond, stop));
        panics::survive_all(work).await
    };
    match answered {
        Ok(answered) => answered,
        // If the answer had begun, the stream ends with an error nevertheless.
        Err(fault) => send::fail(respond, &gateway.told(fault, "", None)),
    }
}

async fn attempt(
    client: Arc<Client>,
    (parts, body): (&mut Parts, RecvStream),
    respond: &mut SendResponse<Bytes>,
    stop: &watch::Receiver<bool>,
) -> Result<(), send::Gone> {
    #[cfg(test)]
    panics::trip(parts.uri.path());
    let gateway = &client.gateway;
    if client.is_host && gateway.is_over() {
        // Another has its place, or will have.
        respond.send_reset(h2::Reason::REFUSED_STREAM);
        return Err(send::Gone);
    }
    let head = match head::read(parts) {
        Ok(head) => head,
        Err(Refusal::Http(status)) => return send::refuse(respond, status),
        Err(Refusal::Grpc(fault)) => {
            return send::fail(respond, &gateway.turned_away(fault, "", None));
        }
    };
    let callers = if client.is_host { head::callers(&parts.headers) } else { Ok(None) };
    let callers = match callers {
        Ok(callers) => callers,
        Err(fault) => return send::fail(respond, &gateway.turned_away(fault, "", None)),
    };
    let arrived = clock::now();
    let call = Call {
        head,
        arrived,
        deadline: head.timeout.map_or(Tick::NEVER, |span| arrived.plus(span)),
        facts: gateway.facts(&parts.headers),
        // A model has no key, and is the operator's own.
        may_name_versions: client.is_host || gateway.may_name_versions(&parts.headers),
        callers,
        client,
    };
    // Labels alone are let in by what they say. Boxed: every call's future has room for it.
    let said = (call.head.method == Method::SendLabels).then(|| Box::new(take(&mut parts.headers)));
    (parts.headers, parts.uri) = Default::default(); // what they said is not kept while the call waits
    let mut messages = Messages::new(Arc::clone(&call.client), body);
    match call.head.method {
        Method::ModelInfer => infer::unary(&call, &mut messages, respond).await,
        // Boxed: rare, and large enough to make every ModelInfer's future larger.
        Method::ModelStreamInfer => {
            Box::pin(stream::serve(call, messages, respond, Stop::new(stop.clone()))).await
        }
        Method::TellSeries => Box::pin(series::take(call, messages, respond)).await,
        Method::SendLabels => Box::pin(labels::take(call, said.unwrap_or_default(), messages, respond)).await,
        Method::Ask(question) => Box::pin(describe(call, question, messages, respond)).await,
    }
}

/// All but inference.
async fn describe(
    call: Call,
    question: Question,
    mut messages: Messages,
    respond: &mut SendResponse<Bytes>,
) -> Result<(), send::Gone> {
    let answered = pin!(async {
        let message = call.unpack(messages.only().await?).await?;
        let reply = describe::reply(&call, question, message.body).await?;
        let mut out = BytesMut::with_capacity(5 + reply.len());
        put_prefix(&mut out, reply.len())?;
        out.put_slice(&reply);
        Ok(out.freeze())
    });
    match unless_reset(respond, answered).await? {
        Ok(message) => send::answer(&call.client, respond, None, [message].into_iter().collect()).await,
        Err(fault) => send::fail(respond, &call.gateway().told(fault, "", None)),
    }
}

/// Runs `work` unless the client resets the stream, which drops it. Its caller has pinned it, as in
/// [`panics::survive_all`].
pub(super) fn unless_reset<T>(
    respond: &mut SendResponse<Bytes>,
    work: Pin<&mut impl Future<Output = T>>,
) -> impl Future<Output = Result<T, send::Gone>> {
    let mut work = work;
    poll_fn(move |cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Ok(done)),
        Poll::Pending => respond.poll_reset(cx).map(|_| Err(send::Gone)),
    })
}

impl Call {
    pub(super) fn gateway(&self) -> &Arc<Gateway> {
        &self.client.gateway
    }

    /// Whether a stream ends with the status of this fault of one request. A host has one request in each.
    pub(super) fn ends_on(&self, fault: &Fault) -> bool {
        self.client.is_host || (self.head.ends_on_error && status::is_of_execution(fault.kind))
    }

    /// Undoes the client's compression, if there is any.
    pub(super) async fn unpack(&self, message: Message) -> Result<Message, Fault> {
        if message.is_compressed {
            // Boxed: rare, and large enough to make every call's future larger.
            return Box::pin(self.inflate(message)).await;
        }
        Ok(message)
    }

    async fn inflate(&self, message: Message) -> Result<Message, Fault> {
        if self.head.encoding == Encoding::Identity {
            return Err(Fault::invalid(
                "a message says that it is compressed, but the call names no grpc-encoding",
            ));
        }
        let client = Arc::clone(&self.client);
        let is_small = message.body.len() <= AT_ONCE;
        let inflate = move || {
            let (reserved, body) = growing::inflate(&client, &message.body)?;
            Ok(Message { body, reserved, is_compressed: false })
        };
        if is_small {
            return inflate();
        }
        let inflated = tokio::task::spawn_blocking(inflate).await;
        inflated.unwrap_or_else(|_| Err(Fault::internal("a decompression was given up")))
    }
}
