//! The calls that only look: health, metadata, configuration, statistics, the repository's index.

use super::{
    call::Call,
    control,
    memory::{device_memory, memory},
    method::Question,
};
use crate::base::{
    contract::{Batching, Contract, TensorSpec},
    datatype::Datatype,
    fault::{Fault, Kind},
    sequence::{Control, ControlKind, SequenceBatching, Strategy},
    step::Step,
};
use crate::gateway::Gateway;
use crate::meter::{Span, Statistics};
use crate::wire::oip_proto::{
    health::{HealthCheckResponse, health_check_response::ServingStatus},
    messages as m,
    request::version,
};
use crate::wire::server;
use bytes::Bytes;
use compact_str::CompactString;
use prost::Message;
use std::collections::BTreeMap;

pub(super) async fn reply(call: &Call, question: Question, request: Bytes) -> Result<Vec<u8>, Fault> {
    let (gateway, times) = (call.gateway(), (call.arrived, call.deadline));
    Ok(match question {
        Question::ServerLive => m::ServerLiveResponse { live: true }.encode_to_vec(),
        Question::ServerReady => m::ServerReadyResponse { ready: gateway.is_ready() }.encode_to_vec(),
        Question::HealthCheck => {
            let status = if gateway.is_ready() { ServingStatus::Serving } else { ServingStatus::NotServing };
            HealthCheckResponse { status: status.into() }.encode_to_vec()
        }
        Question::ModelReady => {
            let asked: m::ModelReadyRequest = read(request)?;
            let ready = gateway.is_model_ready(&asked.name, version(&asked.version)?.as_ref());
            m::ModelReadyResponse { ready }.encode_to_vec()
        }
        Question::ServerMetadata => about(gateway.regions.are_on()).encode_to_vec(),
        Question::ModelMetadata => {
            let asked: m::ModelMetadataRequest = read(request)?;
            let named = version(&asked.version)?;
            let (contract, versions) = gateway.describe_later(&asked.name, named.as_ref(), times).await?;
            let versions = versions.iter().map(ToString::to_string).collect();
            metadata(&contract, versions).encode_to_vec()
        }
        Question::ModelConfig => {
            let asked: m::ModelConfigRequest = read(request)?;
            let named = version(&asked.version)?;
            let (contract, _) = gateway.describe_later(&asked.name, named.as_ref(), times).await?;
            let config = config(&contract, &gateway.steps(&contract));
            m::ModelConfigResponse { config: Some(config) }.encode_to_vec()
        }
        Question::ModelStatistics => {
            let asked: m::ModelStatisticsRequest = read(request)?;
            let model = (!asked.name.is_empty()).then_some(asked.name.as_str());
            let rows = gateway.statistics(model, version(&asked.version)?.as_ref())?;
            m::ModelStatisticsResponse { model_stats: rows.iter().map(statistics).collect() }.encode_to_vec()
        }
        Question::RepositoryIndex => {
            let asked: m::RepositoryIndexRequest = read(request)?;
            no_repository(&asked.repository_name)?;
            index(gateway, asked.ready).encode_to_vec()
        }
        Question::RepositoryModelLoad => control::load(gateway, request).await?,
        Question::RepositoryModelUnload => control::unload(gateway, request).await?,
        Question::SystemSharedMemoryStatus => {
            let asked: m::SystemSharedMemoryStatusRequest = read(request)?;
            memory(&gateway.regions.status(named(&asked.name))?).encode_to_vec()
        }
        Question::CudaSharedMemoryStatus => {
            let asked: m::CudaSharedMemoryStatusRequest = read(request)?;
            device_memory(&gateway.regions.device_status(named(&asked.name))?).encode_to_vec()
        }
        Question::SystemSharedMemoryRegister => {
            let asked: m::SystemSharedMemoryRegisterRequest = read(request)?;
            gateway.regions.register(&asked.name, &asked.key, asked.offset, asked.byte_size)?;
            Vec::new()
        }
        Question::SystemSharedMemoryUnregister => {
            let asked: m::SystemSharedMemoryUnregisterRequest = read(request)?;
            gateway.regions.unregister(named(&asked.name));
            Vec::new()
        }
        Question::CudaSharedMemoryRegister => {
            let asked: m::CudaSharedMemoryRegisterRequest = read(request)?;
            let m::CudaSharedMemoryRegisterRequest { name, raw_handle, device_id, byte_size } = asked;
            gateway.regions.register_device(&name, &raw_handle, device_id, byte_size)?;
            Vec::new()
        }
        Question::CudaSharedMemoryUnregister => {
            let asked: m::CudaSharedMemoryUnregisterRequest = read(request)?;
            gateway.regions.unregister_device(named(&asked.name)).await;
            Vec::new()
        }
    })
}

