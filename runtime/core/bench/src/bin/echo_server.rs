//! The core without Python: a gateway with its ports and a host behind a link, whose models return what they are
//! given. `echo_server HTTP_PORT GRPC_PORT MODELS [judged] [profiled] [identified]` serves until its input ends; every model
//! but the first is only in the table and on the host. Of the first evidence is counted, requests are sampled for drift, and
//! answers have ids for labels, as is said.

use headrace_core::base::{
    clock,
    contract::{Batching, Contract, Feedback, TensorSpec},
    datatype::Datatype,
    units::Version,
};
use headrace_core::gateway::{Gateway, GatewaySettings};
use headrace_core::host::{Batch, Conduct, Gathered, Host, Intake, Output};
use headrace_core::mem::arena::Arena;
use headrace_core::wire::prediction::PredictionKey;
use std::error::Error;
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;
use std::time::Duration;

const ARENA: usize = 64 << 20;

/// As model.yaml has it by default: of each answer by the first output.
const FEEDBACK: Feedback = Feedback { output: 0, within_hours: 168, share: 10_000 };

fn contract(model: &str, is_identified: bool) -> Contract {
    let spec = |name: &str| TensorSpec::new(name, Datatype::Fp32, [16]);
    Contract {
        model: model.into(),
        version: Version(1),
        platform: "bench".into(),
        inputs: vec![spec("x")],
        outputs: vec![spec("y")],
        batching: Batching { max_rows: 64, ..Batching::default() },
        repeatable: false,
        lanes: 1,
        streams: false,
        unbatched: false,
        sequences: None,
        feedback: is_identified.then(|| Box::new(FEEDBACK)),
    }
}

fn echo(batch: Batch) {
    let inputs = batch.inputs().clone();
    let outputs = inputs.iter().filter_map(|input| match input {
        Gathered::Fixed { datatype, shape, data } => {
            Some(Output::Fixed { datatype: *datatype, shape: shape.clone(), data })
        }
        Gathered::Elements { .. } | Gathered::OnDevice { .. } => None,
    });
    let outputs = outputs.collect();
    batch.complete(clock::now(), Ok(outputs));
}

fn lane(intake: Arc<Intake>) {
    std::thread::spawn(move || {
        while let Some(batch) = intake.next_batch() {
            echo(batch);
        }
    });
}

fn table(models: &[String], is_judged: bool, is_profiled: bool) -> String {
    let model = |name: &String| {
        let if_first = |is_so: bool, what: &'static str| if is_so && name == "echo" { what } else { "" };
        // Two lines, as a rollout of a p99 draws them.
        let judged = if_first(is_judged, r#"{"version": 1, "slow_ns": [1000000, 1100000]}"#);
        let profiled = r#"{"version": 1, "inputs": ["x"], "outputs": ["y"], "per_second": 100}"#;
        let profiled = if_first(is_profiled, profiled);
        format!(
            r#""{name}": {{"versions": [{{"version": 1, "state": "READY"}}],
            "weights": [{{"version": 1, "share": 10000}}], "judged": [{judged}], "profiled": [{profiled}]}}"#
        )
    };
    let models: Vec<_> = models.iter().map(model).collect();
    format!(r#"{{"epoch": {{"term": 1, "sequence": 1}}, "models": {{{}}}}}"#, models.join(","))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: echo_server HTTP_PORT GRPC_PORT MODELS [WORD...]");
    let (http, grpc, count) = (next()?, next()?, next()?.parse::<usize>()?);
    let words: Vec<_> = arguments.collect();
    let says = |word: &str| words.iter().any(|one| one == word);
    let prediction_key = says("identified").then(|| PredictionKey::try_from("A".repeat(43).as_str()));
    let names = std::iter::once("echo".to_owned()).chain((1..count).map(|at| format!("other-{at}")));
    let names: Vec<_> = names.collect();

    let folder = std::env::temp_dir().join(format!("headrace-echo-{}", std::process::id()));
    std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
    let socket = folder.join("host.sock");
    let host = Arc::new(Host::new(Some(Arena::new(ARENA)?), None));
    host.listen(&socket, Arc::new(drop))?;
    for name in &names {
        // As model.yaml has it by default.
        let conduct = Conduct { hang_timeout: Some(Duration::from_secs(300)), ..Conduct::default() };
        let intake = host
            .open(contract(name, says("identified") && name == "echo"), conduct)
            .map_err(|fault| fault.to_string())?;
        if name == "echo" {
            lane(intake);
        }
    }
    let settings = GatewaySettings {
        http: Some(format!("127.0.0.1:{http}")),
        grpc: Some(format!("127.0.0.1:{grpc}")),
        io_threads: 1,
        arena_bytes: ARENA,
        prediction_key: prediction_key.transpose()?,
        ..GatewaySettings::default()
    };
    let gateway = Gateway::new(settings)?;
    gateway.apply_policy(&table(&names, says("judged"), says("profiled"))).map_err(|bad| bad.to_string())?;
    gateway.start()?;
    gateway.set_endpoints(&format!(r#"[{{"id": "host", "socket": "{}"}}]"#, socket.display()))?;
    let waited = (0..12_000).find(|_| {
        std::thread::sleep(Duration::from_millis(10));
        gateway.is_ready()
    });
    waited.ok_or("the host was not found within two minutes")?;
    println!("ready");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    gateway.drain(Duration::from_secs(5));
    host.drain(Duration::from_secs(5));
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
