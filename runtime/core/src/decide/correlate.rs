//! Does a request fit a stateful version? The messages are Triton's, because its clients' users know them.

use super::validate::unfit;
use crate::base::{
    contract::{Contract, Join},
    datatype::Datatype,
    fault::Fault,
    inference::Parameters,
    sequence::{Control, ControlKind, Correlation, CorrelationId, SequenceBatching, Strategy},
    units::Rows,
};
use std::sync::Arc;

/// Which sequence a request is of; `None` where the version has none, without a look at the parameters.
pub fn correlate(
    contract: &Contract,
    id: &str,
    rows: Rows,
    parameters: &Parameters,
) -> Result<Option<Arc<Correlation>>, Fault> {
    let Some(sequences) = &contract.sequences else { return Ok(None) };
    let model = &contract.model;
    if rows.get() != 1 {
        return Err(unfit(
            id,
            format_args!(
                "inference request to model '{model}' must specify batch-size 1 due to requirements of sequence batcher"
            ),
        ));
    }
    let one = Correlation::of(parameters).ok_or_else(|| {
        unfit(
            id,
            format_args!(
                "inference request to model '{model}' must specify a non-zero or non-empty correlation ID"
            ),
        )
    })?;
    let is_number =
        |control: &&Control| control.kind == ControlKind::Id && control.tensor.datatype.size().is_some();
    let wants_number = sequences.controls.iter().find(is_number);
    if let (CorrelationId::Text(_), Some(control)) = (&one.id, wants_number) {
        let datatype = control.tensor.datatype.name();
        return Err(unfit(
            id,
            format_args!(
                "model '{model}' takes sequence ids as {datatype}: expected a number as sequence_id, got a text"
            ),
        ));
    }
    Ok(Some(Arc::new(one)))
}

/// What no host could keep to, for whoever wrote it.
pub fn misfit(contract: &Contract) -> Option<String> {
    let sequences = contract.sequences.as_ref()?;
    let SequenceBatching { strategy, idle_ms, max_sequences, controls } = &**sequences;
    let direct = *strategy == Strategy::Direct;
    let joined = contract.inputs.iter().find(|input| input.join != Join::Stack);
    let wrong = [
        (contract.streams, "has sequences, and answers in parts: it may do one of them"),
        (
            contract.repeatable,
            "has sequences, and is repeatable: what runs twice would change its state twice",
        ),
        (
            contract.batching.split_oversize,
            "has sequences, and split_oversize: a request of a sequence has one row",
        ),
        (!idle_ms.is_finite() || *idle_ms <= 0.0, "has sequences.idle_ms that is no time"),
        (*max_sequences == 0, "has sequences.max_sequences of 0"),
        (
            direct && *max_sequences > contract.batching.max_rows,
            "has more sequences.max_sequences than batching.max_rows, and each has a row of its own",
        ),
        (direct && joined.is_some(), "has sequences with rows of their own, and inputs that are joined"),
    ];
    let found = wrong.into_iter().find(|(is, _)| *is).map(|(_, wrong)| wrong.to_owned());
    found.or_else(|| controls.iter().find_map(|control| control_misfit(contract, control)))
}

