//! What another server says of its models: the contract by which ours send it calls.

use crate::base::{
    contract::{Batching, Contract, TensorSpec},
    datatype::Datatype,
    fault::{Fault, Kind},
    units::Version,
};
use crate::wire::oip_proto::messages as m;
use serde::Deserialize;

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

/// A tensor, as JSON states it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Stated {
    name: String,
    datatype: String,
    shape: Vec<i64>,
}

impl From<Stated> for m::model_metadata_response::TensorMetadata {
    fn from(Stated { name, datatype, shape }: Stated) -> Self {
        m::model_metadata_response::TensorMetadata { name, datatype, shape }
    }
}

/// What an operator says of a version of which its server says nothing.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    inputs: Vec<Stated>,
    outputs: Vec<Stated>,
}

/// What a server says of a version, whatever it was asked over.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) metadata: m::ModelMetadataResponse,
    /// Of a server that does not tell it, an empty one.
    pub(super) config: m::ModelConfig,
}

impl Told {
    /// What the server says counts.
    pub(super) fn or(mut self, declared: &Declared) -> Told {
        let Declared { inputs, outputs } = declared;
        if self.metadata.inputs.is_empty() && self.metadata.outputs.is_empty() {
            self.metadata.inputs = inputs.iter().cloned().map(Stated::into).collect();
            self.metadata.outputs = outputs.iter().cloned().map(Stated::into).collect();
        }
        self
    }
}

impl Place {
    pub(super) fn not_ready(&self) -> Fault {
        let Place { model, version } = self;
        let shown = if version.is_empty() { String::new() } else { format!(" version {version}") };
        Fault::new(Kind::Unavailable, format!("it says that model '{model}'{shown} is not ready"))
    }
}

/// The contract of a version by what its server says of it. Without a configuration its tensors are taken as they
/// are told, with no axis of rows.
pub(super) fn contract(
    Told { metadata, config }: &Told,
    (model, version): (&str, Version),
) -> Result<Contract, Fault> {
    let max_rows = u32::try_from(config.max_batch_size).unwrap_or(0);
    let unbatched = max_rows == 0;
    let refuse = |why: String| Fault::new(Kind::Unsupported, why);
    let specs = |what: &str, tensors: &[m::model_metadata_response::TensorMetadata]| {
        if tensors.is_empty() || tensors.len() > MOST_TENSORS {
            let count = tensors.len();
            return Err(refuse(format!(
                "its metadata names {count} {what}: expected 1 to {MOST_TENSORS}, by which requests are checked; of a server \
                 that names none, upstream.yaml may name inputs and outputs"
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
            let got = contract(&Told { metadata: told(shape, datatype), config }, ("ours", Version(7)));
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
        let none = Told { metadata: m::ModelMetadataResponse::default(), config: m::ModelConfig::default() };
        let got = contract(&none, ("ours", Version(1))).unwrap_err();
        assert!(got.note.contains("names 0 inputs"), "{got}");
        let stated = |name: &str| Stated { name: name.into(), datatype: "FP32".into(), shape: vec![-1] };
        let declared = Declared { inputs: vec![stated("a")], outputs: vec![stated("b")] };
        assert_eq!(contract(&none.or(&declared), ("ours", Version(1))).unwrap().inputs[0].name, "a");
        let full = || Told { metadata: told(&[-1], "FP32"), config: m::ModelConfig::default() };
        assert_eq!(full().or(&declared).metadata, full().metadata, "what the server says counts");
        let input = m::ModelInput { name: "x".into(), optional: true, ..m::ModelInput::default() };
        let config = m::ModelConfig { input: vec![input], ..m::ModelConfig::default() };
        assert!(contract(&Told { metadata: told(&[-1], "FP32"), config }, ("ours", Version(1))).is_err());
    }
}
