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
