//! What a server says of its models over gRPC.

use crate::base::{
    clock,
    fault::{Fault, Kind},
};
use crate::link::foreign::{
    INDEX_BYTES, PATIENCE,
    contract::{Listed, Place, Told},
};
use crate::link::{failure::Failure, grpc::exchange::Caller};
use crate::wire::oip_proto::{
    answer::{PREFIX, Pieces, put_prefix},
    messages as m,
};
use bytes::{BufMut, BytesMut};
use prost::Message;

/// Asks whether the version is ready, and for its tensors.
pub(in crate::link::foreign) async fn learn(caller: &Caller, place: &Place) -> Result<Told, Failure> {
    let (name, version) = (place.model.clone(), place.version.clone());
    let asked = m::ModelReadyRequest { name: name.clone(), version: version.clone() };
    let found: m::ModelReadyResponse =
        question(caller, "/inference.GRPCInferenceService/ModelReady", &asked).await?;
    if !found.ready {
        return Err(Failure::Told(place.not_ready()));
    }
    let asked = m::ModelMetadataRequest { name: name.clone(), version: version.clone() };
    let metadata: m::ModelMetadataResponse =
        question(caller, "/inference.GRPCInferenceService/ModelMetadata", &asked).await?;
    let asked = m::ModelConfigRequest { name, version };
    let config = question(caller, "/inference.GRPCInferenceService/ModelConfig", &asked).await;
    let config: Option<m::ModelConfigResponse> = match config {
        Ok(config) => Some(config),
        // The protocol's core has no such question: MLServer and KServe answer so.
        Err(Failure::Told(fault)) if fault.kind == Kind::Unsupported => None,
        Err(failure) => return Err(failure),
    };
    Ok(Told { metadata, config: config.and_then(|found| found.config).unwrap_or_default() })
}

/// What the server has. `Unsupported` from one that has no index.
pub(in crate::link::foreign) async fn list(caller: &Caller) -> Result<Vec<Listed>, Failure> {
    let asked = m::RepositoryIndexRequest::default();
    let found: m::RepositoryIndexResponse =
        question(caller, "/inference.GRPCInferenceService/RepositoryIndex", &asked).await?;
    let one = |row: m::repository_index_response::ModelIndex| Listed {
        // MLServer writes the name of its class of states before it.
        is_ready: row.state.rsplit('.').next() == Some("READY"),
        model: row.name,
        version: row.version,
        reason: row.reason,
    };
    Ok(found.models.into_iter().map(one).collect())
}

async fn question<A: Message, R: Message + Default>(
    caller: &Caller,
    path: &'static str,
    asked: &A,
) -> Result<R, Failure> {
    let len = asked.encoded_len();
    let mut message = BytesMut::with_capacity(len + PREFIX);
    put_prefix(&mut message, len).map_err(Failure::Told)?;
    message.put_slice(&asked.encode_to_vec());
    let until = clock::now().plus(PATIENCE);
    let asking = caller.ask(path, Pieces::from_iter([message.freeze()]), until, &[]);
    let late = || Failure::Told(Fault::new(Kind::Expired, format!("it did not answer within {PATIENCE:?}")));
    let answer = tokio::time::timeout_at(clock::instant(until), asking).await.map_err(|_| late())??;
    if answer.len() > INDEX_BYTES {
        // What is read of it takes many times as much.
        let note = format!("its answer has {} bytes, and {INDEX_BYTES} are read", answer.len());
        return Err(Failure::Told(Fault::internal(note)));
    }
    let wrong = |error| Failure::Told(Fault::internal(format!("its answer does not parse: {error}")));
    R::decode(answer).map_err(wrong)
}
