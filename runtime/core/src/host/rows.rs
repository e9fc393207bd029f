//! The rows of a batch, as the model asks about their callers.

use super::{batch::Batch, behalf::Behalf, kept::InSequence, seat::Seat};
use crate::base::{fault::Fault, inference::Parameters, units::Rows};

impl Batch {
    /// Rows of each call and the parameters that came with it; `None` once the callers have their answers.
    pub fn parameters(&self) -> Option<Vec<(Rows, Parameters)>> {
        let of = |_, seat: &Seat| seat.parameters.clone();
        self.running().look(|seats| self.per_call(seats, of, Parameters::new))
    }

    /// Rows of each call, and whether its caller still waits and it is not refused; `None` once the callers have
    /// their answers.
    pub fn live(&self) -> Option<Vec<(Rows, bool)>> {
        let wanted = |at, seat: &Seat| seat.refused.is_none() && !self.running().is_gone(at);
        self.running().look(|seats| self.per_call(seats, wanted, || false))
    }

    /// Of a stateful version: the sequence of each row, if the row is somebody's; `None` once the callers have their
    /// answers.
    pub fn sequences(&self) -> Option<Vec<(Rows, Option<InSequence>)>> {
        let of = |at, _: &Seat| self.running().sequences().get(at).cloned();
        self.running().look(|seats| self.per_call(seats, of, || None))
    }

    /// On whose behalf the model runs; `None` once the callers have their answers.
    pub fn behalf(&self) -> Option<Behalf> {
        self.running().look(|seats| Behalf::of_all(seats.iter().map(|seat| &seat.behalf))).flatten()
    }

    fn per_call<T>(
        &self,
        seats: &[Seat],
        of: impl Fn(usize, &Seat) -> T,
        nobodys: impl Fn() -> T,
    ) -> Vec<(Rows, T)> {
        let shares =
            self.running().seated().shares(seats.iter().map(|seat| seat.rows), self.running().padded());
        let one = |(rows, call): (Rows, Option<usize>)| {
            let seat = call.and_then(|at| Some((at, seats.get(at)?)));
            (rows, seat.map_or_else(&nobodys, |(at, seat)| of(at, seat)))
        };
        shares.into_iter().map(one).collect()
    }

    /// Answers the caller of this row with a 400 when the batch settles; false without such a row, `None` once the
    /// callers have their answers. The first reason stays.
    pub fn reject(&self, row: usize, why: &str) -> Option<bool> {
        self.running().look(|seats| {
            let mut first = 0;
            for (at, seat) in seats.iter_mut().enumerate() {
                first = self.running().seated().row(at).unwrap_or(first);
                let rows = usize::try_from(seat.rows.get()).unwrap_or(usize::MAX);
                if (first..first + rows).contains(&row) {
                    let note = if rows == 1 { why.to_owned() } else { format!("row {}: {why}", row - first) };
                    seat.refused.get_or_insert_with(|| Fault::invalid(note));
                    return true;
                }
                first += rows;
            }
            row < usize::try_from(self.rows().get()).unwrap_or(usize::MAX) // nobody's
        })
    }
}
