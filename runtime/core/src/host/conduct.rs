//! How a host runs a version, beyond what gateways know of it.

use std::num::NonZeroU32;
use std::time::Duration;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conduct {
    /// Batches that the model is safe for at once; `None`: one for each lane.
    pub concurrency: Option<NonZeroU32>,
    /// How long the model may have a batch before its callers are answered without it; `None`: as long as it takes.
    pub hang_timeout: Option<Duration>,
}