fn control_misfit(contract: &Contract, control: &Control) -> Option<String> {
    let Control { kind, tensor } = control;
    let fits = match kind {
        ControlKind::Start | ControlKind::End | ControlKind::Ready => {
            matches!(tensor.datatype, Datatype::Int32 | Datatype::Fp32 | Datatype::Bool)
        }
        ControlKind::Id => matches!(tensor.datatype, Datatype::Uint64 | Datatype::Int64 | Datatype::Bytes),
    };
    let (name, word) = (&tensor.name, kind.code());
    if contract.inputs.iter().any(|input| input.name == *name) {
        return Some(format!("fills the input '{name}' as a control, and takes it from callers"));
    }
    if !fits {
        let datatype = tensor.datatype.name();
        return Some(format!("has the control {word} as {datatype}, which cannot say it"));
    }
    (tensor.shape.iter().any(|size| *size != 1))
        .then(|| format!("has the control {word} of shape {:?}: it is one element a row", tensor.shape))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{
        contract::{Batching, TensorSpec},
        inference::Value,
        units::Version,
    };

    fn stateful(strategy: Strategy, controls: Vec<Control>) -> Contract {
        Contract {
            model: "m".into(),
            version: Version(1),
            platform: "python".into(),
            inputs: vec![TensorSpec::new("x", Datatype::Fp32, [1])],
            outputs: vec![],
            batching: Batching { max_rows: 8, ..Batching::default() },
            repeatable: false,
            lanes: 1,
            streams: false,
            unbatched: false,
            sequences: Some(Box::new(SequenceBatching {
                strategy,
                idle_ms: 5.0,
                max_sequences: 8,
                controls,
            })),
            feedback: None,
        }
    }

    fn control(kind: ControlKind, name: &str, datatype: Datatype, shape: &[i64]) -> Control {
        Control { kind, tensor: TensorSpec::new(name, datatype, shape) }
    }

    #[test]
    fn messages_are_tritons() {
        let id = control(ControlKind::Id, "c", Datatype::Uint64, &[1]);
        let contract = stateful(Strategy::Oldest, vec![id]);
        let told = |rows, id: Value| {
            let parameters = vec![(Correlation::ID.into(), id)];
            correlate(&contract, "7", Rows::new(rows), &parameters).map_err(|fault| fault.note.into_owned())
        };
        let table = [
            (
                2,
                Value::Uint(1),
                "inference request to model 'm' must specify batch-size 1 due to requirements of sequence batcher",
            ),
            (
                1,
                Value::Uint(0),
                "inference request to model 'm' must specify a non-zero or non-empty correlation ID",
            ),
            (
                1,
                Value::Text("".into()),
                "inference request to model 'm' must specify a non-zero or non-empty correlation ID",
            ),
            (
                1,
                Value::Text("a".into()),
                "model 'm' takes sequence ids as UINT64: expected a number as sequence_id, got a text",
            ),
        ];
        for (rows, id, want) in table {
            assert_eq!(told(rows, id.clone()), Err(format!("[request id: 7] {want}")), "{id:?}");
        }
        let one = told(1, Value::Uint(3)).unwrap().unwrap();
        assert_eq!(*one, Correlation { id: CorrelationId::Number(3), start: false, end: false });
        let plain = Contract { sequences: None, ..contract.clone() };
        let parameters = vec![(Correlation::ID.into(), Value::Uint(3))];
        assert_eq!(correlate(&plain, "", Rows::new(5), &parameters), Ok(None), "nobody asks");
    }

    #[test]
    fn a_contract_is_one_that_a_host_can_keep() {
        let plain = || stateful(Strategy::Direct, vec![]);
        let mut cut = plain();
        cut.batching.split_oversize = true;
        assert_eq!(misfit(&plain()), None);
        assert_eq!(misfit(&Contract { sequences: None, ..plain() }), None);
        let with = |change: fn(&mut SequenceBatching)| {
            let mut contract = plain();
            contract.sequences.as_mut().into_iter().for_each(|sequences| change(sequences));
            contract
        };
        let controlled = |kind, name, datatype, shape: &[i64]| {
            stateful(Strategy::Oldest, vec![control(kind, name, datatype, shape)])
        };
        let mut ragged = plain();
        ragged.inputs[0].join = Join::Ragged;
        let table = [
            (Contract { streams: true, ..plain() }, "answers in parts"),
            (Contract { repeatable: true, ..plain() }, "repeatable"),
            (with(|one| one.idle_ms = 0.0), "no time"),
            (with(|one| one.idle_ms = f64::NAN), "no time"),
            (with(|one| one.max_sequences = 0), "of 0"),
            (with(|one| one.max_sequences = 9), "than batching.max_rows"),
            (ragged, "joined"),
            (cut, "one row"),
            (controlled(ControlKind::Start, "x", Datatype::Int32, &[1]), "takes it from callers"),
            (controlled(ControlKind::Start, "s", Datatype::Int64, &[1]), "start as INT64"),
            (controlled(ControlKind::Id, "s", Datatype::Fp32, &[1]), "id as FP32"),
            (controlled(ControlKind::Ready, "s", Datatype::Bool, &[2]), "ready of shape [2]"),
        ];
        for (contract, want) in table {
            let told = misfit(&contract).unwrap_or_default();
            assert!(told.contains(want), "{want}: {told}");
        }
        for (kind, datatype) in [(ControlKind::Ready, Datatype::Bool), (ControlKind::Id, Datatype::Bytes)] {
            assert_eq!(misfit(&controlled(kind, "s", datatype, &[])), None);
        }
    }
}
