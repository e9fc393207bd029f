//! Which pairs of answers are the furthest apart, of all that came.

use super::compare::{Comparison, Difference};

/// How far an output is from its counterpart: of floating-point numbers the largest relative error, of others the part
/// that is not equal. Infinite where there is nothing to compare with, or what is finite on one side only.
#[expect(clippy::cast_precision_loss, reason = "elements are counted")]
pub fn distance(found: &Comparison) -> f64 {
    match found {
        Comparison::Unlike => f64::INFINITY,
        Comparison::Alike(Difference { size: Some(size), .. }) if size.broken > 0 => f64::INFINITY,
        Comparison::Alike(Difference { size: Some(size), .. }) => size.rel,
        Comparison::Alike(found) => found.unequal as f64 / found.elements.max(1) as f64,
    }
}

/// The furthest first; of equal ones those that came first.
#[derive(Debug)]
pub struct Worst<T>(Vec<(f64, T)>);

impl<T> Default for Worst<T> {
    fn default() -> Worst<T> {
        Worst(Vec::new())
    }
}

impl<T> Worst<T> {
    /// Whether it would be among the `most` furthest. What is equal never is.
    pub fn admits(&self, most: usize, distance: f64) -> bool {
        let nearest = most.checked_sub(1).map(|last| self.0.get(last).map_or(0.0, |(held, _)| *held));
        nearest.is_some_and(|nearest| distance > nearest)
    }

    /// Returns those that are not among the `most` furthest any more.
    pub fn add(&mut self, most: usize, distance: f64, what: T) -> Vec<T> {
        let place = self.0.partition_point(|(held, _)| *held >= distance);
        self.0.insert(place, (distance, what));
        self.limit(most)
    }

    pub fn limit(&mut self, most: usize) -> Vec<T> {
        self.0.drain(most.min(self.0.len())..).map(|(_, what)| what).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::compare::Size;

    #[test]
    fn what_cannot_be_measured_is_furthest() {
        let size = |broken, rel| Size { broken, abs: 0.0, rel, cosine: 1.0, ranks: None };
        let of = |unequal, size| {
            Comparison::Alike(Difference { elements: 4, unequal, size, ..Difference::default() })
        };
        for (found, want) in [
            (Comparison::Unlike, f64::INFINITY),
            (of(1, Some(size(1, 0.5))), f64::INFINITY),
            (of(1, Some(size(0, 0.5))), 0.5),
            (of(1, None), 0.25),
            (of(0, None), 0.0),
            (Comparison::Alike(Difference::default()), 0.0),
        ] {
            assert_eq!(distance(&found), want, "{found:?}");
        }
    }

    #[test]
    fn the_furthest_stay() {
        let mut worst = Worst::default();
        assert!(!worst.admits(0, 9.0) && !worst.admits(2, 0.0) && !worst.admits(2, f64::NAN));
        assert!(worst.admits(2, 1.0));
        assert!(worst.add(2, 1.0, "first").is_empty() && worst.add(2, 3.0, "second").is_empty());
        assert!(!worst.admits(2, 1.0) && worst.admits(2, f64::INFINITY) && worst.admits(3, 0.5));
        assert_eq!(worst.add(2, 2.0, "third"), ["first"]);
        assert_eq!(worst.add(2, 2.0, "equal, and later"), ["equal, and later"]);
        assert_eq!(worst.limit(1), ["third"]);
        assert_eq!(worst.limit(0), ["second"]);
    }
}
