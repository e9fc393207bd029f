//! How often features of a version's tensors had which values.

use crate::decide::profile::{Feature, Place, Role};
use compact_str::CompactString;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Of one feature; a value beyond them is counted in the nearest place below, or in the first.
const MOST_PLACES: usize = 512;

/// By name, how often it had which value.
type Features = BTreeMap<&'static str, BTreeMap<Place, u64>>;

/// Of a few tensors, each with a few features: some ten kilobytes, however many rows there are.
#[derive(Debug, Default)]
pub(super) struct Counts {
    rows: u64,
    /// By whether it is an output, and by name.
    tensors: BTreeMap<(bool, CompactString), Features>,
}

impl Counts {
    /// One more row was looked at.
    pub(super) fn row(&mut self) {
        self.rows += 1;
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn add(&mut self, name: &CompactString, role: Role, features: &[Feature]) {
        let tensor = self.tensors.entry((role == Role::Output, name.clone())).or_default();
        for Feature { name, place } in features {
            let counts = tensor.entry(name).or_default();
            let place = if counts.len() < MOST_PLACES { *place } else { nearest(counts, *place) };
            *counts.entry(place).or_default() += 1;
        }
    }

    /// Rows, and the tensors with their features.
    pub(super) fn told(&self) -> (u64, Value) {
        let each = self.tensors.iter().map(|((is_output, name), features)| {
            let features = features
                .iter()
                .map(|(name, counts)| json!({"name": name, "counts": counts.iter().collect::<Vec<_>>()}));
            let role = if *is_output { "output" } else { "input" };
            json!({"name": name, "role": role, "features": features.collect::<Vec<_>>()})
        });
        (self.rows, each.collect())
    }
}

fn nearest(counts: &BTreeMap<Place, u64>, place: Place) -> Place {
    let below = counts.range(..=place).next_back().or_else(|| counts.iter().next());
    below.map_or(place, |(known, _)| *known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_by_tensor_and_feature_within_a_bound() {
        let mut counts = Counts::default();
        for place in (0..2000).chain([7, 7]) {
            counts.row();
            counts.add(&"x".into(), Role::Input, &[Feature { name: "mean", place }]);
        }
        counts.add(&"x".into(), Role::Output, &[Feature { name: "class", place: 3 }]);
        let (rows, told) = counts.told();
        assert_eq!(rows, 2002);
        assert_eq!((&told[0]["role"], &told[1]["role"]), (&json!("input"), &json!("output")));
        let mean = told[0]["features"][0]["counts"].as_array().unwrap();
        assert_eq!(mean.len(), MOST_PLACES);
        assert_eq!((&mean[7], &mean[MOST_PLACES - 1]), (&json!([7, 3]), &json!([511, 2000 - 511])));
        assert_eq!(told[1]["features"], json!([{"name": "class", "counts": [[3, 1]]}]));
    }
}
