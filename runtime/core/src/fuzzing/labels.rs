//! A message with labels, which becomes JSON.

use super::{check_refusal, memory::Most};
use crate::wire::labels::to_json;
use serde_json::Value;

/// A label without anything is two bytes, and 33 of JSON in a buffer that doubles.
const MOST: Most = Most { each: 64, beside: 4096 };

/// A SendRequest.
pub fn any_labels(data: &[u8]) {
    match MOST.hold(data.len(), || to_json(data)) {
        Err(fault) => check_refusal(&fault),
        Ok(text) => {
            // The console's reader knows the words, and says that they are no numbers.
            let text = String::from_utf8(text).expect("it is text");
            let text = text.replace("Infinity", "0").replace("NaN", "0");
            let read: Value = serde_json::from_str(&text).expect("it is JSON");
            assert!(read["feedback"].is_array(), "{read}");
        }
    }
}
