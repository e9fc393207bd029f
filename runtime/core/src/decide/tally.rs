//! Differences of many requests, added up in memory that does not grow.

use super::compare::{Comparison, Ranks, Size};

/// Buckets for relative errors, four in each power of ten from 1e-9 on; the last has all that are larger than 10.
const BUCKETS: usize = 42;
const FIRST: f64 = 1e-9;
const PER_DECADE: f64 = 4.0;

/// Of one output.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Requests.
    pub compared: u64,
    /// Of these, with outputs that are equal.
    pub same: u64,
    /// With another shape or datatype.
    pub unlike: u64,
    pub elements: u64,
    pub unequal: u64,
    /// `None` until there was one of floating-point numbers.
    pub sizes: Option<Box<Sizes>>,
}

/// Of the requests whose outputs could be measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Sizes {
    pub requests: u64,
    pub broken: u64,
    pub max_abs: f64,
    pub max_rel: f64,
    sum_rel: f64,
    pub min_cosine: f64,
    buckets: [u64; BUCKETS],
    pub ranks: Ranks,
}

impl Tally {
    pub fn add(&mut self, comparison: Comparison) {
        self.compared += 1;
        let Comparison::Alike(difference) = comparison else {
            self.unlike += 1;
            return;
        };
        self.same += u64::from(difference.unequal == 0);
        self.elements += difference.elements;
        self.unequal += difference.unequal;
        if let Some(size) = difference.size {
            self.sizes.get_or_insert_default().add(size);
        }
    }
}

impl Default for Sizes {
    fn default() -> Sizes {
        Sizes {
            requests: 0,
            broken: 0,
            max_abs: 0.0,
            max_rel: 0.0,
            sum_rel: 0.0,
            min_cosine: 1.0,
            buckets: [0; BUCKETS],
            ranks: Ranks::default(),
        }
    }
}

impl Sizes {
    fn add(&mut self, size: Size) {
        self.requests += 1;
        self.broken += size.broken;
        self.max_abs = self.max_abs.max(size.abs);
        self.max_rel = self.max_rel.max(size.rel);
        self.sum_rel = (self.sum_rel + size.rel).min(f64::MAX);
        self.min_cosine = self.min_cosine.min(size.cosine);
        if let Some(count) = self.buckets.get_mut(bucket(size.rel)) {
            *count += 1;
        }
        if let Some(ranks) = size.ranks {
            self.ranks.rows += ranks.rows;
            self.ranks.first += ranks.first;
            self.ranks.shared += ranks.shared;
        }
    }

    /// The relative error that a part `of` the requests do not exceed, less than twice too large; never more than the
    /// largest.
    #[expect(clippy::cast_precision_loss, reason = "requests are counted")]
    pub fn quantile(&self, of: f64) -> f64 {
        let wanted = self.requests as f64 * of;
        let mut below = 0;
        for (at, count) in self.buckets.iter().enumerate() {
            below += count;
            if below as f64 >= wanted && below > 0 {
                return if at == 0 { 0.0 } else { bound(at).min(self.max_rel) };
            }
        }
        self.max_rel
    }

    #[expect(clippy::cast_precision_loss, reason = "requests are counted")]
    pub fn mean_rel(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.sum_rel / self.requests as f64 }
    }
}

/// The first is for none, and for what is as good as none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the buckets that there are"
)]
#[expect(clippy::cast_precision_loss, reason = "of a few")]
fn bucket(rel: f64) -> usize {
    if rel <= FIRST {
        return 0;
    }
    ((rel / FIRST).log10() * PER_DECADE).ceil().clamp(1.0, (BUCKETS - 1) as f64) as usize
}

/// The largest that belongs to it; the last has none.
#[expect(clippy::cast_precision_loss, reason = "of a few")]
fn bound(at: usize) -> f64 {
    if at + 1 == BUCKETS { f64::MAX } else { FIRST * 10_f64.powf(at as f64 / PER_DECADE) }
}

#[cfg(test)]
mod tests {
    use super::super::compare::Difference;
    use super::*;
    use proptest::prelude::*;

    fn of(rel: f64) -> Comparison {
        let size = Size { broken: 0, abs: rel, rel, cosine: 1.0 - rel / 10.0, ranks: None };
        let unequal = u64::from(rel > 0.0);
        Comparison::Alike(Difference { elements: 1, unequal, size: Some(size), ..Difference::default() })
    }

    #[test]
    fn requests_are_added_up() {
        let mut tally = Tally::default();
        for one in [of(0.0), of(0.5), Comparison::Unlike, of(0.25)] {
            tally.add(one);
        }
        assert_eq!((tally.compared, tally.same, tally.unlike), (4, 1, 1));
        assert_eq!((tally.elements, tally.unequal), (3, 2));
        let sizes = tally.sizes.unwrap();
        assert_eq!((sizes.requests, sizes.max_rel, sizes.mean_rel(), sizes.min_cosine), (3, 0.5, 0.25, 0.95));
        assert_eq!(Tally::default().sizes, None);
        let exact = Comparison::Alike(Difference { elements: 2, unequal: 1, ..Difference::default() });
        let mut tally = Tally::default();
        tally.add(exact);
        assert_eq!((tally.same, tally.unequal, tally.sizes), (0, 1, None));
    }

    #[test]
    fn a_quantile_is_at_most_twice_too_large() {
        let sizes = |rels: &[f64]| {
            let mut tally = Tally::default();
            rels.iter().for_each(|rel| tally.add(of(*rel)));
            tally.sizes.unwrap()
        };
        let some = sizes(&[0.0, 0.0, 0.0, 1e-2]);
        assert_eq!((some.quantile(0.5), some.quantile(1.0)), (0.0, 1e-2));
        assert_eq!(sizes(&[1e9]).quantile(0.5), 1e9);
        assert_eq!(Sizes::default().quantile(0.5), 0.0);
    }

    proptest! {
        #[test]
        fn a_quantile_is_that_of_the_requests(mut rels in prop::collection::vec(1e-9_f64..9.0, 1..60), of_all in 0.01_f64..1.0) {
            let mut tally = Tally::default();
            rels.iter().for_each(|rel| tally.add(of(*rel)));
            rels.sort_by(f64::total_cmp);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place")]
            let at = ((rels.len() as f64 * of_all).ceil() as usize).clamp(1, rels.len()) - 1;
            let (want, found) = (rels[at], tally.sizes.unwrap().quantile(of_all));
            prop_assert!(found >= want * 0.999 && found <= want * 1.79 || want <= FIRST * 1.001, "{want} {found}");
        }
    }
}
