//! What an answer's headers say over both protocols: which version made it, and its way through the server to who asks
//! for that with `x-headrace-timing`.

use crate::base::{call::Timing, inference::Answer, units::Version};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

pub(in crate::gateway) const VERSION: HeaderName = HeaderName::from_static("x-headrace-version");
/// By which a label is joined with the answer later, where its model asks for that.
const PREDICTION: HeaderName = HeaderName::from_static("x-headrace-prediction-id");
/// Whatever it says: to be there is to ask.
pub(in crate::gateway) const ASKED: HeaderName = HeaderName::from_static("x-headrace-timing");
/// Waiting, here and in the host.
const QUEUE_MS: HeaderName = HeaderName::from_static("x-headrace-queue-ms");
/// Gathering the batch, the model itself, and cutting its outputs.
const COMPUTE_MS: HeaderName = HeaderName::from_static("x-headrace-compute-ms");
const BATCH_ROWS: HeaderName = HeaderName::from_static("x-headrace-batch-rows");

/// What an answer's headers say.
#[derive(Debug)]
pub(in crate::gateway) struct Told {
    version: Version,
    prediction: Option<Box<[u8]>>,
    /// Where its caller asks for it.
    timing: Option<Timing>,
}

impl Told {
    pub(in crate::gateway) fn of(answer: &mut Answer, is_timed: bool) -> Told {
        let timing = is_timed.then_some(answer.timing);
        Told { version: answer.contract.version, prediction: answer.prediction.take(), timing }
    }

    pub(in crate::gateway) fn write(self, to: &mut HeaderMap) {
        to.insert(VERSION, number(self.version.told().0));
        if let Some(Ok(id)) = self.prediction.map(|id| HeaderValue::from_maybe_shared(Bytes::from(id))) {
            to.insert(PREDICTION, id);
        }
        if let Some(timing) = &self.timing {
            write(timing, to);
        }
    }
}

/// Versions are small numbers: those cost no allocation.
pub(in crate::gateway) fn number(value: u64) -> HeaderValue {
    const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let digit = usize::try_from(value).ok().and_then(|value| DIGITS.get(value));
    digit.map_or_else(|| HeaderValue::from(value), |digit| HeaderValue::from_static(digit))
}

fn write(timing: &Timing, to: &mut HeaderMap) {
    let Timing { queue_ns, input_ns, infer_ns, output_ns, batch_rows, .. } = *timing;
    let compute_ns = input_ns.saturating_add(infer_ns).saturating_add(output_ns);
    to.insert(BATCH_ROWS, HeaderValue::from(batch_rows));
    for (name, ns) in [(QUEUE_MS, queue_ns), (COMPUTE_MS, compute_ns)] {
        let (ms, us) = (ns / 1_000_000, ns / 1000 % 1000);
        if let Ok(value) = HeaderValue::try_from(format!("{ms}.{us:03}")) {
            to.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stages_are_told_in_milliseconds() {
        let timing = Timing {
            queue_ns: 1_234_999,
            input_ns: 1_000,
            infer_ns: 12_000_000,
            output_ns: 9_000,
            batch_rows: 64,
            ..Timing::default()
        };
        let mut headers = HeaderMap::new();
        write(&timing, &mut headers);
        let told = |name: &str| headers[name].to_str().unwrap().to_owned();
        assert_eq!(told("x-headrace-queue-ms"), "1.234");
        assert_eq!(told("x-headrace-compute-ms"), "12.010");
        assert_eq!(told("x-headrace-batch-rows"), "64");
    }
}
