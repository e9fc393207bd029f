//! Memory for tensors that are written out of a request rather than left where they came.

use crate::base::fault::Fault;

/// What one request's tensors may take.
pub struct Budget<'a> {
    /// Bytes of all of them.
    left: usize,
    /// A third more than the request itself has needs nobody's leave, for to ask costs: few tensors are larger than the
    /// text they come as, and strings by no more.
    free: usize,
    leave: &'a mut dyn FnMut(usize) -> Result<(), Fault>,
}

impl std::fmt::Debug for Budget<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Budget").field("left", &self.left).field("free", &self.free).finish_non_exhaustive()
    }
}

impl Budget<'_> {
    /// `request`: its length. `leave` is asked before more memory than goes with it is taken, for how much more.
    pub fn new(most: usize, request: usize, leave: &mut dyn FnMut(usize) -> Result<(), Fault>) -> Budget<'_> {
        Budget { left: most, free: request.saturating_add(request / 3), leave }
    }

    /// Bytes that tensors may still take.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// A tensor of `len` bytes is there.
    pub(super) fn spend(&mut self, len: usize) {
        self.left = self.left.saturating_sub(len);
    }

    /// Memory for `len` bytes is about to be taken.
    pub(super) fn take(&mut self, len: usize) -> Result<(), Fault> {
        let more = len.saturating_sub(self.free);
        self.free = self.free.saturating_sub(len);
        if more > 0 { (self.leave)(more) } else { Ok(()) }
    }

    /// So much of what was taken is free again, for the request's other tensors.
    pub(super) fn give_back(&mut self, len: usize) {
        self.free = self.free.saturating_add(len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::fault::Kind;

    #[test]
    fn leave_is_asked_for_what_is_beyond_the_request() {
        let mut asked = Vec::new();
        let mut leave = |more| {
            asked.push(more);
            if more > 50 { Err(Fault::new(Kind::Overloaded, "none")) } else { Ok(()) }
        };
        let mut budget = Budget::new(1000, 75, &mut leave);
        let taken = [60, 40, 0, 7, 51].map(|len| budget.take(len).is_ok());
        budget.spend(300);
        assert_eq!((taken, budget.left()), ([true, true, true, true, false], 700));
        assert_eq!(asked, [7, 51]);
    }
}
