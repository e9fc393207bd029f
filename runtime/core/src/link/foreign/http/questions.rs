//! What a server says of its models over HTTP.

use super::{
    body::Sent,
    exchange::{Answer, Caller, path},
    status,
};
use crate::base::fault::{Fault, Kind};
use crate::link::failure::Failure;
use crate::link::foreign::{
    INDEX_BYTES, PATIENCE,
    contract::{Listed, Place, Stated, Told},
};
use crate::wire::oip_proto::messages as m;
use bytes::Bytes;
use http::{Method, StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};
use std::sync::atomic::Ordering::Relaxed;

/// The extension by which tensors stand behind the JSON as bytes.
const BINARY: &str = "binary_tensor_data";

#[derive(Default, Deserialize)]
struct Server {
    #[serde(default)]
    extensions: Vec<String>,
}

#[derive(Deserialize)]
struct Readiness {
    ready: Option<bool>,
}

#[derive(Deserialize)]
struct Metadata {
    platform: Option<String>,
    inputs: Option<Vec<Stated>>,
    outputs: Option<Vec<Stated>>,
}

/// Triton's, as far as requests are checked by it.
#[derive(Default, Deserialize)]
struct Config {
    #[serde(default)]
    max_batch_size: i32,
    #[serde(default)]
    input: Vec<Input>,
    model_transaction_policy: Option<Policy>,
}

#[derive(Deserialize)]
struct Input {
    #[serde(default)]
    name: String,
    #[serde(default)]
    optional: bool,
}

#[derive(Deserialize)]
struct Policy {
    #[serde(default)]
    decoupled: bool,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    version: Option<String>,
    #[serde(default)]
    state: String,
    reason: Option<String>,
}

/// Asks whether the version is ready, for its tensors, and whether the server takes them as bytes.
pub(in crate::link::foreign) async fn learn(caller: &Caller, place: &Place) -> Result<Told, Failure> {
    let path = path(place);
    let ready = question(caller, Method::GET, &format!("{path}/ready")).await?;
    let denies = || serde_json::from_slice(&ready.body).is_ok_and(|one: Readiness| one.ready == Some(false));
    if ready.status != StatusCode::OK || denies() {
        return Err(Failure::Told(place.not_ready()));
    }
    let metadata: Metadata = read(&question(caller, Method::GET, &path).await?)?;
    // The protocol's core has no such question: MLServer and KServe do not know it.
    let config = question(caller, Method::GET, &format!("{path}/config")).await?;
    let config: Config = if knows_not(config.status) { Config::default() } else { read(&config)? };
    let server = question(caller, Method::GET, "/v2").await?;
    let server = match server.status {
        StatusCode::OK => serde_json::from_slice(&server.body).unwrap_or_default(),
        status if knows_not(status) => Server::default(),
        status => return Err(Failure::Told(status::fault(status, &server.body))),
    };
    caller.binary.store(server.extensions.iter().any(|one| one == BINARY), Relaxed);
    if config.model_transaction_policy.as_ref().is_some_and(|policy| policy.decoupled) {
        let note =
            "it answers in parts, which HTTP has no form for: give its address of gRPC, grpc://HOST:PORT";
        return Err(Failure::Told(Fault::new(Kind::Unsupported, note)));
    }
    Ok(told(metadata, config))
}

/// A server that answers so has no such question. Of anything else the answer may be another one a moment later, or to who
/// may ask.
fn knows_not(status: StatusCode) -> bool {
    let is_known = matches!(status.as_u16(), 401 | 403 | 407 | 408 | 425 | 429);
    (status.is_client_error() && !is_known) || status == StatusCode::NOT_IMPLEMENTED
}

/// What the server has. `Unsupported` from one that has no index.
pub(in crate::link::foreign) async fn list(caller: &Caller) -> Result<Vec<Listed>, Failure> {
    let answer = question(caller, Method::POST, "/v2/repository/index").await?;
    if matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) {
        return Err(Failure::Told(Fault::new(Kind::Unsupported, "it has no index of its models")));
    }
    let rows: Vec<Row> = read(&answer)?;
    let one = |row: Row| Listed {
        is_ready: row.state == "READY",
        model: row.name,
        version: row.version.unwrap_or_default(),
        reason: row.reason.unwrap_or_default(),
    };
    Ok(rows.into_iter().map(one).collect())
}

async fn question(caller: &Caller, method: Method, path: &str) -> Result<Answer, Failure> {
    let mut head = caller.head(method.clone(), path);
    let mut body = Sent::default();
    if method == Method::POST {
        head = head.header(header::CONTENT_TYPE, "application/json");
        body = Sent::new([Bytes::from_static(b"{}")]);
    }
    let late = || Failure::Told(Fault::new(Kind::Expired, format!("it did not answer within {PATIENCE:?}")));
    let asking = caller.ask(head, body, INDEX_BYTES);
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| Err(late()))
}

fn read<R: DeserializeOwned>(answer: &Answer) -> Result<R, Failure> {
    if answer.status != StatusCode::OK {
        return Err(Failure::Told(status::fault(answer.status, &answer.body)));
    }
    serde_json::from_slice(&answer.body)
        .map_err(|error| Failure::Told(Fault::internal(format!("its answer does not parse: {error}"))))
}

fn told(metadata: Metadata, config: Config) -> Told {
    let tensors = |all: Option<Vec<Stated>>| all.unwrap_or_default().into_iter().map(Stated::into).collect();
    let input =
        |one: Input| m::ModelInput { name: one.name, optional: one.optional, ..m::ModelInput::default() };
    Told {
        metadata: m::ModelMetadataResponse {
            platform: metadata.platform.unwrap_or_default(),
            inputs: tensors(metadata.inputs),
            outputs: tensors(metadata.outputs),
            ..m::ModelMetadataResponse::default()
        },
        config: m::ModelConfig {
            max_batch_size: config.max_batch_size,
            input: config.input.into_iter().map(input).collect(),
            ..m::ModelConfig::default()
        },
    }
}
