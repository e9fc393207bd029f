//! A graceful end: let nobody in, wait for who is inside, give up when the time is over.

use super::turnstile::Turnstile;
use crate::base::primitive::Notify;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug, Default)]
pub struct Gate {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    inside: Turnstile,
    empty: Notify,
}

/// Held by who is inside.
#[derive(Debug)]
#[must_use = "dropping it is leaving"]
pub struct Pass {
    shared: Arc<Shared>,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    Clean,
    /// The time was over; so many were left inside.
    Forced {
        left: usize,
    },
}

impl Gate {
    /// `None` once the gate is shut.
    pub fn enter(&self) -> Option<Pass> {
        self.shared.inside.enter().then(|| Pass { shared: Arc::clone(&self.shared) })
    }

    /// For what somebody inside asks for: `None` once the gate is shut and nobody is.
    pub fn enter_behind(&self) -> Option<Pass> {
        self.shared.inside.enter_behind().then(|| Pass { shared: Arc::clone(&self.shared) })
    }

    pub fn shut(&self) {
        self.shared.inside.shut();
    }

    pub fn is_shut(&self) -> bool {
        self.shared.inside.is_shut()
    }

    pub fn inside(&self) -> usize {
        self.shared.inside.inside()
    }

    /// Shuts and waits, at most `grace`. May be called by many; all of them wait.
    pub async fn drain(&self, grace: Duration) -> Drained {
        self.shut();
        match tokio::time::timeout(grace, self.until_empty()).await {
            Ok(()) => Drained::Clean,
            Err(_) => Drained::Forced { left: self.inside() },
        }
    }

    /// Of a gate that is shut.
    pub(super) async fn until_empty(&self) {
        // Made before the count is read: who leaves in between tells it.
        let told = self.shared.empty.notified();
        if self.inside() > 0 {
            told.await;
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.shared.inside.leave() {
            self.shared.empty.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock;

    const GRACE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn every_drain_ends_with_the_last_pass() {
        let gate = Gate::default();
        let pass = gate.enter().unwrap();
        let begun = clock::now();
        let leave = async {
            tokio::time::sleep(Duration::from_secs(7)).await;
            drop(pass);
        };
        let (one, other, ()) = tokio::join!(gate.drain(GRACE), gate.drain(GRACE), leave);
        assert_eq!((one, other), (Drained::Clean, Drained::Clean));
        assert_eq!(clock::now().since(begun).as_secs(), 7);
        assert!(gate.enter().is_none());
        assert_eq!(gate.drain(GRACE).await, Drained::Clean);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_inside_may_bring_others_once_it_is_shut() {
        let gate = Gate::default();
        let pass = gate.enter().unwrap();
        gate.shut();
        let beside = gate.enter_behind().unwrap();
        drop(pass);
        assert_eq!(gate.drain(GRACE).await, Drained::Forced { left: 1 });
        drop(beside);
        assert_eq!(gate.drain(GRACE).await, Drained::Clean);
        assert!(gate.enter_behind().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_gives_up_in_time() {
        let gate = Gate::default();
        let stuck = gate.enter().unwrap();
        let begun = clock::now();
        assert_eq!(gate.drain(GRACE).await, Drained::Forced { left: 1 });
        assert_eq!(clock::now().since(begun).as_secs(), 30);
        drop(stuck);
        assert_eq!(gate.drain(Duration::ZERO).await, Drained::Clean);
    }
}
