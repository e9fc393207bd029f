//! A host, as its links see it.

use super::versions::Host;
use crate::base::units::Version;
use crate::link::{Carried, Intakes};
use std::sync::{Arc, Weak};

/// Weak: the links are part of the host, which would otherwise keep itself alive.
#[derive(Debug)]
pub(super) struct Behind(Weak<Host>);

impl Behind {
    pub(super) fn of(host: &Arc<Host>) -> Behind {
        Behind(Arc::downgrade(host))
    }
}

impl Intakes for Behind {
    fn find(&self, model: &str, version: Version) -> Option<Carried> {
        self.0.upgrade()?.carries(model, version)
    }

    fn carried(&self) -> Vec<Carried> {
        self.0.upgrade().map(|host| host.carried()).unwrap_or_default()
    }
}
