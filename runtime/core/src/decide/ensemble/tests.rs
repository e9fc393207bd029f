use super::*;
use crate::base::{
    contract::{Batching, Contract, TensorSpec},
    datatype::Datatype,
    units::Version,
};
use serde_json::{Value, json};

/// Steps as `model inputs -> outputs`, each `name:tensor`.
fn steps(written: &[&str]) -> Value {
    let names = |side: &str| -> Value {
        let each = side.split_whitespace().map(|one| one.split_once(':').unwrap());
        each.map(|(name, tensor)| (name.to_owned(), json!(tensor))).collect::<serde_json::Map<_, _>>().into()
    };
    let step = |text: &&str| {
        let (model, rest) = text.split_once(' ').unwrap();
        let (inputs, outputs) = rest.split_once("->").unwrap();
        json!({"model": model, "version": null, "inputs": names(inputs), "outputs": names(outputs)})
    };
    written.iter().map(step).collect()
}

fn written(inputs: &[&str], outputs: &[&str], of: &[&str]) -> Written {
    let specs = |names: &[&str]| -> Value {
        names.iter().map(|name| json!({"name": name, "datatype": "FP32", "shape": [4]})).collect()
    };
    let text = json!({"model": "e", "version": 1, "max_rows": 8, "inputs": specs(inputs),
        "outputs": specs(outputs), "steps": steps(of)});
    serde_json::from_str(&text.to_string()).unwrap()
}

fn graph(of: &[&str]) -> Graph {
    Graph::new(written(&["x"], &["y"], of)).unwrap()
}

#[test]
fn who_needs_what_is_found() {
    let graph = graph(&["join l:left r:right -> y:y", "one x:x -> y:left", "two x:x -> y:right"]);
    assert_eq!(graph.first().collect::<Vec<_>>(), [1, 2]);
    let then: Vec<_> = graph.steps.iter().map(|step| (step.waits_for, step.then.clone())).collect();
    assert_eq!(then, [(2, vec![]), (0, vec![0]), (0, vec![0])]);
    assert_eq!(graph.tensors, ["x", "y", "left", "right"]);
    assert_eq!((&graph.readers[..], &graph.outputs[..]), (&[2, 1, 1, 1][..], &[1][..]));
    assert_eq!((graph.contract.platform.as_str(), graph.contract.batching.max_rows), ("ensemble", 8));
    assert_eq!(graph.needs(), [("join".into(), None), ("one".into(), None), ("two".into(), None)]);
}

