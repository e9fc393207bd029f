//! Metadata, configuration, statistics and the index, in the protocol's words and order of keys.

use crate::base::{
    contract::{Contract, TensorSpec},
    datatype::Datatype,
    sequence::{Control, ControlKind, SequenceBatching, Strategy},
    step::Step,
    units::Version,
};
use crate::gateway::IndexRow;
use crate::meter::{Span, Statistics};
use crate::wire::server;
use serde::Serialize;
use serde_json::json;

/// Serializing these shapes into memory cannot fail: keys are strings and numbers are finite.
fn bytes(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

pub(super) fn server(shares_memory: bool) -> Vec<u8> {
    #[derive(Serialize)]
    struct Server {
        name: &'static str,
        version: &'static str,
        extensions: Vec<&'static str>,
    }
    bytes(&Server {
        name: server::NAME,
        version: server::VERSION,
        extensions: server::extensions(shares_memory).collect(),
    })
}

pub(super) fn models(rows: &[IndexRow]) -> Vec<u8> {
    let mut names: Vec<_> = rows.iter().map(|row| row.model.as_str()).collect();
    names.dedup();
    bytes(&json!({ "models": names }))
}

pub(super) fn ready(model: &str) -> Vec<u8> {
    bytes(&json!({"name": model, "ready": true}))
}

#[derive(Serialize)]
struct Tensor<'a> {
    name: &'a str,
    datatype: &'static str,
    shape: Vec<i64>,
}

/// The batch axis, if there is one, stands in front, open.
fn tensors<'a>(contract: &Contract, specs: &'a [TensorSpec]) -> Vec<Tensor<'a>> {
    specs
        .iter()
        .map(|spec| Tensor { name: &spec.name, datatype: spec.datatype.name(), shape: contract.told(spec) })
        .collect()
}

pub(super) fn metadata(contract: &Contract, versions: &[Version]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Metadata<'a> {
        name: &'a str,
        versions: Vec<String>,
        platform: &'a str,
        inputs: Vec<Tensor<'a>>,
        outputs: Vec<Tensor<'a>>,
    }
    bytes(&Metadata {
        name: &contract.model,
        versions: versions.iter().map(Version::to_string).collect(),
        platform: &contract.platform,
        inputs: tensors(contract, &contract.inputs),
        outputs: tensors(contract, &contract.outputs),
    })
}

/// The name of a datatype in configurations, where BYTES is TYPE_STRING.
fn config_type(datatype: Datatype) -> String {
    let name = if datatype == Datatype::Bytes { "STRING" } else { datatype.name() };
    format!("TYPE_{name}")
}

/// As `ModelConfig` prints: every scalar of every message that is there, 64-bit numbers as numbers.
pub(super) fn config(contract: &Contract, steps: &[Step]) -> Vec<u8> {
    let input = |spec: &TensorSpec| {
        json!({"name": spec.name, "data_type": config_type(spec.datatype), "format": "FORMAT_NONE",
            "dims": spec.shape, "is_shape_tensor": false, "allow_ragged_batch": false, "optional": false,
            "is_non_linear_format_io": false})
    };
    let output = |spec: &TensorSpec| {
        json!({"name": spec.name, "data_type": config_type(spec.datatype), "dims": spec.shape,
            "label_filename": "", "is_shape_tensor": false, "is_non_linear_format_io": false})
    };
    let batching = &contract.batching;
    let mut config = json!({
        "name": contract.model,
        "platform": "",
        "backend": contract.platform,
        "version_policy": {"latest": {"num_versions": 1}},
        "max_batch_size": if contract.unbatched { 0 } else { batching.max_rows },
        "input": contract.inputs.iter().map(input).collect::<Vec<_>>(),
        "output": contract.outputs.iter().map(output).collect::<Vec<_>>(),
        "batch_input": [],
        "batch_output": [],
        "optimization": {"priority": "PRIORITY_DEFAULT", "input_pinned_memory": {"enable": true},
            "output_pinned_memory": {"enable": true}, "gather_kernel_buffer_threshold": 0,
            "eager_batching": false},
        "dynamic_batching": {"preferred_batch_size": batching.allowed_rows,
            "max_queue_delay_microseconds": micros(batching.max_delay_ms), "preserve_ordering": false,
            "priority_levels": batching.levels(), "default_priority_level": batching.default_level(),
            "default_queue_policy": {
                "timeout_action": "REJECT",
                "default_timeout_microseconds": batching.deadline_ms.map_or(0, micros),
                "allow_timeout_override": true, "max_queue_size": batching.queue_rows},
            "priority_queue_policy": {}},
        "instance_group": [],
        "default_model_filename": "",
        "cc_model_filenames": {},
        "metric_tags": {},
        "parameters": {},
        "model_warmup": [],
        "model_transaction_policy": {"decoupled": contract.streams}
    });
    if let (true, Some(config)) = (contract.unbatched, config.as_object_mut()) {
        config.remove("dynamic_batching");
    }
    if let (Some(sequences), Some(config)) = (&contract.sequences, config.as_object_mut()) {
        config.remove("dynamic_batching");
        config
            .insert("sequence_batching".into(), sequence_batching(sequences, micros(batching.max_delay_ms)));
    }
    if let (false, Some(config)) = (steps.is_empty(), config.as_object_mut()) {
        config.remove("dynamic_batching");
        let each: Vec<_> = steps.iter().map(step).collect();
        config.insert("ensemble_scheduling".into(), json!({ "step": each }));
        // Triton has one or the other.
        config.insert("platform".into(), json!(contract.platform));
        config.insert("backend".into(), json!(""));
    }
    bytes(&config)
}

