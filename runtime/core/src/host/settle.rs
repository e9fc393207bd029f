//! Hands each caller of a batch its rows, or the fault, exactly once.
//!
//! Outputs are copied once, out of Python's memory: a model may keep writing to an array it returned, and
//! one that overlaps the batch's inputs is safe by the same copy.

use super::{
    kept::Seated,
    lay::{cut, product, sizes},
    outputs::{Output, extent_like},
    seat::Seat,
};
use crate::base::{
    call::{Execution, Outcome, Outlet, Produced, Sealed, Tensors, Timing},
    clock,
    contract::{Contract, TensorSpec},
    datatype::Datatype,
    fault::Fault,
    tensor::{Shape, Tensor},
    units::{Rows, Tick},
};
use crate::decide::extents::Extent;
use crate::mem::{INLINE_BYTES, arena::Arena};
use bytes::Bytes;
use smallvec::SmallVec;
use std::{borrow::Cow, ops::Range, sync::Arc, time::Duration};

/// What a batch's calls share.
pub(super) struct Run<'a> {
    pub(super) contract: &'a Contract,
    pub(super) arena: Option<&'a Arena>,
    pub(super) rows: Rows,
    /// What the model saw, and has answered.
    pub(super) padded: Rows,
    /// Of the inputs whose rows have different sizes.
    pub(super) extents: &'a [Extent],
    pub(super) seated: &'a Seated,
    pub(super) sealed: Sealed,
    /// From gathered until the model was free.
    pub(super) waited_ns: u64,
    pub(super) between_ns: u64,
    /// Where the model counts one.
    pub(super) cost: u64,
    pub(super) input_ns: u64,
    pub(super) infer_ns: u64,
    /// When the model came back.
    pub(super) returned: Tick,
}

/// `release` frees the batch's rows: after the execution is counted, before anybody hears of the end. It is told how long
/// the batch took.
pub(super) fn settle(
    run: &Run<'_>,
    seats: Vec<Seat>,
    result: Result<Vec<Output<'_>>, Fault>,
    release: impl FnOnce(Duration),
) {
    let failed = result.is_err();
    let most = seats.iter().map(|seat| len(seat.rows)).max().unwrap_or(0);
    let cuts = result.map(|outputs| {
        let specs = run.contract.outputs.iter();
        let cut = |(spec, output)| Cut::new(spec, output, run, most);
        specs.zip(outputs).map(cut).collect::<SmallVec<[_; 2]>>()
    });
    let mut row = 0;
    let mut outcomes = Vec::with_capacity(seats.len());
    for (at, seat) in seats.iter().enumerate() {
        let first = run.seated.row(at).unwrap_or(row);
        let rows = first..first + len(seat.rows);
        row = rows.end;
        outcomes.push(match (&seat.refused, &cuts) {
            (Some(fault), _) | (None, Err(fault)) => Err(fault.clone()),
            (None, Ok(cuts)) => {
                let take = |cut: &Cut<'_>| cut.take(rows.clone(), at);
                let outputs: Tensors = match &seat.on_device {
                    None => cuts.iter().map(take).collect(),
                    Some(named) => {
                        let of = |(output, cut)| {
                            named.output(output).map_or_else(|| take(cut), |_| cut.head(&rows))
                        };
                        cuts.iter().enumerate().map(of).collect()
                    }
                };
                Ok(Produced { outputs, parameters: Vec::new() })
            }
        });
    }
    let Execution { input_ns, infer_ns, output_ns, .. } = count(run, &seats, failed);
    release(Duration::from_nanos(input_ns.saturating_add(infer_ns).saturating_add(output_ns)));
    let mut outlets: SmallVec<[Arc<dyn Outlet>; 2]> = SmallVec::new();
    for (seat, result) in seats.into_iter().zip(outcomes) {
        if let Some(outlet) = seat.reply.outlet()
            && !outlets.iter().any(|known| Arc::ptr_eq(known, outlet))
        {
            outlets.push(Arc::clone(outlet));
        }
        let batch_rows = run.rows.get();
        let queue_ns = seat.queue_ns.saturating_add(run.waited_ns);
        let sealed = run.sealed;
        let timing = Timing { queue_ns, input_ns, infer_ns, output_ns, batch_rows, sealed };
        seat.reply.settle(Outcome { result, timing });
    }
    outlets.iter().for_each(|outlet| outlet.flush());
}

/// Tells of the run: one gateway, and not one that died meanwhile. To be said before anybody hears of its end.
pub(super) fn count(run: &Run<'_>, seats: &[Seat], failed: bool) -> Execution {
    let execution = Execution {
        rows: run.rows.get(),
        padding: run.padded.minus(run.rows).get(),
        padding_bytes: run.extents.iter().map(|extent| padding_bytes(run.contract, extent)).sum(),
        sealed: run.sealed,
        input_ns: run.input_ns,
        infer_ns: run.infer_ns,
        output_ns: u64::try_from(clock::now().since(run.returned).as_nanos()).unwrap_or(u64::MAX),
        between_ns: run.between_ns,
        cost: run.cost,
        failed,
    };
    let mut outlets = seats.iter().filter_map(|seat| seat.reply.outlet());
    if let Some(outlet) = outlets.find(|outlet| outlet.is_heard()) {
        outlet.executed(run.contract, execution);
    }
    execution
}

fn padding_bytes(contract: &Contract, extent: &Extent) -> u64 {
    let size = contract.inputs.get(extent.input).and_then(|input| input.datatype.size()).unwrap_or(0);
    extent.padding().saturating_mul(u64::try_from(size).unwrap_or(0))
}

