//! What another server says of its models: the contract by which ours send it calls.

use super::INDEX_BYTES;
use crate::base::{
    clock,
    contract::{Batching, Contract, TensorSpec},
    datatype::Datatype,
    fault::{Fault, Kind},
    units::Version,
};
use crate::link::grpc::{exchange::Caller, status::Failure};
use crate::wire::oip_proto::{
    answer::{Pieces, put_prefix},
    messages as m,
};
use bytes::{BufMut, BytesMut};
use prost::Message;
use std::time::Duration;

/// For each question about a model.
const PATIENCE: Duration = Duration::from_secs(5);
/// Tensors that a model may have; a few bytes on the wire become a hundred in memory.
const MOST_TENSORS: usize = 4096;

/// A version on another server, and what it is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub model: String,
    /// As the server names it; empty: as it chooses.
    pub version: String,
}

/// One row of another server's index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub model: String,
    pub version: String,
    pub is_ready: bool,
    pub reason: String,
}

/// Asks whether the version is ready, and for its tensors. The contract is for version `as_version` of `as_model` here.
pub(super) async fn learn(
    caller: &Caller,
    place: &Place,
    (as_model, as_version): (&str, Version),
) -> Result<Contract, Failure> {
    let (name, version) = (place.model.clone(), place.version.clone());
    let asked = m::ModelReadyRequest { name: name.clone(), version: version.clone() };
    let found: m::ModelReadyResponse =
        question(caller, "/inference.GRPCInferenceService/ModelReady", &asked).await?;
    if !found.ready {
        let note = format!("it says that model '{name}'{} is not ready", shown(&version));
        return Err(Failure::Told(Fault::new(Kind::Unavailable, note)));
    }
    let asked = m::ModelMetadataRequest { name: name.clone(), version: version.clone() };
    let metadata = question(caller, "/inference.GRPCInferenceService/ModelMetadata", &asked).await?;
    let asked = m::ModelConfigRequest { name, version };
    let config = question(caller, "/inference.GRPCInferenceService/ModelConfig", &asked).await;
    let config: Option<m::ModelConfigResponse> = match config {
        Ok(config) => Some(config),
        // The protocol's core has no such question: MLServer and KServe answer so.
        Err(Failure::Told(fault)) if fault.kind == Kind::Unsupported => None,
        Err(failure) => return Err(failure),
    };
    let config = config.and_then(|found| found.config).unwrap_or_default();
    contract(&metadata, &config, (as_model, as_version)).map_err(Failure::Told)
}

