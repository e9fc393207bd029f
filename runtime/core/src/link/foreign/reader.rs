//! How far the reader of an answer in parts is behind.

use crate::base::{call::PARTS_BYTES, primitive::Mutex};
use std::collections::VecDeque;
use tokio::sync::Notify;

/// While there is no room the server's parts are not read, and its side of the connection makes it wait.
#[derive(Debug)]
pub(super) struct Reader {
    behind: Mutex<Behind>,
    took: Notify,
}

#[derive(Debug)]
struct Behind {
    /// Parts that may yet be handed on.
    credit: u32,
    /// Bytes of each that was, and was not taken: no more of them than credit was given.
    parts: VecDeque<usize>,
    bytes: usize,
}

impl Reader {
    pub(super) fn new(credit: u32) -> Reader {
        Reader {
            behind: Mutex::new(Behind { credit, parts: VecDeque::new(), bytes: 0 }),
            took: Notify::new(),
        }
    }

    pub(super) async fn has_room(&self) {
        loop {
            let took = self.took.notified();
            {
                let behind = self.behind.lock();
                if behind.credit > 0 && behind.bytes < PARTS_BYTES {
                    return;
                }
            }
            took.await;
        }
    }

    /// Gets a part of so many bytes.
    pub(super) fn takes(&self, bytes: usize) {
        let mut behind = self.behind.lock();
        behind.credit = behind.credit.saturating_sub(1);
        behind.bytes = behind.bytes.saturating_add(bytes);
        behind.parts.push_back(bytes);
    }

    /// Is done with so many.
    pub(super) fn took(&self, parts: u32) {
        let mut behind = self.behind.lock();
        behind.credit = behind.credit.saturating_add(parts);
        for _ in 0..parts {
            let Some(bytes) = behind.parts.pop_front() else { break };
            behind.bytes -= bytes;
        }
        drop(behind);
        self.took.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn parts_are_read_as_far_as_their_reader_is() {
        let has_room = |reader: &Reader| reader.has_room().now_or_never().is_some();
        let reader = Reader::new(2);
        reader.takes(10);
        assert!(has_room(&reader));
        reader.takes(10);
        assert!(!has_room(&reader), "it asked for two");
        reader.took(1);
        assert!(has_room(&reader));
        reader.takes(PARTS_BYTES);
        reader.took(1);
        assert!(!has_room(&reader), "they are large");
        reader.took(1);
        assert!(has_room(&reader));
    }
}
