//! The core without Python: a gateway with its ports and a host behind a link, whose models return what they are
//! given. `echo_server HTTP_PORT GRPC_PORT MODELS [judged]` serves until its input ends; every model but the first is only
//! in the table and on the host, and the first is judged if that is said.

use headrace_core::base::{
    clock,
    contract::{Batching, Contract, TensorSpec},
    datatype::Datatype,
    units::Version,
};
use headrace_core::gateway::{Gateway, GatewaySettings};
use headrace_core::host::{Batch, Conduct, Gathered, Host, Intake, Output};
use headrace_core::mem::arena::Arena;
use std::error::Error;
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;
use std::time::Duration;

const ARENA: usize = 64 << 20;

fn contract(model: &str) -> Contract {
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
        feedback: None,
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

fn table(models: &[String], is_judged: bool) -> String {
    let model = |name: &String| {
        // Two lines, as a rollout of a p99 draws them.
        let judged = match is_judged && name == "echo" {
            true => r#"{"version": 1, "slow_ns": [1000000, 1100000]}"#,
            false => "",
        };
        format!(
            r#""{name}": {{"versions": [{{"version": 1, "state": "READY"}}],
            "weights": [{{"version": 1, "share": 10000}}], "judged": [{judged}]}}"#
        )
    };
    let models: Vec<_> = models.iter().map(model).collect();
    format!(r#"{{"epoch": {{"term": 1, "sequence": 1}}, "models": {{{}}}}}"#, models.join(","))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: echo_server HTTP_PORT GRPC_PORT MODELS [judged]");
    let (http, grpc, count) = (next()?, next()?, next()?.parse::<usize>()?);
    let is_judged = next().is_ok_and(|word| word == "judged");
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
        let intake = host.open(contract(name), conduct).map_err(|fault| fault.to_string())?;
        if name == "echo" {
            lane(intake);
        }
    }
    let settings = GatewaySettings {
        http: Some(format!("127.0.0.1:{http}")),
        grpc: Some(format!("127.0.0.1:{grpc}")),
        io_threads: 1,
        arena_bytes: ARENA,
        ..GatewaySettings::default()
    };
    let gateway = Gateway::new(settings)?;
    gateway.apply_policy(&table(&names, is_judged)).map_err(|bad| bad.to_string())?;
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
