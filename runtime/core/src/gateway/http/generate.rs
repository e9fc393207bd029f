//! Triton's `generate` and `generate_stream`: flat JSON in and out, of versions that answer in parts and of any other.

use super::{
    chunks::Chunks,
    events::Events,
    headers::{self, Shape, Wishes},
    infer::{LONG, aside, receive},
    respond::{self, Reply},
};
use crate::base::{clock, fault::Fault, inference::Inference, named::Named, units::Tick};
use crate::gateway::{
    Client, Reserved,
    memory::growing,
    requests::{answers::Answers, joined, stages},
};
use crate::wire::{
    budget::Budget,
    json::{flat, generate},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper::body::Incoming;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");

/// Whom it is for.
type Subject<'a> = (&'a str, Option<&'a Named>);

/// All that the model answers, in one object.
pub(super) async fn whole(
    client: &Arc<Client>,
    to: Subject<'_>,
    headers: HeaderMap,
    body: Incoming,
) -> Reply {
    let answered = async {
        let (mut answers, asked) = ask(client, to, &headers, body).await?;
        let answer = joined::all(client, &mut answers).await?;
        let mut json = Vec::new();
        let written = flat::write(&mut json, &answer);
        let mut chunks = Chunks::of(json);
        written.and_then(|()| chunks.count(client)).map_err(|fault| answers.fail(fault))?;
        answers.delivered();
        Ok((answer, asked, chunks))
    };
    match answered.await {
        Ok((mut answer, asked, chunks)) => {
            let mut reply = respond::reply(headers, StatusCode::OK, chunks);
            stages::Told::of(&mut answer, asked.timing).write(reply.headers_mut());
            reply
        }
        Err(fault) => respond::fault(headers, &fault),
    }
}

/// An event for each answer. The first decides about the status.
pub(super) async fn stream(
    client: &Arc<Client>,
    to: Subject<'_>,
    headers: HeaderMap,
    body: Incoming,
) -> Reply {
    let answered = async {
        let (mut answers, _) = ask(client, to, &headers, body).await?;
        let first = answers.next().await.transpose()?;
        let version = answers.contract().version;
        Ok((version, Events::begin(Arc::clone(client), answers, first)?))
    };
    match answered.await {
        Ok((version, events)) => {
            let mut reply = respond::reply(headers, StatusCode::OK, Chunks::live(events));
            reply.headers_mut().insert(header::CONTENT_TYPE, EVENTS);
            reply.headers_mut().insert(stages::VERSION, stages::number(version.told().0));
            reply
        }
        Err(fault) => respond::fault(headers, &fault),
    }
}

/// Faults were counted and reported.
async fn ask(
    client: &Arc<Client>,
    to: Subject<'_>,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<(Answers, Wishes), Fault> {
    let (gateway, arrived) = (&client.gateway, clock::now());
    let heard = pin!(async {
        let asked = headers::read(headers)?;
        let read = receive(client, body, asked).await?;
        gateway.check_name(to.1.is_some(), gateway.may_name_versions(headers))?;
        Ok((parse(client, to, asked, read, arrived).await?, asked))
    });
    let heard = gateway.hear(heard).await;
    let ((mut inference, reserved), asked) =
        heard.map_err(|fault| gateway.turned_away(fault, to.0, to.1.and_then(Named::number)))?;
    inference.facts = gateway.facts(headers);
    let answers = gateway.open(inference, reserved, client).await?;
    Ok((answers, asked))
}

async fn parse(
    client: &Arc<Client>,
    (model, version): Subject<'_>,
    asked: Wishes,
    (mut reserved, body): (Reserved, bytes::Bytes),
    arrived: Tick,
) -> Result<(Box<Inference>, Reserved), Fault> {
    if asked.shape != (Shape::Json { len: None }) {
        return Err(Fault::invalid("generate reads one JSON object: send bytes with /infer"));
    }
    let gateway = &client.gateway;
    let times = (arrived, asked.deadline(arrived, None));
    let (contract, _) = gateway.describe_later(model, version, times).await?;
    let (depth, most) = (gateway.limits().json_depth, gateway.limits().body_bytes);
    let (place, len) = (growing::place(&body), body.len());
    let read = move || {
        let mut leave = |more| reserved.grow(more);
        let mut budget = Budget::new(most, len, &mut leave);
        let request = generate::read(&body, &contract, depth, &mut budget)?;
        Ok::<_, Fault>((request, reserved))
    };
    let (request, reserved) = if len > LONG { aside(read).await?? } else { read()? };
    let told = (request.timeout_us > 0).then(|| Duration::from_micros(request.timeout_us));
    let reserved = growing::widen(reserved, &place, &request.inputs)?;
    let inference = Box::new(Inference {
        model: model.into(),
        version: version.cloned(),
        id: request.id,
        parameters: request.parameters,
        inputs: request.inputs,
        outputs: Vec::new(),
        deadline: asked.deadline(arrived, told),
        arrived,
        facts: Vec::new(),
        traced: asked.timing,
        callers: None,
    });
    Ok((inference, reserved))
}
