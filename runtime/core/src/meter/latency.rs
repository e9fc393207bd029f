//! Latencies to one sixteenth of their size: quantiles that are compared need more than the metrics page tells.

/// Below it all are one bucket.
const FIRST_EDGE_LOG2: u32 = 16;
/// From each power of two to the next.
const PER_DOUBLING: usize = 16;
/// 65.536 µs to 35.5 minutes.
const EDGES: usize = 25 * PER_DOUBLING;

/// Edges are at `(16 + k) << e` nanoseconds, for e in 12..37 and k in 0..16. Bucket 0 is below the first, bucket i from
/// edge i - 1 up to below edge i, and the last has the rest.
#[derive(Debug)]
pub(super) struct Latencies([u64; EDGES + 1]);

impl Default for Latencies {
    fn default() -> Latencies {
        Latencies([0; EDGES + 1])
    }
}

impl Latencies {
    pub(super) fn observe(&mut self, ns: u64) {
        if let Some(count) = self.0.get_mut(bucket(ns)) {
            *count += 1;
        }
    }

    /// Buckets that have any, and how many.
    pub(super) fn sparse(&self) -> Vec<(usize, u64)> {
        self.0.iter().copied().enumerate().filter(|(_, count)| *count > 0).collect()
    }
}

fn bucket(ns: u64) -> usize {
    let Some(doubling) = ns.checked_ilog2().and_then(|log2| log2.checked_sub(FIRST_EDGE_LOG2)) else {
        return 0;
    };
    // Its five highest bits, of which the first is set: 16 and the sixteenth that it is in.
    let sixteenth = (ns >> (doubling + FIRST_EDGE_LOG2 - 4)) & 15;
    let at = |part: u64| usize::try_from(part).unwrap_or(usize::MAX);
    (1 + at(doubling.into()) * PER_DOUBLING + at(sixteenth)).min(EDGES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges() -> Vec<u64> {
        (12..37).flat_map(|e| (0..16).map(move |k| (16 + k) << e)).collect()
    }

    #[test]
    fn each_edge_begins_its_bucket() {
        let edges = edges();
        assert_eq!((edges.len(), edges[0]), (EDGES, 65_536));
        for (at, edge) in edges.iter().enumerate() {
            assert_eq!((bucket(edge - 1), bucket(*edge)), (at, at + 1), "{edge}");
        }
        assert_eq!([0, 1, 65_535].map(bucket), [0; 3]);
        assert_eq!([1 << 41, u64::MAX].map(bucket), [EDGES; 2]);
    }

    #[test]
    fn only_what_was_seen_is_told() {
        let mut seen = Latencies::default();
        [3, 65_536, 65_537, u64::MAX, 1_000_000].into_iter().for_each(|ns| seen.observe(ns));
        // A millisecond is from 30 << 15 up to below 31 << 15 ns.
        assert_eq!(seen.sparse(), [(0, 1), (1, 2), (63, 1), (400, 1)]);
    }
}
