use super::*;
use crate::base::{
    contract::{Batching, TensorSpec, Term},
    datatype::Datatype,
    inference::Input,
    strings::push,
    units::Version,
};
use proptest::prelude::*;

fn contract(max_rows: u32) -> Contract {
    Contract {
        model: "m".into(),
        version: Version(1),
        platform: "python".into(),
        inputs: vec![TensorSpec::new("x", Datatype::Uint8, [1])],
        outputs: vec![TensorSpec::new("y", Datatype::Uint8, [1])],
        batching: Batching { max_rows, queue_rows: 64, split_oversize: true, ..Batching::default() },
        repeatable: true,
        lanes: 1,
        streams: false,
        unbatched: false,
        sequences: None,
        feedback: None,
    }
}

/// What a row costs is the byte in it.
#[test]
fn each_part_costs_its_own() {
    let mut contract = contract(8);
    (contract.batching.max_cost, contract.batching.cost) = (Some(6), vec![Term::Value("x".into())]);
    let cut = |rows: &[u8]| {
        let (count, data) = (u32::try_from(rows.len()).unwrap(), rows.to_vec().into());
        let input = Tensor { datatype: Datatype::Uint8, shape: [count.into(), 1].as_slice().into(), data };
        let inputs = std::iter::once(input).collect();
        let parts = cut(&contract, Rows::new(count), &inputs)?;
        Ok::<_, Fault>(parts.iter().map(|part| (part.rows.get(), part.cost)).collect::<Vec<_>>())
    };
    assert_eq!(cut(&[0; 20]).unwrap(), [(8, 0), (8, 0), (4, 0)]);
    assert_eq!(cut(&[1; 10]).unwrap(), [(4, 4), (4, 4), (2, 2)], "halves of what is too dear");
    assert_eq!(cut(&[6, 1, 0, 6]).unwrap(), [(1, 6), (1, 1), (2, 6)]);
    assert!(cut(&[1, 7]).unwrap_err().note.contains("costs 7"));
}

#[test]
fn parts_of_other_sizes_are_not_joined() {
    let tensor = |shape: &[i64]| {
        let len = usize::try_from(shape.iter().product::<i64>()).unwrap();
        Tensor { datatype: Datatype::Uint8, shape: shape.into(), data: vec![1; len].into() }
    };
    let (one, two, wide) = (tensor(&[2, 3]), tensor(&[1, 3]), tensor(&[1, 4]));
    assert_eq!(stack(&[&one, &two]).unwrap().shape.as_slice(), [3, 3]);
    assert_eq!((stack(&[&one, &wide]), stack(&[])), (None, None));
}

proptest! {
    /// Whatever the rows hold, and however large batches are: the parts are the whole, in its order.
    #[test]
    fn the_parts_joined_are_the_whole(
        rows in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 2), 1..40),
        max_rows in 1_u32..12,
    ) {
        let mut contract = contract(max_rows);
        contract.inputs = vec![TensorSpec::new("s", Datatype::Bytes, [2]), TensorSpec::new("n", Datatype::Uint8, [1])];
        let mut data = Vec::new();
        rows.iter().flatten().for_each(|element| push(&mut data, element).unwrap());
        let count = i64::try_from(rows.len()).unwrap();
        let strings = Tensor { datatype: Datatype::Bytes, shape: [count, 2].as_slice().into(), data: data.into() };
        let numbers: Vec<_> = (0..rows.len()).map(|n| u8::try_from(n).unwrap()).collect();
        let numbers = Tensor { datatype: Datatype::Uint8, shape: [count, 1].as_slice().into(), data: numbers.into() };
        let names = ["s", "n"].into_iter().zip([&strings, &numbers]);
        let inputs = names.map(|(name, tensor)| Input { name: name.into(), tensor: tensor.clone(), region: None }).collect();
        let bound = crate::decide::validate::bind(&contract, "", inputs, &[]).unwrap();
        let parts = cut(&contract, bound.rows, &bound.inputs).unwrap();
        prop_assert_eq!(parts.iter().map(|part| part.rows.get()).sum::<u32>(), bound.rows.get());
        prop_assert!(parts.iter().all(|part| (1..=max_rows).contains(&part.rows.get())));
        for (at, whole) in [&strings, &numbers].into_iter().enumerate() {
            let of_input: Vec<_> = parts.iter().map(|part| &part.inputs[at]).collect();
            prop_assert_eq!(&stack(&of_input).unwrap(), whole);
        }
    }
}
