//! One request: which question it is, and who answers it.

use super::{
    body,
    chunks::Chunks,
    control, describe, generate,
    infer::infer,
    labels, memory,
    path::{Route, Verb},
    respond::{self, Reply},
};
use crate::base::{
    clock,
    fault::{Fault, Kind},
    named::Named,
    units::Tick,
};
use crate::gateway::{Client, Gateway, labels::PATH};
use http::{HeaderMap, Method, Request, StatusCode};
use hyper::body::Incoming;
use serde::Deserialize;
use std::mem::take;
use std::sync::Arc;

/// Whether it asks for an inference, told by no more than the end of its path.
pub(super) fn infers(request: &Request<Incoming>) -> bool {
    let path = request.uri().path();
    ["/infer", "/generate", "/generate_stream"].iter().any(|end| path.ends_with(end))
}

/// Every request gets a response; nothing in it makes this fail.
pub(super) async fn answer(
    client: &Arc<Client>,
    (method, path): (&Method, &str),
    headers: &mut HeaderMap,
    body: Incoming,
) -> Reply {
    #[cfg(test)]
    crate::base::panics::trip(path);
    let Some(route) = Route::of(path) else {
        if path == PATH {
            return Box::pin(labels::answer(client, method, take(headers), body)).await;
        }
        return respond::error(take(headers), StatusCode::NOT_FOUND, "Not Found");
    };
    if let Some(posts) = route.posts()
        && *method != if posts { Method::POST } else { Method::GET }
    {
        return respond::not_allowed(take(headers), if posts { "POST" } else { "GET" });
    }
    if let Route::Model { model, version, verb } = &route {
        let to = (&**model, version.as_ref());
        match verb {
            Verb::Infer => return infer(client, to, headers, body).await,
            // Boxed: else they would make every request's future larger.
            Verb::Generate => {
                return Box::pin(generate::whole(client, to, take(headers), body)).await;
            }
            Verb::GenerateStream => {
                return Box::pin(generate::stream(client, to, take(headers), body)).await;
            }
            Verb::Metadata | Verb::Ready | Verb::Config | Verb::Statistics => {}
        }
    }
    // Boxed, too.
    let answered = Box::pin(document(client, &route, body)).await;
    let headers = take(headers);
    match answered {
        Ok(document) => {
            let mut reply = Chunks::of(document);
            match reply.count(client) {
                Ok(()) => respond::reply(headers, StatusCode::OK, reply),
                Err(fault) => respond::fault(headers, &client.gateway.told(fault, "", None)),
            }
        }
        // Not to be ready is an answer, asked for again and again, and nothing that went wrong.
        Err(fault) if fault.kind == Kind::Unavailable && route.asks_readiness() => {
            respond::fault(headers, &fault)
        }
        Err(fault) => {
            let (model, version) = route.subject();
            respond::fault(headers, &client.gateway.told(fault, model, version))
        }
    }
}

/// The JSON that answers a question about the server or a model.
async fn document(client: &Client, route: &Route<'_>, body: Incoming) -> Result<Vec<u8>, Fault> {
    let gateway = &client.gateway;
    let unsupported = |note: String| Err(Fault::new(Kind::Unsupported, note));
    match route {
        Route::Live => Ok(br#"{"live":true}"#.to_vec()),
        Route::Ready if gateway.is_ready() => Ok(br#"{"ready":true}"#.to_vec()),
        Route::Ready => Err(Fault::new(Kind::Unavailable, "Server not ready")),
        Route::Server => Ok(describe::server(gateway.regions.are_on())),
        Route::Models => Ok(describe::models(&gateway.index(false))),
        Route::Statistics => Ok(describe::statistics(&gateway.statistics(None, None)?)),
        Route::Model { model, version, verb } => about(gateway, model, version.as_ref(), *verb).await,
        Route::Index => {
            let ready_only = ready_only(&body::read(client, body).await?.1)?;
            Ok(describe::index(&gateway.index(ready_only)))
        }
        Route::Control { model, operation } => control::answer(client, model, *operation, body).await,
        Route::LoadFrom => unsupported("'repository_name' specification is not supported".to_owned()),
        Route::Memory { memory, region, asked } => {
            memory::answer(client, *memory, region.as_deref(), *asked, body).await
        }
        Route::Absent(what) => unsupported(format!("this server does not offer {what}")),
    }
}

async fn about(
    gateway: &Gateway,
    model: &str,
    version: Option<&Named>,
    verb: Verb,
) -> Result<Vec<u8>, Fault> {
    let times = (clock::now(), Tick::NEVER);
    match verb {
        Verb::Ready if gateway.is_model_ready(model, version) => Ok(describe::ready(model)),
        Verb::Ready => {
            gateway.describe(model, version)?; // unknown is another answer than not ready
            Err(Fault::new(Kind::Unavailable, "Model version not ready"))
        }
        Verb::Config => {
            let (contract, _) = gateway.describe_later(model, version, times).await?;
            Ok(describe::config(&contract, &gateway.steps(&contract)))
        }
        Verb::Statistics => Ok(describe::statistics(&gateway.statistics(Some(model), version)?)),
        Verb::Metadata | Verb::Infer | Verb::Generate | Verb::GenerateStream => {
            let (contract, versions) = gateway.describe_later(model, version, times).await?;
            Ok(describe::metadata(&contract, &versions))
        }
    }
}

/// The index's body: nothing, or `{"ready": bool}`.
fn ready_only(body: &[u8]) -> Result<bool, Fault> {
    #[derive(Default, Deserialize)]
    struct Filter {
        #[serde(default)]
        ready: bool,
    }
    if body.trim_ascii().is_empty() {
        return Ok(false);
    }
    let filter: Filter = serde_json::from_slice(body)
        .map_err(|error| Fault::invalid(format!("failed to parse the request JSON buffer: {error}")))?;
    Ok(filter.ready)
}
