//! The pairs of answers that are furthest apart, in files that nobody but this user reads: the request as it can be sent
//! again, and what both versions answered. They outlive the gateway, and end with the shadow.

use super::pair::Pair;
use crate::decide::worst::Worst;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Bytes of a request and both answers, as tensors: what has more is not kept.
const MOST_BYTES: usize = 4 << 20;
/// A pair on its way into the folder.
const NEW: &str = ".new";

/// Of one shadow.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// `None` where nothing may be kept.
    folder: Option<PathBuf>,
    /// Never held while a file is written: the thread that does so has the lowest priority.
    pairs: Mutex<Pairs>,
}

/// Each pair is a folder with a number.
#[derive(Debug, Default)]
struct Pairs {
    most: usize,
    worst: Worst<u64>,
    /// What an earlier gateway has left is known.
    is_read: bool,
    /// The number of the next pair.
    next: u64,
    too_large: u64,
    /// Why the last one could not be written.
    error: String,
}

impl Kept {
    pub(super) fn new(folder: Option<PathBuf>, most: usize) -> Kept {
        let kept = Kept { folder, pairs: Mutex::default() };
        kept.limit(most);
        kept
    }

    /// With none to keep all are removed.
    pub(super) fn limit(&self, most: usize) {
        let Some(folder) = &self.folder else { return };
        let mut pairs = self.pairs.lock();
        pairs.most = most;
        if most == 0 {
            *pairs = Pairs::default();
            return remove(folder);
        }
        pairs.worst.limit(most).iter().for_each(|number| remove(&folder.join(number.to_string())));
    }

    /// To be called by one thread alone.
    pub(super) fn keep(&self, pair: &Pair<'_>) {
        let Some(folder) = &self.folder else { return };
        if self.pairs.lock().most == 0 {
            return;
        }
        self.read(folder);
        let number = {
            let mut pairs = self.pairs.lock();
            if !pairs.worst.admits(pairs.most, pair.distance()) {
                return;
            }
            if pair.bytes() > MOST_BYTES {
                pairs.too_large += 1;
                return;
            }
            pairs.next
        };
        let new = folder.join(NEW);
        let written = written(&new, pair);
        let mut pairs = self.pairs.lock();
        if pairs.most == 0 {
            return remove(folder);
        }
        // Also where that failed, for another gateway may have taken the number.
        pairs.next = number.saturating_add(1);
        if let Err(error) = written.and_then(|()| fs::rename(new, folder.join(number.to_string()))) {
            pairs.error = error.to_string();
            return;
        }
        let most = pairs.most;
        let gone = pairs.worst.add(most, pair.distance(), number);
        drop(pairs);
        gone.iter().for_each(|number| remove(&folder.join(number.to_string())));
    }

    /// What is there from an earlier gateway.
    fn read(&self, folder: &Path) {
        if self.pairs.lock().is_read {
            return;
        }
        let found: Vec<_> =
            fs::read_dir(folder).into_iter().flatten().flatten().filter_map(numbered).collect();
        let mut pairs = self.pairs.lock();
        pairs.is_read = true;
        let most = pairs.most;
        for (number, distance) in found {
            pairs.next = pairs.next.max(number.saturating_add(1));
            let gone = pairs.worst.add(most, distance, number);
            gone.iter().for_each(|number| remove(&folder.join(number.to_string())));
        }
    }

    /// `None` where none are to be kept.
    pub(super) fn told(&self) -> Option<Value> {
        let pairs = self.pairs.lock();
        (pairs.most > 0).then(|| {
            json!({"most": pairs.most, "folder": self.folder, "too_large": pairs.too_large, "error": pairs.error})
        })
    }
}

/// Where nothing is there, nothing is to do; what cannot be removed is tried again by whoever begins there next.
fn remove(folder: &Path) {
    let _ = fs::remove_dir_all(folder); // the two cases above
}

/// A pair's number and distance; `None` for what is no whole pair.
fn numbered(entry: fs::DirEntry) -> Option<(u64, f64)> {
    let number = entry.file_name().to_str()?.parse().ok()?;
    let about: Value = serde_json::from_slice(&fs::read(entry.path().join(Pair::ABOUT)).ok()?).ok()?;
    Some((number, about.get("distance")?.as_f64().unwrap_or(f64::INFINITY)))
}

fn written(folder: &Path, pair: &Pair<'_>) -> io::Result<()> {
    remove(folder); // one that was not finished
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    pair.write(folder)
}