fn step(step: &Step) -> serde_json::Value {
    let version = step.version.map_or_else(|| json!(-1), |version| json!(version));
    json!({"model_name": step.model, "model_version": version, "input_map": step.inputs,
        "output_map": step.outputs, "model_namespace": ""})
}

fn sequence_batching(sequences: &SequenceBatching, delay: u64) -> serde_json::Value {
    let control = |control: &Control| {
        let (kind, datatype) = (control.kind, control.tensor.datatype);
        let of_id = kind == ControlKind::Id;
        let is = |one| !of_id && datatype == one;
        let word = match kind {
            ControlKind::Start => "START",
            ControlKind::End => "END",
            ControlKind::Ready => "READY",
            ControlKind::Id => "CORRID",
        };
        json!({"name": control.tensor.name, "control": [{
            "kind": format!("CONTROL_SEQUENCE_{word}"),
            "int32_false_true": if is(Datatype::Int32) { vec![0, 1] } else { vec![] },
            "fp32_false_true": if is(Datatype::Fp32) { vec![0, 1] } else { vec![] },
            "bool_false_true": if is(Datatype::Bool) { vec![false, true] } else { vec![] },
            "data_type": if of_id { config_type(datatype) } else { "TYPE_INVALID".to_owned() },
        }]})
    };
    let (name, strategy) = match sequences.strategy {
        Strategy::Direct => {
            ("direct", json!({"max_queue_delay_microseconds": delay, "minimum_slot_utilization": 0}))
        }
        Strategy::Oldest => (
            "oldest",
            json!({"max_candidate_sequences": sequences.max_sequences, "preferred_batch_size": [],
                "max_queue_delay_microseconds": delay, "preserve_ordering": false}),
        ),
    };
    json!({
        "max_sequence_idle_microseconds": micros(sequences.idle_ms),
        "control_input": sequences.controls.iter().map(control).collect::<Vec<_>>(),
        "state": [], "iterative_sequence": false, name: strategy,
    })
}

fn micros(ms: f64) -> u64 {
    let span = std::time::Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default();
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[derive(Serialize)]
struct Duration {
    count: u64,
    ns: u64,
}

impl From<Span> for Duration {
    fn from(span: Span) -> Duration {
        Duration { count: span.count, ns: span.ns }
    }
}

#[derive(Serialize)]
struct Durations {
    success: Duration,
    fail: Duration,
    queue: Duration,
    compute_input: Duration,
    compute_infer: Duration,
    compute_output: Duration,
    cache_hit: Duration,
    cache_miss: Duration,
}

#[derive(Serialize)]
struct BatchRow {
    batch_size: u32,
    compute_input: Duration,
    compute_infer: Duration,
    compute_output: Duration,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    version: String,
    last_inference: u64,
    inference_count: u64,
    execution_count: u64,
    inference_stats: Durations,
    response_stats: serde_json::Map<String, serde_json::Value>,
    batch_stats: Vec<BatchRow>,
    memory_usage: [(); 0],
}

pub(super) fn statistics(rows: &[Statistics]) -> Vec<u8> {
    #[derive(Serialize)]
    struct All<'a> {
        model_stats: Vec<Row<'a>>,
    }
    let none = || Duration { count: 0, ns: 0 };
    let batch = |(rows, [input, infer, output]): (&u32, &[Span; 3])| BatchRow {
        batch_size: *rows,
        compute_input: (*input).into(),
        compute_infer: (*infer).into(),
        compute_output: (*output).into(),
    };
    let row = |row: &'_ Statistics| Durations {
        success: row.success.into(),
        fail: row.fail.into(),
        queue: row.queue.into(),
        compute_input: row.compute_input.into(),
        compute_infer: row.compute_infer.into(),
        compute_output: row.compute_output.into(),
        cache_hit: none(),
        cache_miss: none(),
    };
    let rows = rows.iter().map(|stats| Row {
        name: &stats.model,
        version: stats.version.to_string(),
        last_inference: stats.last_inference_ms,
        inference_count: stats.inference_count,
        execution_count: stats.execution_count,
        inference_stats: row(stats),
        response_stats: serde_json::Map::new(),
        batch_stats: stats.batches.iter().map(batch).collect(),
        memory_usage: [],
    });
    bytes(&All { model_stats: rows.collect() })
}

/// A version that never came has a name only; a reason stands where there is one.
pub(super) fn index(rows: &[IndexRow]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Row<'a> {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<String>,
        #[serde(skip_serializing_if = "str::is_empty")]
        state: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        reason: &'a str,
    }
    let row = |row: &'_ IndexRow| row.version.map(|version| version.to_string());
    let rows: Vec<_> = rows
        .iter()
        .map(|it| Row { name: &it.model, version: row(it), state: &it.state, reason: &it.reason })
        .collect();
    bytes(&rows)
}