pub(super) fn read<T: Message + Default>(request: Bytes) -> Result<T, Fault> {
    T::decode(request)
        .map_err(|error| Fault::invalid(format!("failed to parse the request message: {error}")))
}

pub(super) fn no_repository(name: &str) -> Result<(), Fault> {
    if name.is_empty() {
        return Ok(());
    }
    Err(Fault::new(Kind::Unsupported, "'repository_name' specification is not supported"))
}

/// No name is all of them.
fn named(name: &str) -> Option<&str> {
    (!name.is_empty()).then_some(name)
}

fn about(shares_memory: bool) -> m::ServerMetadataResponse {
    m::ServerMetadataResponse {
        name: server::NAME.into(),
        version: server::VERSION.into(),
        extensions: server::extensions(shares_memory).map(ToOwned::to_owned).collect(),
    }
}

fn metadata(contract: &Contract, versions: Vec<String>) -> m::ModelMetadataResponse {
    let tensor = |spec: &TensorSpec| m::model_metadata_response::TensorMetadata {
        name: spec.name.to_string(),
        datatype: spec.datatype.name().into(),
        shape: contract.told(spec),
    };
    m::ModelMetadataResponse {
        name: contract.model.to_string(),
        versions,
        platform: contract.platform.to_string(),
        inputs: contract.inputs.iter().map(tensor).collect(),
        outputs: contract.outputs.iter().map(tensor).collect(),
    }
}

