//! The host: carries versions, batches their calls for the lanes that run them, and answers.

mod attend;
mod batch;
mod behalf;
mod behind;
mod bounds;
mod by_slot;
mod conduct;
mod controls;
#[cfg(test)]
mod desk;
mod elements;
mod entrance;
mod expiry;
mod fit;
mod gather;
mod hangs;
mod intake;
mod kept;
mod lane;
mod lay;
mod leaving;
mod line;
mod memory;
mod metrics;
#[cfg(test)]
#[cfg(headrace_loom)]
mod models;
mod outputs;
mod placed;
mod resting;
mod room;
mod rows;
mod running;
mod runs;
mod search;
mod seat;
mod sequence;
mod sequences;
mod settle;
mod staging;
mod step;
#[cfg(test)]
#[cfg(headrace_loom)]
mod step_models;
mod steps;
mod thread;
mod versions;
mod watch;

pub use batch::Batch;
pub use behalf::Behalf;
pub use conduct::Conduct;
pub use elements::{Elements, TooLong};
pub use entrance::{Entered, Entrance, Left};
pub use gather::{Gathered, Inputs};
pub use hangs::{Report as Hang, Why};
pub use intake::Intake;
pub use kept::{InSequence, Kept};
pub use leaving::{End, Leaver};
pub use metrics::{Metric, Metrics, Named};
pub use outputs::{Output, wrong_names, wrong_output};
pub use placed::Placed;
pub use sequence::{Refused, Sequence};
pub use staging::{Block, Lender};
pub use step::{Joined, Step};
pub use versions::Host;
