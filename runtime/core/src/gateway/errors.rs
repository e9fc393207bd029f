//! Every fault that is the server's own gets an id that its caller sees and the log has.

use crate::base::{
    clock,
    fault::{Fault, Kind},
    units::Version,
};
use parking_lot::{Condvar, Mutex};
use serde::Serialize;
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Reports that may wait to be read; beyond it the newest are dropped and counted.
const WAITING: usize = 1024;
/// How an id stands in a note. A host that logged a fault has put one there already.
const MARK: &str = "[error id e-";

/// One line of the error log.
#[derive(Clone, Debug, Serialize)]
struct Report {
    id: String,
    unix_ms: u64,
    kind: &'static str,
    model: String,
    version: Option<u64>,
    note: String,
}

#[derive(Debug)]
pub(super) struct Errors {
    ring: Mutex<Ring>,
    news: Condvar,
    next: AtomicU64,
}

#[derive(Debug, Default)]
struct Ring {
    reports: VecDeque<Report>,
    dropped: u64,
    closed: bool,
}

/// Whether a caller sees a 5xx that is ours to explain. Of what is merely unsupported there is nothing to find.
fn is_ours(kind: Kind) -> bool {
    match kind {
        Kind::Expired
        | Kind::Unavailable
        | Kind::HostLost
        | Kind::ModelFailed
        | Kind::ModelHung
        | Kind::Internal => true,
        Kind::Invalid
        | Kind::NotFound
        | Kind::Forbidden
        | Kind::Unsupported
        | Kind::TooLarge
        | Kind::Slow
        | Kind::Overloaded
        | Kind::Cancelled => false,
    }
}

impl Errors {
    pub(super) fn new() -> Errors {
        // Another start for each process: two gateways' ids must not look the same in one log.
        let start = RandomState::new().hash_one(());
        Errors { ring: Mutex::default(), news: Condvar::new(), next: AtomicU64::new(start) }
    }

    /// The fault with its id in its note, after it was put where the log reads it.
    pub(super) fn report(&self, fault: Fault, model: &str, version: Option<Version>) -> Fault {
        if is_ours(fault.kind) { self.log(fault, model, version) } else { fault }
    }

    /// The same for a fault of any kind.
    pub(super) fn log(&self, fault: Fault, model: &str, version: Option<Version>) -> Fault {
        let (id, fault) = match id_in(&fault.note) {
            Some(id) => (id.to_owned(), fault),
            None => {
                let id = format!("e-{:010x}", self.next.fetch_add(1, Relaxed) & 0xff_ffff_ffff);
                let note = format!("{} [error id {id}]", fault.note).into();
                (id, Fault { note, ..fault })
            }
        };
        let mut ring = self.ring.lock();
        if ring.reports.len() >= WAITING || ring.closed {
            ring.dropped += 1;
            return fault;
        }
        ring.reports.push_back(Report {
            id,
            unix_ms: clock::unix_ms(),
            kind: fault.kind.code(),
            model: model.to_owned(),
            version: version.map(|version| version.told().0),
            note: fault.note.clone().into_owned(),
        });
        drop(ring);
        self.news.notify_one();
        fault
    }

    /// Waits for the next report, as JSON. `None` when closed and read to the end.
    pub(super) fn next(&self) -> Option<String> {
        let mut ring = self.ring.lock();
        loop {
            if let Some(report) = ring.reports.pop_front() {
                return serde_json::to_string(&report).ok();
            }
            if ring.closed {
                return None;
            }
            self.news.wait(&mut ring);
        }
    }

    /// Notes of what nobody has read yet and no caller was told, without their ids.
    #[cfg(test)]
    pub(super) fn logged(&self) -> Vec<String> {
        let ours = |report: &Report| report.model.is_empty() || report.kind == Kind::Invalid.code();
        let reports = std::mem::take(&mut self.ring.lock().reports);
        let note = |report: Report| report.note.split(" [error id").next().map(str::to_owned);
        reports.into_iter().filter(ours).filter_map(note).collect()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.ring.lock().dropped
    }

    /// Reports that come later are counted only.
    pub(super) fn close(&self) {
        self.ring.lock().closed = true;
        self.news.notify_all();
    }
}

fn id_in(note: &str) -> Option<&str> {
    let at = note.rfind(MARK)?;
    let rest = note.get(at + MARK.len() - "e-".len()..)?;
    rest.split_once(']').map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn read(errors: &Errors) -> serde_json::Value {
        serde_json::from_str(&errors.next().unwrap()).unwrap()
    }

    #[test]
    fn the_caller_sees_the_id_that_the_log_has() {
        let errors = Errors::new();
        let told = errors.report(Fault::internal("it broke"), "m", Some(Version(3)));
        let report = read(&errors);
        let id = report["id"].as_str().unwrap();
        assert_eq!(told.note, format!("it broke [error id {id}]"));
        assert_eq!(report["note"], told.note.as_ref());
        assert_eq!(
            (&report["kind"], &report["model"], &report["version"]),
            (&"internal".into(), &"m".into(), &3.into())
        );
    }

    #[test]
    fn an_id_that_is_there_is_kept() {
        let errors = Errors::new();
        let fault = Fault::new(Kind::ModelFailed, "ValueError: no [error id e-abc]");
        assert_eq!(errors.report(fault.clone(), "m", None), fault);
        assert_eq!(read(&errors)["id"], "e-abc");
    }

    #[test]
    fn a_callers_own_fault_has_none() {
        let errors = Errors::new();
        assert_eq!(errors.report(Fault::invalid("no"), "m", None), Fault::invalid("no"));
        errors.close();
        assert_eq!(errors.next(), None);
    }

    #[test]
    fn too_many_are_counted_not_kept() {
        let errors = Errors::new();
        for _ in 0..WAITING + 3 {
            errors.report(Fault::internal("it broke"), "m", None);
        }
        assert_eq!(errors.dropped(), 3);
        errors.close();
        assert_eq!(std::iter::from_fn(|| errors.next()).count(), WAITING);
    }

    #[test]
    fn a_reader_that_waits_is_woken_by_news_and_by_the_end() {
        let errors = Arc::new(Errors::new());
        let reader = std::thread::spawn({
            let errors = Arc::clone(&errors);
            move || (errors.next().is_some(), errors.next())
        });
        errors.report(Fault::internal("it broke"), "m", None);
        errors.close();
        assert_eq!(reader.join().unwrap(), (true, None));
    }
}