/// Milliseconds as whole microseconds; what is no duration is none.
fn micros(ms: f64) -> u64 {
    let span = std::time::Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default();
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

fn config(contract: &Contract, steps: &[Step]) -> m::ModelConfig {
    let batching = &contract.batching;
    let input = |spec: &TensorSpec| m::ModelInput {
        name: spec.name.to_string(),
        data_type: i32::from(spec.datatype.number()),
        dims: spec.shape.clone(),
        optional: false,
    };
    let output = |spec: &TensorSpec| m::ModelOutput {
        name: spec.name.to_string(),
        data_type: i32::from(spec.datatype.number()),
        dims: spec.shape.clone(),
    };
    m::ModelConfig {
        name: contract.model.to_string(),
        // Triton has one or the other.
        platform: if steps.is_empty() { String::new() } else { contract.platform.to_string() },
        backend: if steps.is_empty() { contract.platform.to_string() } else { String::new() },
        max_batch_size: if contract.unbatched {
            0
        } else {
            i32::try_from(batching.max_rows).unwrap_or(i32::MAX)
        },
        input: contract.inputs.iter().map(input).collect(),
        output: contract.outputs.iter().map(output).collect(),
        sequence_batching: contract
            .sequences
            .as_deref()
            .map(|sequences| sequence_batching(sequences, batching)),
        ensemble_scheduling: (!steps.is_empty())
            .then(|| m::ModelEnsembling { step: steps.iter().map(step).collect() }),
        dynamic_batching: (contract.sequences.is_none() && !contract.unbatched && steps.is_empty()).then(
            || m::ModelDynamicBatching {
                preferred_batch_size: batching
                    .allowed_rows
                    .iter()
                    .filter_map(|rows| i32::try_from(*rows).ok())
                    .collect(),
                max_queue_delay_microseconds: micros(batching.max_delay_ms),
                preserve_ordering: false,
                priority_levels: batching.levels().into(),
                default_priority_level: batching.default_level().into(),
                default_queue_policy: Some(m::ModelQueuePolicy {
                    timeout_action: m::model_queue_policy::TimeoutAction::Reject.into(),
                    default_timeout_microseconds: batching.deadline_ms.map_or(0, micros),
                    allow_timeout_override: true,
                    max_queue_size: batching.queue_rows,
                }),
            },
        ),
        model_transaction_policy: Some(m::ModelTransactionPolicy { decoupled: contract.streams }),
    }
}

fn step(step: &Step) -> m::model_ensembling::Step {
    let map = |names: &BTreeMap<CompactString, CompactString>| {
        names.iter().map(|(name, tensor)| (name.to_string(), tensor.to_string())).collect()
    };
    m::model_ensembling::Step {
        model_name: step.model.to_string(),
        model_version: step.version.map_or(-1, |version| i64::try_from(version.0).unwrap_or(i64::MAX)),
        input_map: map(&step.inputs),
        output_map: map(&step.outputs),
    }
}

fn sequence_batching(sequences: &SequenceBatching, batching: &Batching) -> m::ModelSequenceBatching {
    use m::model_sequence_batching::{
        Control as Wire, ControlInput, StrategyChoice, StrategyDirect, StrategyOldest, control::Kind as Of,
    };
    let control = |control: &Control| {
        let datatype = control.tensor.datatype;
        let kind = match control.kind {
            ControlKind::Start => Of::ControlSequenceStart,
            ControlKind::End => Of::ControlSequenceEnd,
            ControlKind::Ready => Of::ControlSequenceReady,
            ControlKind::Id => Of::ControlSequenceCorrid,
        };
        let is = |one| kind != Of::ControlSequenceCorrid && datatype == one;
        let told = Wire {
            kind: kind.into(),
            int32_false_true: if is(Datatype::Int32) { vec![0, 1] } else { vec![] },
            fp32_false_true: if is(Datatype::Fp32) { vec![0.0, 1.0] } else { vec![] },
            bool_false_true: if is(Datatype::Bool) { vec![false, true] } else { vec![] },
            data_type: if control.kind == ControlKind::Id { datatype.number().into() } else { 0 },
        };
        ControlInput { name: control.tensor.name.to_string(), control: vec![told] }
    };
    let delay = micros(batching.max_delay_ms);
    let strategy = match sequences.strategy {
        Strategy::Direct => StrategyChoice::Direct(StrategyDirect {
            max_queue_delay_microseconds: delay,
            minimum_slot_utilization: 0.0,
        }),
        Strategy::Oldest => StrategyChoice::Oldest(StrategyOldest {
            max_candidate_sequences: i32::try_from(sequences.max_sequences).unwrap_or(i32::MAX),
            preferred_batch_size: vec![],
            max_queue_delay_microseconds: delay,
            preserve_ordering: false,
        }),
    };
    m::ModelSequenceBatching {
        max_sequence_idle_microseconds: micros(sequences.idle_ms),
        control_input: sequences.controls.iter().map(control).collect(),
        strategy_choice: Some(strategy),
    }
}

fn statistics(row: &Statistics) -> m::ModelStatistics {
    let span = |span: Span| Some(m::StatisticDuration { count: span.count, ns: span.ns });
    m::ModelStatistics {
        name: row.model.to_string(),
        version: row.version.to_string(),
        last_inference: row.last_inference_ms,
        inference_count: row.inference_count,
        execution_count: row.execution_count,
        inference_stats: Some(m::InferStatistics {
            success: span(row.success),
            fail: span(row.fail),
            queue: span(row.queue),
            compute_input: span(row.compute_input),
            compute_infer: span(row.compute_infer),
            compute_output: span(row.compute_output),
            cache_hit: span(Span::default()),
            cache_miss: span(Span::default()),
        }),
        batch_stats: row
            .batches
            .iter()
            .map(|(rows, [input, infer, output])| m::InferBatchStatistics {
                batch_size: u64::from(*rows),
                compute_input: span(*input),
                compute_infer: span(*infer),
                compute_output: span(*output),
            })
            .collect(),
    }
}

fn index(gateway: &Gateway, ready_only: bool) -> m::RepositoryIndexResponse {
    let row = |row: crate::gateway::IndexRow| m::repository_index_response::ModelIndex {
        name: row.model.to_string(),
        version: row.version.map(|version| version.to_string()).unwrap_or_default(),
        state: row.state.to_string(),
        reason: row.reason,
    };
    m::RepositoryIndexResponse { models: gateway.index(ready_only).into_iter().map(row).collect() }
}
