//! One inference over HTTP: from headers and body to the gateway, and from its answer to a response.

use super::{
    body,
    chunks::Chunks,
    headers::{self, Shape, Wishes},
    respond::{self, Reply},
};
use crate::base::{
    clock,
    fault::Fault,
    inference::{Answer, Inference, Wanted},
    named::Named,
    units::Tick,
};
use crate::gateway::{
    Client, Gateway, Reserved,
    memory::growing,
    requests::{
        shared::{self, Destinations},
        stages,
    },
};
use crate::wire::{
    budget::Budget,
    compress,
    json::{
        reply::{self, Encoded, Form},
        request::{self, InferRequest},
    },
    raw,
};
use bytes::Bytes;
use compact_str::CompactString;
use http::{HeaderMap, HeaderValue, header};
use hyper::body::Incoming;
use std::{mem::take, pin::pin, sync::Arc, time::Duration};

const BINARY: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// Bodies beyond this are parsed and compressed on a thread of their own: a megabyte of numbers takes milliseconds,
/// in which one of few threads would serve nobody else.
pub(super) const LONG: usize = 256 << 10;
/// Compressed bytes that are inflated where they came in: they may become a thousand times as many.
const AT_ONCE: usize = 4 << 10;
/// Smaller answers are not worth the compressor's tables.
const WORTH_COMPRESSING: usize = 1024;

/// What an answer must look like, kept while the request is away.
struct Wish {
    outputs: Vec<Wanted>,
    binary: bool,
    destinations: Destinations,
}

impl Wish {
    fn form(&self, output: &str) -> Form {
        let listed = self.outputs.iter().find(|wanted| wanted.name == output);
        if listed.is_some_and(|wanted| wanted.region.is_some()) {
            return Form::Elsewhere;
        }
        let binary = listed.map_or(self.binary, |wanted| wanted.binary.unwrap_or(false));
        if binary { Form::Binary } else { Form::Json }
    }
}

/// Never fails: a fault becomes a response. `headers` are the request's, and the response has their map.
pub(super) async fn infer(
    client: &Arc<Client>,
    (model, version): (&str, Option<&Named>),
    headers: &mut HeaderMap,
    body: Incoming,
) -> Reply {
    let (gateway, arrived) = (&client.gateway, clock::now());
    // Faults of the gateway have been counted and reported there.
    let unread = |fault: Fault| gateway.turned_away(fault, model, version.and_then(Named::number));
    let asked = match headers::read(headers) {
        Ok(asked) => asked,
        Err(fault) => return respond::fault(take(headers), &unread(fault)),
    };
    let (facts, may_name) = (gateway.facts(headers), gateway.may_name_versions(headers));
    headers.clear(); // what they said is not kept while the request waits
    let read =
        gateway.hear(pin!(read(client, (model, version, may_name), asked, (arrived, facts), body))).await;
    let done = match read {
        Ok((inference, mut wish, reserved)) => {
            let deliver = |mut answer: Answer| async move {
                if !wish.destinations.are_none() {
                    Box::pin(take(&mut wish.destinations).fill(&mut answer)).await?;
                }
                let told = stages::Told::of(&mut answer, asked.timing);
                let mut sent = if work(&answer, &wish, asked.accepts.is_some()) > LONG {
                    Box::pin(aside(move || encode(&answer, &wish, asked))).await??
                } else {
                    encode(&answer, &wish, asked)?
                };
                sent.body.count(client)?;
                Ok((told, sent))
            };
            gateway.infer(inference, reserved, deliver).await
        }
        Err(fault) => Err(unread(fault)),
    };
    let mut headers = take(headers);
    match done {
        Ok((told, sent)) => {
            told.write(&mut headers);
            finish(headers, sent)
        }
        Err(fault) => respond::fault(headers, &fault),
    }
}

/// What is asked, as soon as all of it is here.
async fn read(
    client: &Arc<Client>,
    (model, version, may_name): (&str, Option<&Named>, bool),
    asked: Wishes,
    told: (Tick, Vec<(CompactString, CompactString)>),
    body: Incoming,
) -> Result<(Box<Inference>, Wish, Reserved), Fault> {
    let (reserved, bytes) = receive(client, body, asked).await?;
    client.gateway.check_name(version.is_some(), may_name)?;
    let place = growing::place(&bytes);
    let (mut inference, mut wish, mut reserved) =
        parse(&client.gateway, (model, version), asked, (reserved, bytes), told).await?;
    if shared::is_shared(&inference) {
        wish.destinations = Box::pin(client.fetch(&mut inference, &mut reserved)).await?;
    }
    let reserved = growing::widen(reserved, &place, &inference.inputs)?;
    Ok((inference, wish, reserved))
}

pub(super) async fn receive(
    client: &Arc<Client>,
    body: Incoming,
    asked: Wishes,
) -> Result<(Reserved, Bytes), Fault> {
    let (reserved, bytes) = body::read(client, body).await?;
    if asked.coding.is_none() {
        return Ok((reserved, bytes));
    }
    let (client, is_long) = (Arc::clone(client), bytes.len() > AT_ONCE);
    let inflate = move || {
        let plain = growing::inflate(&client, &bytes);
        drop((reserved, bytes));
        plain
    };
    if is_long { Box::pin(aside(inflate)).await? } else { inflate() }
}

/// Runs long work on a thread where it may block. It is rare, and boxed where it is awaited: else it would make every
/// request's future larger.
pub(super) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Fault::internal(format!("a codec broke: {error}")))
}

