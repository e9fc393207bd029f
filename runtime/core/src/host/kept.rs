//! What a stateful model keeps of its sequences, and which rows of a batch are whose.

use crate::base::{primitive::Mutex, sequence::Correlation, units::Rows};
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// The model's own, for one sequence; dropped when that is over.
#[derive(Default)]
pub struct Kept(Mutex<Option<Box<dyn Any + Send>>>);

impl Kept {
    pub fn look<T>(&self, at: impl FnOnce(Option<&dyn Any>) -> T) -> T {
        let held = self.0.lock();
        at(held.as_deref().map(|kept| kept as &dyn Any))
    }

    /// Gives back what was kept before: to drop it may be work.
    pub fn keep(&self, kept: Option<Box<dyn Any + Send>>) -> Option<Box<dyn Any + Send>> {
        std::mem::replace(&mut *self.0.lock(), kept)
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Kept")
    }
}

/// A request's sequence, as the model sees it.
#[derive(Clone, Debug)]
pub struct InSequence {
    pub correlation: Correlation,
    pub kept: Arc<Kept>,
    pub(super) slot: u32,
}

/// The sequences of a batch's calls, in their order; none where the version has none.
#[derive(Debug, Default)]
pub(super) struct Seated {
    pub(super) sequences: Vec<InSequence>,
    /// Each call has the row of its slot; else they follow each other.
    pub(super) by_slot: bool,
    /// Rows that the slots take.
    pub(super) rows: Rows,
}

impl Seated {
    /// The row of this call, where that does not follow from the calls before it.
    pub(super) fn row(&self, call: usize) -> Option<usize> {
        let seat = self.sequences.get(call).filter(|_| self.by_slot)?;
        usize::try_from(seat.slot).ok()
    }

    /// Whose the rows are, in their order: a call's, or nobody's. `rows` are those of the calls.
    pub(super) fn shares(&self, rows: impl Iterator<Item = Rows>, all: Rows) -> Vec<(Rows, Option<usize>)> {
        let (mut shares, mut filled) = (Vec::new(), 0);
        for (at, rows) in rows.enumerate() {
            if let Some(gap) =
                self.row(at).map(|row| count(row).saturating_sub(filled)).filter(|gap| *gap > 0)
            {
                shares.push((Rows::new(gap), None));
                filled += gap;
            }
            shares.push((rows, Some(at)));
            filled = filled.saturating_add(rows.get());
        }
        let rest = all.minus(Rows::new(filled));
        shares.extend((rest > Rows::ZERO).then_some((rest, None)));
        shares
    }
}

fn count(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::sequence::CorrelationId;

    #[test]
    fn every_row_is_somebodys_or_nobodys() {
        let seated = |slots: &[u32], by_slot| Seated {
            sequences: slots.iter().map(|slot| in_slot(*slot)).collect(),
            by_slot,
            rows: Rows::ZERO,
        };
        type Case = (Seated, &'static [u32], u32, &'static [(u32, Option<usize>)]);
        let table: [Case; 4] = [
            (Seated::default(), &[2, 1], 3, &[(2, Some(0)), (1, Some(1))]),
            (Seated::default(), &[2, 1], 8, &[(2, Some(0)), (1, Some(1)), (5, None)]),
            (seated(&[4, 2], false), &[1, 1], 2, &[(1, Some(0)), (1, Some(1))]),
            (
                seated(&[1, 2, 5], true),
                &[1, 1, 1],
                7,
                &[(1, None), (1, Some(0)), (1, Some(1)), (2, None), (1, Some(2)), (1, None)],
            ),
        ];
        for (seated, rows, all, want) in table {
            let shares = seated.shares(rows.iter().map(|rows| Rows::new(*rows)), Rows::new(all));
            let shares: Vec<_> = shares.iter().map(|(rows, call)| (rows.get(), *call)).collect();
            assert_eq!(shares, want, "{seated:?}");
        }
    }

    fn in_slot(slot: u32) -> InSequence {
        let correlation = Correlation { id: CorrelationId::Number(1), start: false, end: false };
        InSequence { correlation, kept: Arc::default(), slot }
    }
}
