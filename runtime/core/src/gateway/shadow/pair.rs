//! A request and what two versions answered, as files: bodies of the protocol, and what is known about them.

use crate::base::{
    call::{Produced, Timing},
    contract::Contract,
    fault::Fault,
    inference::{Answer, Inference, Value as Parameter},
};
use crate::wire::json::{
    replay,
    reply::{self, Encoded, Form},
};
use compact_str::CompactString;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

/// Larger bodies have their tensors as bytes: as text they would be some times as long.
const MOST_TEXT: usize = 256 << 10;

#[derive(Debug)]
pub(super) struct Pair<'a> {
    pub(super) inference: &'a Inference,
    /// Of who answered the caller, and of the shadow, with how long a host had it.
    pub(super) answers: [(&'a Arc<Contract>, &'a Produced, u64); 2],
    /// Of each output, by name.
    pub(super) distances: Vec<(CompactString, f64)>,
    pub(super) unix_ms: u64,
}

impl Pair<'_> {
    pub(super) const ABOUT: &'static str = "about.json";

    /// Of the output that is furthest away.
    pub(super) fn distance(&self) -> f64 {
        self.distances.iter().map(|(_, distance)| *distance).fold(0.0, f64::max)
    }

    pub(super) fn bytes(&self) -> usize {
        let inputs: usize = self.inference.inputs.iter().map(|input| input.tensor.data.len()).sum();
        self.answers.iter().fold(inputs, |sum, (_, produced, _)| sum.saturating_add(produced.bytes()))
    }

    /// What is known about it is written last.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let mut answers = Vec::new();
        let mut is_bytes = false;
        for (contract, produced, host_ns) in &self.answers {
            let answer = answer(contract, &self.inference.id, produced);
            let body = body(produced.bytes(), |form| reply::write(&answer, |_| form))?;
            is_bytes |= body.binary;
            let saved = save(folder, &format!("answer-{}", contract.version), &body)?;
            answers.push(json!({"version": contract.version.told(), "host_ns": host_ns, "body": saved}));
        }
        let mut inference = self.inference.clone();
        if is_bytes {
            // Whoever sends it again is not refused for an answer that JSON cannot say.
            inference.parameters.push(("binary_data_output".into(), Parameter::Bool(true)));
        }
        let inputs = inference.inputs.iter().map(|input| input.tensor.data.len()).sum();
        let request = save(folder, "request", &body(inputs, |form| replay::write(&inference, form))?)?;
        let output =
            |(name, distance): &(CompactString, f64)| json!({"name": name, "distance": finite(*distance)});
        let outputs: Vec<_> = self.distances.iter().map(output).collect();
        let about = json!({
            "unix_ms": self.unix_ms,
            "id": self.inference.id,
            "distance": finite(self.distance()),
            "outputs": outputs,
            "request": request,
            "answers": answers,
        });
        create(folder, Pair::ABOUT, [about.to_string().as_bytes()])
    }
}

/// JSON has no infinity.
fn finite(distance: f64) -> Option<f64> {
    distance.is_finite().then_some(distance)
}

fn answer(contract: &Arc<Contract>, id: &CompactString, produced: &Produced) -> Answer {
    Answer {
        contract: Arc::clone(contract),
        id: id.clone(),
        outputs: produced.outputs.iter().cloned().enumerate().collect(),
        parameters: Vec::new(),
        timing: Timing::default(),
        prediction: None,
    }
}

/// As text, if it is short and JSON can say it.
fn body(len: usize, write: impl Fn(Form) -> Result<Encoded, Fault>) -> io::Result<Encoded> {
    let text = if len <= MOST_TEXT { write(Form::Json).ok() } else { None };
    text.map_or_else(|| write(Form::Binary), Ok).map_err(io::Error::other)
}

/// Where the JSON of a body ends that has bytes behind it, its client has to say.
fn save(folder: &Path, name: &str, body: &Encoded) -> io::Result<Value> {
    let file = format!("{name}.{}", if body.binary { "bin" } else { "json" });
    let pieces = std::iter::once(body.json.as_slice()).chain(body.blobs.iter().map(|blob| &**blob));
    create(folder, &file, pieces)?;
    Ok(json!({"file": file, "json_bytes": body.binary.then_some(body.json.len())}))
}

fn create<'a>(folder: &Path, name: &str, pieces: impl IntoIterator<Item = &'a [u8]>) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join(name))?;
    pieces.into_iter().try_for_each(|piece| file.write_all(piece))
}
