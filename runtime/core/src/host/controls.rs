//! The inputs that tell a stateful model of each row which sequence it is of, and where in it.

use super::{gather::Gathered, running::Running, staging::Staging};
use crate::base::{
    datatype::Datatype,
    sequence::{Control, ControlKind, Correlation, CorrelationId},
    tensor::Shape,
    units::Rows,
};
use bytes::Bytes;

/// In the contract's order. Rows that are nobody's are not ready, and of no sequence.
pub(super) fn fill(
    controls: &[Control],
    running: &Running,
    staging: &Staging,
) -> impl Iterator<Item = Gathered> {
    // Of stateful versions each call has one row.
    let rows = running.sequences().iter().map(|_| Rows::new(1));
    let shares = running.seated().shares(rows, running.padded());
    let rows: Vec<_> = shares
        .into_iter()
        .flat_map(|(rows, call)| (0..rows.get()).map(move |_| call))
        .map(|call| call.and_then(|at| running.sequences().get(at)).map(|one| &one.correlation))
        .collect();
    controls.iter().map(move |control| {
        let datatype = control.tensor.datatype;
        let sizes = control.tensor.shape.iter().copied();
        let shape: Shape = std::iter::once(i64::from(running.padded().get())).chain(sizes).collect();
        if control.kind == ControlKind::Id {
            let ids = rows.iter().map(|row| row.map(|one| &one.id));
            return match datatype.size() {
                None => Gathered::Elements { shape, elements: ids.map(text).collect() },
                Some(_) => Gathered::Fixed { datatype, shape, data: laid(staging, ids.map(number)) },
            };
        }
        let flag = |row: &Option<&Correlation>| match (row, control.kind) {
            (Some(one), ControlKind::Start) => one.start,
            (Some(one), ControlKind::End) => one.end,
            (one, ControlKind::Ready | ControlKind::Id) => one.is_some(),
            (None, ControlKind::Start | ControlKind::End) => false,
        };
        let data = laid(staging, rows.iter().map(|row| truth(datatype, flag(row))));
        Gathered::Fixed { datatype, shape, data }
    })
}

/// Aligned, as every input is.
fn laid(staging: &Staging, rows: impl Iterator<Item: AsRef<[u8]>>) -> Bytes {
    let rows: Vec<_> = rows.collect();
    let mut lease = staging.lease(rows.iter().map(|row| row.as_ref().len()).sum());
    rows.iter().for_each(|row| lease.push(row.as_ref()));
    lease.freeze()
}

/// Little-endian.
fn truth(datatype: Datatype, is: bool) -> &'static [u8] {
    match (datatype, is) {
        (Datatype::Fp32, true) => &[0, 0, 0x80, 0x3f],
        (Datatype::Bool, true) => &[1],
        (Datatype::Bool, false) => &[0],
        (_, true) => &[1, 0, 0, 0],
        (_, false) => &[0, 0, 0, 0],
    }
}

fn text(id: Option<&CorrelationId>) -> Bytes {
    match id {
        None => Bytes::new(),
        Some(CorrelationId::Text(text)) => Bytes::copy_from_slice(text.as_bytes()),
        Some(CorrelationId::Number(number)) => number.to_string().into(),
    }
}

fn number(id: Option<&CorrelationId>) -> [u8; 8] {
    match id {
        Some(CorrelationId::Number(number)) => number.to_le_bytes(),
        Some(CorrelationId::Text(_)) | None => [0; 8], // a text is refused where a number is wanted
    }
}