async fn parse(
    gateway: &Arc<Gateway>,
    (model, version): (&str, Option<&Named>),
    asked: Wishes,
    (reserved, body): (Reserved, Bytes),
    (arrived, facts): (Tick, Vec<(CompactString, CompactString)>),
) -> Result<(Box<Inference>, Wish, Reserved), Fault> {
    let (request, reserved) = match asked.shape {
        Shape::Raw { binary } => {
            let times = (arrived, asked.deadline(arrived, None));
            let (contract, _) = gateway.describe_later(model, version, times).await?;
            let inputs = std::iter::once(raw::input(&contract, body)?).collect();
            (InferRequest { inputs, binary_output: binary, ..InferRequest::default() }, reserved)
        }
        Shape::Json { len } => {
            let total = body.len();
            let len = len.unwrap_or(total);
            if len > total {
                return Err(Fault::invalid(format!(
                    "inference header size should be in range (0, {total}), got: {len}"
                )));
            }
            let (depth, most) = (gateway.limits().json_depth, gateway.limits().body_bytes);
            let read = move |model: &str, mut reserved: Reserved| {
                let mut leave = |more| reserved.grow(more);
                let mut budget = Budget::new(most, len, &mut leave);
                let request = request::read(&body, len, model, depth, &mut budget)?;
                Ok((request, reserved))
            };
            if len > LONG {
                let model = model.to_owned();
                Box::pin(aside(move || read(&model, reserved))).await??
            } else {
                read(model, reserved)?
            }
        }
    };
    let told = (request.timeout_us > 0).then(|| Duration::from_micros(request.timeout_us));
    let (outputs, binary) = (request.outputs.clone(), request.binary_output);
    let wish = Wish { outputs, binary, destinations: Destinations::default() };
    // Boxed: it goes through many hands, and each would copy it.
    let inference = Box::new(Inference {
        model: model.into(),
        version: version.cloned(),
        id: request.id,
        parameters: request.parameters,
        inputs: request.inputs,
        outputs: request.outputs,
        deadline: asked.deadline(arrived, told),
        arrived,
        facts,
        traced: asked.timing,
        callers: None,
    });
    Ok((inference, wish, reserved))
}

/// What goes out, and how it is coded.
struct Sent {
    body: Chunks,
    /// Where the JSON ends, before compression, if bytes follow it.
    json_len: Option<usize>,
    coding: Option<compress::Coding>,
}

/// Bytes that encoding has to go through: what becomes JSON, and all of it if it is compressed.
fn work(answer: &Answer, wish: &Wish, compresses: bool) -> usize {
    let name = |place: usize| answer.contract.outputs.get(place).map_or("", |spec| spec.name.as_str());
    let worked = answer.outputs.iter().filter(|(at, _)| compresses || wish.form(name(*at)) == Form::Json);
    worked.map(|(_, tensor)| tensor.data.len()).sum()
}

fn encode(answer: &Answer, wish: &Wish, asked: Wishes) -> Result<Sent, Fault> {
    let Encoded { json, blobs, binary } = reply::write(answer, |output| wish.form(output))?;
    let json_len = binary.then_some(json.len());
    let size = json.len() + blobs.iter().map(Bytes::len).sum::<usize>();
    if let Some(coding) = asked.accepts.filter(|_| size >= WORTH_COMPRESSING) {
        let pieces = std::iter::once(json.as_slice()).chain(blobs.iter().map(|blob| &**blob));
        let body = compress::deflate(pieces, coding)
            .map_err(|error| Fault::internal(format!("the answer cannot be compressed: {error}")))?;
        return Ok(Sent { body: Chunks::of(body), json_len, coding: Some(coding) });
    }
    Ok(Sent { body: Chunks::chain(json.into(), blobs), json_len, coding: None })
}

/// `headers` already hold what else the answer says.
fn finish(mut headers: HeaderMap, sent: Sent) -> Reply {
    if let Some(coding) = sent.coding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    }
    let content_type = match sent.json_len {
        Some(len) => {
            headers.insert(headers::JSON_LENGTH, stages::number(u64::try_from(len).unwrap_or(u64::MAX)));
            BINARY
        }
        None => respond::JSON,
    };
    headers.insert(header::CONTENT_TYPE, content_type);
    let mut response = Reply::new(sent.body);
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{datatype::Datatype, tensor::Tensor};

    #[test]
    fn only_what_is_written_anew_makes_an_answer_long() {
        let spec = |name: &str| serde_json::json!({"name": name, "datatype": "UINT8", "shape": [-1]});
        let contract = serde_json::json!({"model": "m", "version": 1, "platform": "python", "inputs": [],
            "outputs": [spec("y"), spec("z")], "batching": {"max_rows": 8}});
        let tensor = |len: usize| Tensor {
            datatype: Datatype::Uint8,
            shape: [1].into_iter().collect(),
            data: vec![0; len].into(),
        };
        let answer = Answer {
            contract: Arc::new(serde_json::from_value(contract).unwrap()),
            id: CompactString::default(),
            outputs: [(0, tensor(300)), (1, tensor(7))].into_iter().collect(),
            parameters: Vec::new(),
            timing: crate::base::call::Timing::default(),
            prediction: None,
        };
        let listed = |binary| Wanted { name: "y".into(), binary, classification: 0, region: None };
        let table = [
            (false, vec![], false, 307),
            (true, vec![], false, 0),
            (true, vec![listed(None)], false, 300),
            (true, vec![listed(Some(false))], false, 300),
            (false, vec![listed(Some(true))], false, 7),
            (true, vec![], true, 307),
        ];
        for (binary, outputs, compresses, want) in table {
            let wish = Wish { outputs, binary, destinations: Destinations::default() };
            assert_eq!(work(&answer, &wish, compresses), want, "{binary} {:?}", wish.outputs);
        }
    }
}
