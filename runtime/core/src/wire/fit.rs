//! Whether an output of another server is what its metadata says, whatever it came as.

use crate::base::{
    contract::{Contract, TensorSpec},
    datatype::Datatype,
    fault::Fault,
    strings,
    tensor::{Shape, Tensor, byte_len, elements},
    units::Rows,
};

/// What is wrong with an answer: its server's doing, and nobody's who asked.
pub(super) fn wrong(note: std::fmt::Arguments<'_>) -> Fault {
    Fault::internal(format!("the server's answer does not hold together: {note}"))
}

/// The shape of an output of so many rows, with an axis of rows first.
pub(super) fn shape(
    datatype: &str,
    told: &Shape,
    spec: &TensorSpec,
    contract: &Contract,
    rows: Rows,
) -> Result<Shape, Fault> {
    let name = &spec.name;
    if datatype != spec.datatype.name() {
        let want = spec.datatype.name();
        return Err(Fault::invalid(format!("output '{name}' is {datatype}, its metadata says {want}")));
    }
    let mut shape = told.clone();
    if contract.unbatched {
        shape.insert(0, 1);
    }
    let row = shape.split_first().filter(|(batch, _)| **batch == i64::from(rows.get())).map(|(_, row)| row);
    let fits = |(size, want): (&i64, &i64)| *size >= 0 && (size == want || *want == -1);
    if row.is_some_and(|row| row.len() == spec.shape.len() && row.iter().zip(&spec.shape).all(fits)) {
        return Ok(shape);
    }
    let want = contract.told(spec);
    Err(Fault::invalid(format!(
        "output '{name}' has the shape {told:?} for {} rows, its metadata says {want:?}",
        rows.get()
    )))
}

/// The tensor, if its bytes are what its shape gives.
pub(super) fn whole(name: &str, tensor: Tensor) -> Result<Tensor, Fault> {
    let Tensor { datatype, shape, data } = &tensor;
    let fits = if *datatype == Datatype::Bytes {
        elements(shape).is_some_and(|count| strings::count(data).is_ok_and(|found| found == count))
    } else {
        byte_len(*datatype, shape) == Some(data.len())
    };
    if fits {
        return Ok(tensor);
    }
    let len = data.len();
    Err(Fault::invalid(format!("output '{name}' has {len} bytes, which its shape {shape:?} does not give")))
}
