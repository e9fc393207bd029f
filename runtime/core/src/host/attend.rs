//! What a host's own thread does for a version: it gives up batches that do not come back, and forgets sequences that
//! ask nothing.

use super::{
    batch::Batch,
    expiry::expire,
    hangs::{Report, Why},
    intake::Intake,
    versions::Host,
    watch::{Hang, watch},
};
use crate::base::units::Rows;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

impl Host {
    pub(super) fn attend(
        self: &Arc<Host>,
        on: &Handle,
        intake: &Arc<Intake>,
        hang_timeout: Option<Duration>,
    ) {
        if let Some(limit) = hang_timeout {
            let host = Arc::downgrade(self);
            let hung = move |intake: &Arc<Intake>, hang| {
                if let Some(host) = host.upgrade() {
                    host.gave_up(intake, hang);
                }
            };
            on.spawn(watch(Arc::downgrade(intake), Arc::clone(&intake.alarm), limit, hung));
        }
        if intake.contract().sequences.is_some() {
            on.spawn(expire(Arc::downgrade(intake), Arc::clone(&intake.quiet)));
        }
    }

    /// A model hangs: its version takes no more, what waits for it may run elsewhere, and the host leaves if it is
    /// one that does.
    fn gave_up(self: &Arc<Host>, intake: &Arc<Intake>, hang: Hang) {
        self.abandon(intake);
        self.replace(Report::new(intake.contract(), hang.rows, Why::LimitS(hang.limit.as_secs_f64())));
    }

    /// A device does nothing any more for this process, as `batch` has found if there is one: as with a model that
    /// hangs, and its callers are told `note`, as those of a host that died are.
    pub fn lose(self: &Arc<Host>, intake: &Arc<Intake>, note: String, batch: Option<Batch>) {
        // Before their answers, on which they may be sent to whoever is listed.
        self.abandon(intake);
        let rows = batch.as_ref().map_or(Rows::ZERO, Batch::rows);
        if let Some(batch) = batch {
            batch.lose(note.clone());
        }
        self.replace(Report::new(intake.contract(), rows, Why::LostDevice(note)));
    }

    fn replace(self: &Arc<Host>, report: Report) {
        self.hangs.tell(report.clone());
        if let Some(leaver) = &self.leaver {
            leaver.leave(self, &report);
        }
    }
}
