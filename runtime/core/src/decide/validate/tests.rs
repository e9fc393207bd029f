use super::*;
use crate::base::{
    contract::Batching, datatype::Datatype, inference::InRegion, tensor::Tensor, units::Version,
};
use bytes::Bytes;

fn spec(name: &str, datatype: Datatype, shape: &[i64]) -> TensorSpec {
    TensorSpec::new(name, datatype, shape)
}

pub(super) fn contract() -> Contract {
    Contract {
        model: "m".into(),
        version: Version(1),
        platform: "python".into(),
        inputs: vec![spec("x", Datatype::Fp32, &[4]), spec("s", Datatype::Bytes, &[-1])],
        outputs: vec![spec("y", Datatype::Fp32, &[4]), spec("z", Datatype::Int64, &[])],
        batching: Batching { max_rows: 8, queue_rows: 16, ..Batching::default() },
        repeatable: false,
        lanes: 1,
        streams: false,
        unbatched: false,
        sequences: None,
        feedback: None,
    }
}

fn input(name: &str, datatype: Datatype, shape: &[i64], len: usize) -> Input {
    let data = Bytes::from(vec![0; len]);
    Input { name: name.into(), tensor: Tensor { datatype, shape: shape.into(), data }, region: None }
}

fn x(shape: &[i64], len: usize) -> Input {
    input("x", Datatype::Fp32, shape, len)
}

/// `count` empty elements.
fn s(shape: &[i64], count: usize) -> Input {
    input("s", Datatype::Bytes, shape, count * 4)
}

fn told(inputs: Vec<Input>) -> String {
    let fault = bind(&contract(), "7", inputs.into(), &[]).unwrap_err();
    assert!(matches!(fault.kind, Kind::Invalid | Kind::TooLarge), "{fault:?}");
    fault.note.into_owned()
}

#[test]
fn inputs_come_out_in_the_contracts_order() {
    let inputs = SmallVec::from_vec(vec![s(&[2, 3], 6), x(&[2, 4], 32)]);
    let bound = bind(&contract(), "", inputs, &[]).unwrap();
    assert_eq!(bound.rows, Rows::new(2));
    assert_eq!(
        bound.inputs.iter().map(|tensor| tensor.datatype).collect::<Vec<_>>(),
        [Datatype::Fp32, Datatype::Bytes]
    );
    assert_eq!(bound.outputs.as_slice(), [0, 1]);
}

#[test]
fn outputs_are_picked_once_and_in_order() {
    let want = |names: &[&str]| {
        let wanted: Vec<_> = names
            .iter()
            .map(|name| Wanted { name: (*name).into(), binary: None, classification: 0, region: None })
            .collect();
        let inputs = SmallVec::from_vec(vec![x(&[1, 4], 16), s(&[1, 1], 1)]);
        bind(&contract(), "7", inputs, &wanted).map(|bound| bound.outputs.to_vec())
    };
    assert_eq!(want(&["z"]), Ok(vec![1]));
    assert_eq!(want(&["z", "y", "z"]), Ok(vec![0, 1]));
    assert_eq!(want(&["q"]).unwrap_err().note, "unexpected inference output 'q' for model 'm'");
}

#[test]
fn an_output_in_shared_memory_is_asked_for_once() {
    let wanted = |name: &str, region: Option<&str>| {
        let region =
            region.map(|region| InRegion { region: region.into(), offset: 0, len: 16, device: None });
        Wanted { name: name.into(), binary: None, classification: 0, region: region.map(Box::new) }
    };
    let outputs = |wanted: &[Wanted]| {
        let inputs = SmallVec::from_vec(vec![x(&[1, 4], 16), s(&[1, 1], 1)]);
        bind(&contract(), "7", inputs, wanted).map(|bound| bound.outputs.to_vec())
    };
    assert_eq!(outputs(&[wanted("z", Some("r")), wanted("y", None)]), Ok(vec![0, 1]));
    for second in [Some("r"), Some("q"), None] {
        for twice in
            [[wanted("y", Some("r")), wanted("y", second)], [wanted("y", second), wanted("y", Some("r"))]]
        {
            let fault = outputs(&twice).unwrap_err();
            assert_eq!(fault.kind, Kind::Invalid);
            assert!(fault.note.starts_with("output 'y' is asked for more than once"), "{fault}");
        }
    }
}

#[test]
fn classification_is_refused_by_name() {
    let inputs = SmallVec::from_vec(vec![x(&[1, 4], 16), s(&[1, 1], 1)]);
    let wanted = [Wanted { name: "z".into(), binary: None, classification: 3, region: None }];
    let fault = bind(&contract(), "7", inputs, &wanted).unwrap_err();
    assert_eq!(fault.kind, Kind::Unsupported);
    assert!(fault.note.starts_with("classification of output 'z' is not offered"), "{fault}");
}

