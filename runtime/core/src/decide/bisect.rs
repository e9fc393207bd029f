//! How a batch that failed is run again, in parts, to find out whose rows it fails for.

/// Runs that may follow the one that failed: two for each time that so many calls can be halved. That finds one call
/// among any others. Where more are bad than that, those who are still together when the runs are spent share the fault.
pub fn runs(calls: usize) -> u32 {
    2 * calls.next_power_of_two().trailing_zeros()
}

/// How many of the calls of a failed batch are run again first; the others follow. `None`: all of them are answered
/// with the fault.
pub fn part(calls: usize, runs_left: u32) -> Option<usize> {
    (calls > 1 && runs_left >= 2).then_some(calls / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Runs batches until each call has an answer: how many runs there were, and who was answered with the fault.
    fn search(bad: &[bool]) -> (u32, Vec<bool>) {
        let mut failed = vec![false; bad.len()];
        let (mut ran, mut left) = (0, runs(bad.len()));
        let mut batches: Vec<_> = std::iter::once(0..bad.len()).collect();
        while let Some(batch) = batches.pop() {
            ran += 1;
            if !bad[batch.clone()].contains(&true) {
                continue;
            }
            match part(batch.len(), left) {
                Some(half) => {
                    left -= 2;
                    batches.extend([batch.start..batch.start + half, batch.start + half..batch.end]);
                }
                None => failed[batch].fill(true),
            }
        }
        (ran, failed)
    }

    #[test]
    fn one_bad_call_is_found_among_any() {
        for calls in 1..=130 {
            for bad in 0..calls {
                let bad: Vec<_> = (0..calls).map(|call| call == bad).collect();
                assert_eq!(search(&bad).1, bad, "{bad:?}");
            }
        }
    }

    #[test]
    fn runs_are_bounded_though_all_are_bad() {
        for (calls, most) in [(1, 1), (2, 3), (3, 5), (64, 13), (100, 15)] {
            let (ran, failed) = search(&vec![true; calls]);
            assert_eq!((ran, failed), (most, vec![true; calls]));
        }
    }

    proptest! {
        #[test]
        fn whoever_is_bad_is_told_so(bad: Vec<bool>) {
            let (ran, failed) = search(&bad);
            prop_assert!(ran <= 1 + runs(bad.len()));
            prop_assert!(bad.iter().zip(&failed).all(|(bad, failed)| !bad || *failed));
        }
    }
}