/// One output on its way to be cut into calls.
enum Cut<'a> {
    /// In memory that all calls share already.
    Shared { datatype: Datatype, shape: Shape, data: Bytes, starts: Starts },
    /// Still Python's, or on its way to the arena. Each call gets memory of its own, so that a slow reader
    /// pins only its own rows.
    Own { datatype: Datatype, shape: Shape, data: Cow<'a, [u8]>, starts: Starts, arena: Option<&'a Arena> },
    /// Python's, and each call's rows have the sizes of its input.
    Like {
        spec: &'a TensorSpec,
        extent: &'a Extent,
        whole: Vec<usize>,
        data: &'a [u8],
        arena: Option<&'a Arena>,
    },
}

/// Where rows begin in an output's data.
enum Starts {
    Every(usize),
    /// BYTES: where elements begin and the last one ends, and how many make a row.
    Elements(Vec<usize>, usize),
}

impl<'a> Cut<'a> {
    /// `most` is the rows of the largest call.
    fn new(spec: &'a TensorSpec, output: Output<'a>, run: &Run<'a>, most: usize) -> Cut<'a> {
        if let Output::Fixed { shape, data, .. } = &output
            && let Some(extent) = extent_like(run.contract, spec, run.extents)
        {
            return Cut::Like { spec, extent, whole: sizes(shape), data, arena: run.arena };
        }
        let rows = len(run.padded).max(1);
        let (datatype, shape, data, starts) = match output {
            Output::Fixed { datatype, shape, data } => {
                (datatype, shape, Cow::Borrowed(data), Starts::Every(data.len() / rows))
            }
            Output::Elements { shape, elements } => {
                let per_row = elements.count() / rows;
                let (data, starts) = elements.into_parts();
                (Datatype::Bytes, shape, Cow::Owned(data), Starts::Elements(starts, per_row))
            }
        };
        if data.len() / rows * most > INLINE_BYTES {
            return Cut::Own { datatype, shape, data, starts, arena: run.arena };
        }
        let data = match data {
            Cow::Borrowed(data) => Bytes::copy_from_slice(data),
            Cow::Owned(data) => data.into(),
        };
        Cut::Shared { datatype, shape, data, starts }
    }

    /// Of rows whose data is in their caller's memory on a device: what is in ours is not theirs.
    fn head(&self, rows: &Range<usize>) -> Tensor {
        let (datatype, mut shape) = match self {
            Cut::Shared { datatype, shape, .. } | Cut::Own { datatype, shape, .. } => {
                (*datatype, shape.clone())
            }
            Cut::Like { spec, .. } => (spec.datatype, Shape::from(spec.shape.as_slice())), // refused before it waited
        };
        if let Some(first) = shape.first_mut() {
            *first = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        }
        Tensor { datatype, shape, data: Bytes::new() }
    }

    fn take(&self, rows: Range<usize>, seat: usize) -> Tensor {
        let batch = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let (datatype, mut shape, data) = match self {
            Cut::Shared { datatype, shape, data, starts } => {
                let at = |row| starts.of(row).min(data.len());
                (*datatype, shape.clone(), data.slice(at(rows.start)..at(rows.end)))
            }
            Cut::Own { datatype, shape, data, starts, arena } => {
                let part = data.get(starts.of(rows.start)..starts.of(rows.end)).unwrap_or_default();
                let sent = arena.filter(|_| part.len() > INLINE_BYTES).and_then(|arena| arena.copy(part));
                (*datatype, shape.clone(), sent.unwrap_or_else(|| Bytes::copy_from_slice(part)))
            }
            Cut::Like { spec, extent, whole, data, arena } => {
                let shape = extent.call_like(seat, &spec.shape);
                let (part, bytes) = (sizes(&shape), spec.datatype.size().unwrap_or(0));
                let first = if extent.is_flat { extent.starts.get(seat).copied() } else { Some(rows.start) };
                let (first, unit) = (first.unwrap_or(0), product(whole.get(1..).unwrap_or_default()) * bytes);
                let data = data.get(first * unit..).unwrap_or_default();
                let len = product(&part) * bytes;
                let pieces = |out: &mut dyn FnMut(&[u8])| match extent.is_flat {
                    true => out(data.get(..len).unwrap_or_default()),
                    false => cut(out, bytes, data, &part, whole),
                };
                (spec.datatype, shape, copied(len, *arena, pieces))
            }
        };
        if let Some(first) = shape.first_mut() {
            *first = batch;
        }
        Tensor { datatype, shape, data }
    }
}

/// `len` bytes in pieces, put together where their reader finds them.
fn copied(len: usize, arena: Option<&Arena>, pieces: impl FnOnce(&mut dyn FnMut(&[u8]))) -> Bytes {
    if let Some(mut lease) = arena.filter(|_| len > INLINE_BYTES).and_then(|arena| arena.lease(len)) {
        let mut rest = lease.as_mut();
        pieces(&mut |piece| {
            if let Some((here, behind)) = std::mem::take(&mut rest).split_at_mut_checked(piece.len()) {
                here.copy_from_slice(piece);
                rest = behind;
            }
        });
        rest.fill(0); // nothing is: another's bytes were here
        return lease.freeze();
    }
    let mut all = Vec::with_capacity(len);
    pieces(&mut |piece| all.extend_from_slice(piece));
    all.into()
}

impl Starts {
    fn of(&self, row: usize) -> usize {
        match self {
            Starts::Every(bytes) => row * bytes,
            Starts::Elements(starts, per_row) => {
                starts.get(row * per_row).or(starts.last()).copied().unwrap_or_default()
            }
        }
    }
}

fn len(rows: Rows) -> usize {
    usize::try_from(rows.get()).unwrap_or(usize::MAX)
}
