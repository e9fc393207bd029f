//! On whose behalf a model works: what it asks of others is asked for them.

use crate::base::{callers::Callers, units::Tick};

/// Of one call, or of all in a batch.
#[derive(Clone, Debug)]
pub struct Behalf {
    /// The last of them waits until then.
    pub deadline: Tick,
    /// Versions whose models wait for one of them; none of a call from outside.
    pub callers: Option<Callers>,
}

impl Behalf {
    /// Of all in a batch: as long as one of them waits, and for none who waits for one of them. `None` for an empty one.
    pub(super) fn of_all<'a>(each: impl Iterator<Item = &'a Behalf> + Clone) -> Option<Behalf> {
        let deadline = each.clone().map(|one| one.deadline).max()?;
        let mut callers: Vec<_> = each.filter_map(|one| one.callers.as_ref()).collect();
        // Almost always one model's calls, if any.
        callers.dedup();
        if let [] | [_] = callers[..] {
            return Some(Behalf { deadline, callers: callers.first().map(|one| (*one).clone()) });
        }
        let mut names: Vec<_> = callers.into_iter().flat_map(Callers::each).collect();
        names.sort_unstable();
        names.dedup();
        Some(Behalf { deadline, callers: Some(Callers::of(&names)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_for_all_in_it() {
        let one = |nanos, callers: &str| Behalf {
            deadline: Tick::from_nanos(nanos),
            callers: Callers::parse(callers).ok(),
        };
        let cases = [
            (vec![one(5, "")], 5, None),
            (vec![one(5, ""), one(7, "b/1 a/1"), one(6, "b/1 a/1")], 7, Some("b/1 a/1")),
            (vec![one(5, "b/1"), one(4, ""), one(3, "c/2 a/1"), one(2, "b/1")], 5, Some("a/1 b/1 c/2")),
        ];
        for (each, deadline, callers) in cases {
            let all = Behalf::of_all(each.iter()).unwrap();
            assert_eq!(all.deadline, Tick::from_nanos(deadline));
            assert_eq!(all.callers.as_ref().map(Callers::text), callers);
        }
        assert!(Behalf::of_all([].iter()).is_none());
    }
}