#[test]
fn messages_are_tritons() {
    let fine = || s(&[1, 1], 1);
    let id = "[request id: 7] ";
    let cases = [
        (
            vec![x(&[1, 4], 16)],
            format!(
                "{id}expected 2 inputs but got 1 inputs for model 'm'. Got input(s) ['x'], but missing required \
                 input(s) ['s']. Please provide all required input(s)."
            ),
        ),
        (
            vec![],
            format!(
                "{id}expected 2 inputs but got 0 inputs for model 'm'. Got input(s) [], but missing required \
                 input(s) ['x','s']. Please provide all required input(s)."
            ),
        ),
        (
            vec![x(&[1, 4], 16), input("zz", Datatype::Fp32, &[1], 4)],
            "unexpected inference input 'zz' for model 'm'".to_owned(),
        ),
        (vec![x(&[1, 4], 16), x(&[1, 4], 16)], format!("{id}input 'x' already exists in request")),
        (
            vec![input("x", Datatype::Int32, &[1, 4], 16), fine()],
            format!("{id}inference input 'x' data-type is 'INT32', but model 'm' expects 'FP32'"),
        ),
        (
            vec![x(&[1, 3], 12), fine()],
            format!(
                "{id}unexpected shape for input 'x' for model 'm'. Expected [-1,4], got [1,3]. {BATCH_NOTE}"
            ),
        ),
        (
            vec![x(&[1, -4], 16), fine()],
            format!("{id}All input dimensions should be specified for input 'x' for model 'm', got [1,-4]"),
        ),
        (
            vec![x(&[9, 4], 144), s(&[9, 1], 9)],
            format!("{id}inference request batch-size must be <= 8 for 'm'"),
        ),
        (
            vec![x(&[2, 4], 32), fine()],
            format!("{id}input 's' batch size does not match other inputs for 'm'"),
        ),
        (
            vec![x(&[], 16), fine()],
            format!("{id}input 'x' has no shape but model requires batch dimension for 'm'"),
        ),
        (
            vec![x(&[1, 4], 8), fine()],
            format!("{id}input byte size mismatch for input 'x' for model 'm'. Expected 16, got 8"),
        ),
        (
            vec![x(&[1, 4], 16), s(&[1, 3], 2)],
            format!("{id}expected 3 string elements for inference input 's' for model 'm', got 2"),
        ),
        (
            vec![x(&[1, 4], 16), s(&[1, 1], 2)],
            format!(
                "{id}unexpected number of string elements 2 for inference input 's' for model 'm', expecting 1"
            ),
        ),
    ];
    for (inputs, want) in cases {
        assert_eq!(told(inputs), want);
    }
}

#[test]
fn no_rows_are_no_request() {
    for size in [0, -1, i64::MIN] {
        let note = told(vec![x(&[size, 4], 0), s(&[size, 1], 0)]);
        assert!(note.contains(&format!("batch size {size}")) && note.contains("at least 1"), "{note}");
    }
    let note = told(vec![x(&[i64::MAX, 4], 0), s(&[i64::MAX, 1], 0)]);
    assert!(note.contains("must be <= 8"), "{note}");
}

#[test]
fn an_unknown_id_is_named_so() {
    let fault = bind(&contract(), "", SmallVec::new(), &[]).unwrap_err();
    assert!(fault.note.starts_with("[request id: <id_unknown>] expected 2"), "{}", fault.note);
}

#[test]
fn a_shape_that_overflows_fits_nothing() {
    let mut contract = contract();
    contract.inputs = vec![spec("x", Datatype::Fp64, &[-1, -1])];
    let huge = SmallVec::from_vec(vec![input("x", Datatype::Fp64, &[1, i64::MAX, i64::MAX], 8)]);
    let note = bind(&contract, "", huge, &[]).unwrap_err().note;
    assert!(note.contains("more than can be addressed, got 8"), "{note}");
}

/// Of tensors without an axis of rows: what clients say is all of the shape, and one row lies in front of it inside.
#[test]
fn a_request_without_rows_is_one() {
    let contract =
        Contract { unbatched: true, batching: Batching { max_rows: 1, ..Batching::default() }, ..contract() };
    let bind = |inputs: Vec<Input>| bind(&contract, "7", inputs.into(), &[]);
    let bound = bind(vec![x(&[4], 16), s(&[3], 3)]).unwrap();
    assert_eq!(bound.rows, Rows::new(1));
    let shapes: Vec<_> = bound.inputs.iter().map(|tensor| tensor.shape.to_vec()).collect();
    assert_eq!(shapes, [vec![1, 4], vec![1, 3]]);
    let told = |inputs| bind(inputs).unwrap_err().note;
    assert_eq!(
        told(vec![x(&[1, 4], 16), s(&[3], 3)]),
        "[request id: 7] unexpected shape for input 'x' for model 'm'. Expected [4], got [1,4]."
    );
    assert!(told(vec![x(&[4], 12), s(&[3], 3)]).contains("Expected 16, got 12"));
    assert!(told(vec![x(&[4], 16), s(&[-3], 3)]).contains("should be specified"));
    assert!(told(vec![x(&[], 4), s(&[3], 3)]).contains("Expected [4], got []"));
    assert!(told(vec![x(&[4], 16), s(&[2], 3)]).contains("'s'"));
}