/// What the server has. `Unsupported` from one that has no index.
pub(super) async fn list(caller: &Caller) -> Result<Vec<Listed>, Failure> {
    let asked = m::RepositoryIndexRequest::default();
    let found: m::RepositoryIndexResponse =
        question(caller, "/inference.GRPCInferenceService/RepositoryIndex", &asked).await?;
    let one = |row: m::repository_index_response::ModelIndex| Listed {
        is_ready: row.state == "READY",
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
    let mut message = BytesMut::with_capacity(len + crate::wire::oip_proto::answer::PREFIX);
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

fn shown(version: &str) -> String {
    if version.is_empty() { String::new() } else { format!(" version {version}") }
}

/// The contract of a version by what its server says of it. Without a configuration its tensors are taken as they
/// are told, with no axis of rows.
fn contract(
    metadata: &m::ModelMetadataResponse,
    config: &m::ModelConfig,
    (model, version): (&str, Version),
) -> Result<Contract, Fault> {
    let max_rows = u32::try_from(config.max_batch_size).unwrap_or(0);
    let unbatched = max_rows == 0;
    let refuse = |why: String| Fault::new(Kind::Unsupported, why);
    let specs = |what: &str, tensors: &[m::model_metadata_response::TensorMetadata]| {
        if tensors.is_empty() || tensors.len() > MOST_TENSORS {
            let count = tensors.len();
            return Err(refuse(format!(
                "its metadata names {count} {what}: expected 1 to {MOST_TENSORS}, by which requests are checked"
            )));
        }
        tensors.iter().map(|tensor| spec(tensor, unbatched).map_err(refuse)).collect::<Result<Vec<_>, _>>()
    };
    if config.input.iter().any(|input| input.optional) {
        return Err(refuse("it has inputs that may be left out, which is not offered".to_owned()));
    }
    Ok(Contract {
        model: model.into(),
        version,
        platform: metadata.platform.as_str().into(),
        inputs: specs("inputs", &metadata.inputs)?,
        outputs: specs("outputs", &metadata.outputs)?,
        batching: Batching { max_rows: max_rows.max(1), ..Batching::default() },
        repeatable: false,
        lanes: 1,
        streams: config.model_transaction_policy.as_ref().is_some_and(|policy| policy.decoupled),
        unbatched,
        sequences: None,
        feedback: None,
    })
}

fn spec(tensor: &m::model_metadata_response::TensorMetadata, unbatched: bool) -> Result<TensorSpec, String> {
    let (name, shape) = (&tensor.name, &tensor.shape);
    let datatype = Datatype::from_name(&tensor.datatype)
        .ok_or_else(|| format!("its tensor '{name}' is {}, which is no datatype", tensor.datatype))?;
    let row = match (unbatched, shape.split_first()) {
        (true, _) => shape.as_slice(),
        (false, Some((-1, row))) => row,
        (false, _) => return Err(format!("its tensor '{name}' has the shape {shape:?} and no axis of rows")),
    };
    if row.iter().any(|size| *size < -1) {
        return Err(format!("its tensor '{name}' has the shape {shape:?}"));
    }
    Ok(TensorSpec::new(name.as_str(), datatype, row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use m::model_metadata_response::TensorMetadata;

    fn told(shape: &[i64], datatype: &str) -> m::ModelMetadataResponse {
        let tensor =
            |name: &str| TensorMetadata { name: name.into(), datatype: datatype.into(), shape: shape.into() };
        m::ModelMetadataResponse {
            name: "theirs".into(),
            platform: "onnxruntime_onnx".into(),
            inputs: vec![tensor("x")],
            outputs: vec![tensor("y")],
            ..m::ModelMetadataResponse::default()
        }
    }

    #[test]
    fn a_contract_is_what_the_server_says() {
        /// Shape, most rows and datatype as they are told; a row's shape, and whether there are none.
        type Case<'a> = (&'a [i64], i32, &'a str, Result<(&'a [i64], bool), &'a str>);
        let cases: [Case<'_>; 6] = [
            (&[-1, 4], 8, "FP32", Ok((&[4], false))),
            (&[-1, 4], 0, "FP32", Ok((&[-1, 4], true))),
            (&[], 0, "BYTES", Ok((&[], true))),
            (&[4], 8, "FP32", Err("no axis of rows")),
            (&[-1, -2], 8, "FP32", Err("[-1, -2]")),
            (&[-1, 4], 8, "FP8", Err("no datatype")),
        ];
        for (shape, max_batch_size, datatype, want) in cases {
            let config = m::ModelConfig { max_batch_size, ..m::ModelConfig::default() };
            let got = contract(&told(shape, datatype), &config, ("ours", Version(7)));
            match want {
                Ok((row, unbatched)) => {
                    let got = got.unwrap();
                    assert_eq!((got.model.as_str(), got.version), ("ours", Version(7)));
                    assert_eq!((got.inputs[0].shape.as_slice(), got.unbatched), (row, unbatched));
                    assert_eq!(got.batching.max_rows, u32::try_from(max_batch_size).unwrap().max(1));
                }
                Err(why) => assert!(got.unwrap_err().note.contains(why), "{shape:?}"),
            }
        }
    }

    #[test]
    fn what_could_not_be_checked_is_refused() {
        let config = m::ModelConfig::default();
        let none = m::ModelMetadataResponse::default();
        let got = contract(&none, &config, ("ours", Version(1))).unwrap_err();
        assert!(got.note.contains("names 0 inputs"), "{got}");
        let input = m::ModelInput { name: "x".into(), optional: true, ..m::ModelInput::default() };
        let config = m::ModelConfig { input: vec![input], ..config };
        assert!(contract(&told(&[-1], "FP32"), &config, ("ours", Version(1))).is_err());
    }
}
