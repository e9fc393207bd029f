//! Looks at samples, on a thread that the kernel runs when no other wants to.

use super::sample::Sample;
use crate::base::{clock, panics};
use parking_lot::Mutex;
use rustix::process::nice;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

/// The kernel's lowest priority, from which this thread does not come back.
const LOWEST: i32 = 19;

/// Samples that wait for it.
const MOST: usize = 64;

/// Its thread begins with the first sample, and ends with the gateway.
#[derive(Debug, Default)]
pub(super) struct Observer(Mutex<Option<SyncSender<Box<Sample>>>>);

impl Observer {
    /// Never blocks: gives back what it has no room for, or no thread.
    pub(super) fn hear(&self, sample: Box<Sample>) -> Option<Box<Sample>> {
        let mut observer = self.0.lock();
        if observer.is_none() {
            *observer = begin();
        }
        let Some(observer) = observer.as_ref() else { return Some(sample) };
        observer.try_send(sample).err().map(|refused| match refused {
            TrySendError::Full(sample) | TrySendError::Disconnected(sample) => sample,
        })
    }
}

fn begin() -> Option<SyncSender<Box<Sample>>> {
    let (sender, samples) = sync_channel::<Box<Sample>>(MOST);
    let work = move || {
        let _ = nice(LOWEST); // at worst it runs as any other thread does
        samples.iter().for_each(|sample| {
            let began = clock::now();
            let _ = panics::survive(|| sample.count()); // it was reported, and costs one sample
            let now = clock::now();
            sample.profile.looked_at(now.since(began), now);
        });
    };
    std::thread::Builder::new().name("headrace-profile".to_owned()).spawn(work).ok().map(|_| sender)
}