#[test]
fn what_cannot_be_is_refused_in_words() {
    type Case<'a> = (&'a [&'a str], &'a [&'a str], &'a [&'a str], &'a str);
    let cases: [Case<'_>; 13] = [
        (&["x"], &["y"], &[], "it has 0 steps: expected 1 to 256"),
        (&["x"], &["y"], &["a x:x -> y:y"; 257], "it has 257 steps: expected 1 to 256"),
        (&[], &["y"], &["a x:x -> y:y"], "it needs an input and an output"),
        (&["x", "x"], &["y"], &["a x:x -> y:y"], "input 'x' is there twice"),
        (&["x"], &["y"], &["a x:x ->"], "step 1 (model 'a'): expected an input and an output at least"),
        (&["x"], &["y"], &["e x:x -> y:y"], "step 1 (model 'e'): the ensemble contains itself"),
        (
            &["x"],
            &["y"],
            &["a x:x -> y:x"],
            "step 1 (model 'a') makes tensor 'x', which is an input of the ensemble",
        ),
        (
            &["x"],
            &["y"],
            &["a x:x -> y:y", "b x:x -> y:y"],
            "step 2 (model 'b') makes tensor 'y', which is made by step 1",
        ),
        (
            &["x"],
            &["y"],
            &["a x:z -> y:y"],
            "step 1 (model 'a') reads tensor 'z', which is no input of the ensemble, and no step makes it",
        ),
        (&["x"], &["z"], &["a x:x -> y:y"], "output 'z' is made by no step"),
        (
            &["x", "w"],
            &["y"],
            &["a x:x -> y:y"],
            "tensor 'w' is read by no step, and is no output of the ensemble",
        ),
        (
            &["x"],
            &["y"],
            &["a x:x -> y:y z:z"],
            "tensor 'z' is read by no step, and is no output of the ensemble",
        ),
        (
            &["x"],
            &["y"],
            &["a x:x w:v -> y:w", "b x:w -> y:v", "c x:v -> y:y"],
            "each of these waits for another one: step 1 (model 'a'), step 2 (model 'b'), step 3 (model 'c')",
        ),
    ];
    for (inputs, outputs, of, want) in cases {
        assert_eq!(Graph::new(written(inputs, outputs, of)).unwrap_err(), want);
    }
    let mut of_another = written(&["x"], &["y"], &["e x:x -> y:y"]);
    of_another.steps[0].version = Some(Version(2));
    assert!(Graph::new(of_another).is_ok(), "another version of the same model is another one");
}

fn contract(inputs: &[(&str, Datatype, &[i64])], outputs: &[(&str, Datatype, &[i64])]) -> Contract {
    let specs = |of: &[(&str, Datatype, &[i64])]| {
        of.iter().map(|(name, datatype, shape)| TensorSpec::new(*name, *datatype, *shape)).collect()
    };
    Contract {
        model: "m".into(),
        version: Version(3),
        platform: "python".into(),
        inputs: specs(inputs),
        outputs: specs(outputs),
        batching: Batching { max_rows: 8, ..Batching::default() },
        repeatable: false,
        lanes: 1,
        streams: false,
        unbatched: false,
        sequences: None,
        feedback: None,
    }
}

#[test]
fn models_must_give_each_other_what_it_says() {
    use Datatype::{Fp32, Int32};
    let graph = graph(&["a p:x -> q:t", "b p:t -> q:y"]);
    let usual = || contract(&[("p", Fp32, &[4])], &[("q", Fp32, &[4])]);
    let shaped = |into: &[i64], out: &[i64]| contract(&[("p", Fp32, into)], &[("q", Fp32, out)]);
    let cases: Vec<(Contract, Contract, Option<&str>)> = vec![
        (usual(), usual(), None),
        (shaped(&[-1], &[-1]), usual(), None),
        (
            shaped(&[-1], &[-1, 3]),
            usual(),
            Some(
                "tensor 't' is FP32 [-1, -1, 3] for step 1 (model 'a' version 3), and FP32 [-1, 4] for step 2",
            ),
        ),
        (
            shaped(&[5], &[4]),
            usual(),
            Some("tensor 'x' is FP32 [-1, 4] for the ensemble, and FP32 [-1, 5] for step 1"),
        ),
        (
            usual(),
            shaped(&[4], &[2]),
            Some("tensor 'y' is FP32 [-1, 4] for the ensemble, and FP32 [-1, 2] for step 2"),
        ),
        (contract(&[("p", Fp32, &[4])], &[("q", Int32, &[4])]), usual(), Some("tensor 't' is INT32 [-1, 4]")),
        (
            contract(&[("p", Fp32, &[4]), ("r", Fp32, &[4])], &[("q", Fp32, &[4])]),
            usual(),
            Some("step 1 (model 'a' version 3) needs input 'r'"),
        ),
        (
            contract(&[("p", Fp32, &[4])], &[("r", Fp32, &[4])]),
            usual(),
            Some("step 1 (model 'a' version 3) has no output 'q'"),
        ),
        (contract(&[], &[("q", Fp32, &[4])]), usual(), Some("step 1 (model 'a' version 3) has no input 'p'")),
        (Contract { streams: true, ..usual() }, usual(), Some("answers in parts")),
        (
            Contract {
                sequences: Some(Box::new(
                    serde_json::from_str(r#"{"idle_ms": 1, "max_sequences": 1}"#).unwrap(),
                )),
                ..usual()
            },
            usual(),
            Some("keeps sequences"),
        ),
        (
            Contract { batching: Batching { max_rows: 4, ..Batching::default() }, ..usual() },
            usual(),
            Some("takes at most 4 rows at once, and the ensemble 8"),
        ),
        (Contract { unbatched: true, ..shaped(&[-1, 4], &[-1, 4]) }, usual(), None),
        (
            Contract { unbatched: true, ..usual() },
            usual(),
            Some("tensor 'x' is FP32 [-1, 4] for the ensemble, and FP32 [4] for step 1"),
        ),
    ];
    for (one, other, want) in cases {
        let got = misfit(&graph, [Some(&one), Some(&other)].into_iter());
        match want {
            None => assert_eq!(got, None),
            Some(want) => assert!(got.as_deref().is_some_and(|got| got.contains(want)), "{got:?}: {want}"),
        }
    }
    let other = shaped(&[5], &[4]);
    assert_eq!(
        misfit(&graph, [None, Some(&usual())].into_iter()),
        None,
        "of who is not loaded nothing is known"
    );
    assert!(misfit(&graph, [None, Some(&other)].into_iter()).is_none(), "nor of what it makes");
}

#[test]
fn a_way_back_is_found_through_others() {
    let need = |text: &str| -> Need {
        match text.split_once('/') {
            Some((model, version)) => (model.into(), Some(Version(version.parse().unwrap()))),
            None => (text.into(), None),
        }
    };
    let needs_of = |of: &Need| -> Vec<Vec<Need>> {
        match of.0.as_str() {
            "b" => vec![vec![need("c")], vec![need("plain")]],
            "c" => vec![vec![need("b"), need("e/1")]],
            _ => Vec::new(),
        }
    };
    let way = |version: u64, from: &str| way_back(("e", Version(version)), &[need(from)], needs_of);
    assert_eq!(way(1, "b").unwrap(), ["b", "c", "e"]);
    assert_eq!(way(2, "b"), None, "c asks another version");
    assert_eq!(way(1, "plain"), None);
    assert_eq!(way(7, "e").unwrap(), ["e"]);
}
