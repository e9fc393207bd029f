//! Versions whose model hangs or has lost its device, for whoever can tell people more than the core knows, and what
//! follows from one.

use crate::base::{
    contract::Contract,
    units::{Rows, Version},
};
use parking_lot::{Condvar, Mutex};
use serde::Serialize;
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// A version that was given up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub model: String,
    pub version: u64,
    /// Of the batch that it was given up for.
    pub rows: u32,
    #[serde(flatten)]
    pub why: Why,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// What the batch did not come back within.
    LimitS(f64),
    /// What was said of its device, which does nothing any more for this process.
    LostDevice(String),
}

impl Report {
    pub(super) fn new(contract: &Contract, rows: Rows, why: Why) -> Report {
        let Contract { model, version, .. } = contract;
        Report { model: model.to_string(), version: version.0, rows: rows.get(), why }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "model '{}' version {} ", self.model, Version(self.version))?;
        match self.why {
            Why::LimitS(limit_s) => write!(out, "did not return a batch within {limit_s} s"),
            Why::LostDevice(_) => write!(out, "lost its device"),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Hangs {
    told: Mutex<Told>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Told {
    /// At most one for each lane.
    reports: VecDeque<Report>,
    /// Reports that a reader took and has not finished with.
    in_hand: bool,
    closed: bool,
}

impl Hangs {
    pub(super) fn tell(&self, report: Report) {
        self.told.lock().reports.push_back(report);
        self.news.notify_all();
    }

    /// Waits for the next one; to ask again says that the last one is dealt with. `None` once closed and read.
    pub(super) fn next(&self) -> Option<Report> {
        let mut told = self.told.lock();
        told.in_hand = false;
        self.news.notify_all();
        loop {
            if let Some(report) = told.reports.pop_front() {
                told.in_hand = true;
                return Some(report);
            }
            if told.closed {
                return None;
            }
            self.news.wait(&mut told);
        }
    }

    /// Waits until every report is dealt with; false if that takes longer than `patience`, as it does where the
    /// reader needs an interpreter that the model holds.
    pub(super) fn wait_dealt_with(&self, patience: Duration) -> bool {
        let mut told = self.told.lock();
        let busy = |told: &mut Told| told.in_hand || !told.reports.is_empty();
        !self.news.wait_while_for(&mut told, busy, patience).timed_out()
    }

    #[cfg(test)]
    pub(super) fn take(&self) -> u64 {
        u64::try_from(self.told.lock().reports.drain(..).count()).unwrap()
    }

    pub(super) fn close(&self) {
        self.told.lock().closed = true;
        self.news.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn report(version: u64) -> Report {
        Report { model: "m".to_owned(), version, rows: 1, why: Why::LimitS(2.0) }
    }

    #[test]
    fn a_report_is_dealt_with_when_its_reader_asks_again() {
        let hangs = Arc::new(Hangs::default());
        assert!(hangs.wait_dealt_with(Duration::ZERO), "nothing was told");
        hangs.tell(report(1));
        assert!(!hangs.wait_dealt_with(Duration::ZERO), "nobody reads");
        assert_eq!(hangs.next(), Some(report(1)));
        assert!(!hangs.wait_dealt_with(Duration::ZERO), "the reader is busy with it");
        let reader = std::thread::spawn({
            let hangs = Arc::clone(&hangs);
            move || hangs.next()
        });
        assert!(hangs.wait_dealt_with(Duration::from_secs(60)));
        hangs.close();
        assert_eq!(reader.join().unwrap(), None);
    }

    #[test]
    fn what_was_told_before_the_end_is_read() {
        let hangs = Hangs::default();
        hangs.tell(report(1));
        hangs.close();
        assert_eq!((hangs.next(), hangs.next()), (Some(report(1)), None));
        assert!(hangs.wait_dealt_with(Duration::ZERO));
    }
}
