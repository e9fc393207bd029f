//! A version that the gateway carries itself, without a host of ours: held by who wants it.

use super::parked;
use crate::base::{contract::Contract, primitive::Mutex};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How it stands.
#[derive(Clone, Debug)]
pub enum Standing {
    /// What it needs is not there since it is wanted, or not again since it was lost; why not, empty before the first try.
    Down(String),
    Up(Arc<Contract>),
    /// It cannot be, whatever comes.
    Refused(String),
    /// Not wanted any more, and nothing of it is in flight.
    Over,
}

/// One of them, for as long as it is wanted.
#[derive(Debug)]
pub struct Kept {
    on: Handle,
    wanted: watch::Sender<bool>,
    standing: watch::Receiver<Standing>,
    /// Of whoever follows it: what has been told.
    told: Mutex<watch::Receiver<Standing>>,
    task: JoinHandle<()>,
}

impl Kept {
    /// Runs `keep` as a task of `on`, from now until it is closed or dropped. That is told whether the version is wanted, and
    /// tells how it stands: `Over` at last.
    pub fn new<F>(on: &Handle, keep: impl FnOnce(watch::Sender<Standing>, watch::Receiver<bool>) -> F) -> Kept
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (wanted, told) = watch::channel(true);
        let (stands, standing) = watch::channel(Standing::Down(String::new()));
        let task = on.spawn(keep(stands, told));
        Kept { on: on.clone(), wanted, told: Mutex::new(standing.clone()), standing, task }
    }

    /// Blocks until it stands otherwise than this has told before, or for so long; how it stands then. For one thread.
    pub fn wait(&self, limit: Duration) -> Standing {
        let mut told = self.told.lock().clone();
        let moved = parked::wait(pin!(told.changed()), limit);
        let standing = told.borrow_and_update().clone();
        *self.told.lock() = told;
        // An error: its task is gone, with the gateway or as it was dropped.
        if matches!(moved, Some(Err(_))) { Standing::Over } else { standing }
    }

    /// Sends nothing more, and waits for so long until what was sent is answered; true if it was. Blocks.
    pub fn close(&self, limit: Duration) -> bool {
        self.wanted.send_replace(false);
        let mut standing = self.standing.clone();
        self.on.block_on(async {
            let over = standing.wait_for(|now| matches!(now, Standing::Over));
            // An error: the gateway has ended, and everybody was answered then.
            tokio::time::timeout(limit, over).await.is_ok()
        })
    }

    #[cfg(test)]
    pub(crate) fn unwant(&self) {
        self.wanted.send_replace(false);
    }

    #[cfg(test)]
    pub(crate) fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.wanted.send_replace(false);
        self.task.abort();
    }
}

/// Until it is not wanted any more.
pub async fn unwanted(mut wanted: watch::Receiver<bool>) {
    let _ = wanted.wait_for(|wanted| !wanted).await; // an error: whoever wanted it is gone
}
