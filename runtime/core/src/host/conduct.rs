//! How a host runs a version, beyond what gateways know of it.

use super::staging::Lender;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug, Default)]
pub struct Conduct {
    /// Batches that the model is safe for at once; `None`: one for each lane.
    pub concurrency: Option<NonZeroU32>,
    /// How long the model may have a batch before its callers are answered without it; `None`: as long as it takes.
    pub hang_timeout: Option<Duration>,
    /// A lane has work on its batch before it asks for the model: it gets it as soon as its rows are gathered.
    pub prepares: bool,
    /// Whose memory the rows of a batch are laid into; `None`: our own.
    pub lender: Option<Arc<dyn Lender>>,
}
