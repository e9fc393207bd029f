//! Does what came from a host fit the contract?

use super::dims;
use crate::base::{
    call::Produced,
    contract::{Contract, TensorSpec},
    fault::Fault,
    tensor::Tensor,
    units::Rows,
};

/// Not what the contract says that the model makes.
pub(crate) fn miscounted(contract: &Contract, produced: &Produced) -> Option<Fault> {
    let (made, declared) = (produced.outputs.len(), contract.outputs.len());
    let note = || format!("the host answered with {made} outputs, the contract has {declared}");
    (made != declared).then(|| Fault::internal(note()))
}

/// Which of the outputs is not as the contract says, of so many rows; they are as many as that has.
pub(crate) fn unfit_outputs(contract: &Contract, produced: &Produced, rows: Rows) -> Option<String> {
    let unfit = |(spec, tensor): (&TensorSpec, &Tensor)| {
        let row = tensor.shape.split_first().filter(|(batch, _)| **batch == i64::from(rows.get()));
        let row = row.map(|(_, row)| row).filter(|row| row.len() == spec.shape.len());
        let same = |row: &[i64]| row.iter().zip(&spec.shape).all(|(size, want)| size == want || *want == -1);
        let fits = spec.datatype == tensor.datatype && row.is_some_and(same);
        (!fits).then(|| {
            let leading = usize::from(contract.unbatched);
            format!(
                "output '{}' came as {} {}, and is declared as {} {}; {rows} rows were sent",
                spec.name,
                tensor.datatype.name(),
                dims(tensor.shape.get(leading..).unwrap_or_default()),
                spec.datatype.name(),
                dims(&contract.told(spec)),
                rows = rows.get(),
            )
        })
    };
    contract.outputs.iter().zip(&produced.outputs).find_map(unfit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{contract::Batching, datatype::Datatype, units::Version};
    use bytes::Bytes;

    #[test]
    fn an_output_is_as_it_was_declared_and_has_the_rows_that_were_sent() {
        let contract = |unbatched| Contract {
            model: "m".into(),
            version: Version(1),
            platform: "ensemble".into(),
            inputs: vec![],
            outputs: vec![TensorSpec::new("y", Datatype::Fp32, [-1, 4])],
            batching: Batching::default(),
            repeatable: false,
            lanes: 1,
            streams: false,
            unbatched,
            sequences: None,
            feedback: None,
        };
        let cases: [(Datatype, &[i64], bool, Option<&str>); 6] = [
            (Datatype::Fp32, &[2, 3, 4], false, None),
            (
                Datatype::Fp32,
                &[1, 3, 4],
                false,
                Some("output 'y' came as FP32 [1,3,4], and is declared as FP32 [-1,-1,4]; 2 rows"),
            ),
            (Datatype::Fp32, &[2, 3, 5], false, Some("FP32 [2,3,5]")),
            (Datatype::Fp32, &[2, 4], false, Some("FP32 [2,4]")),
            (Datatype::Int32, &[2, 3, 4], false, Some("INT32 [2,3,4]")),
            (Datatype::Fp32, &[2, 3, 5], true, Some("FP32 [3,5], and is declared as FP32 [-1,4]")),
        ];
        for (datatype, shape, unbatched, want) in cases {
            let tensor = Tensor { datatype, shape: shape.into(), data: Bytes::new() };
            let produced = Produced { outputs: [tensor].into_iter().collect(), ..Produced::default() };
            let got = unfit_outputs(&contract(unbatched), &produced, Rows::new(2));
            assert_eq!(got.is_some(), want.is_some(), "{shape:?}");
            assert!(got.unwrap_or_default().contains(want.unwrap_or_default()), "{shape:?}");
        }
    }
}
