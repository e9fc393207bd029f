//! What a host's own thread does for a version: it gives up batches that do not come back, and forgets sequences that
//! ask nothing.

use super::{
    expiry::expire,
    hangs::Report,
    intake::Intake,
    versions::Host,
    watch::{Hang, watch},
};
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
        let contract = intake.contract();
        let report = Report {
            model: contract.model.to_string(),
            version: contract.version.0,
            rows: hang.rows.get(),
            limit_s: hang.limit.as_secs_f64(),
        };
        self.hangs.tell(report.clone());
        if let Some(leaver) = &self.leaver {
            leaver.leave(self, &report);
        }
    }
}
