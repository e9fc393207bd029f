//! The host: carries versions, batches their calls for the lanes that run them, and answers.

mod batch;
#[cfg(test)]
mod desk;
mod door;
mod elements;
mod fit;
mod gather;
mod intake;
mod outputs;
mod room;
mod running;
mod settle;
mod staging;
mod versions;

pub use batch::Batch;
pub use elements::{Elements, TooLong};
pub use gather::{Gathered, Inputs};
pub use intake::Intake;
pub use outputs::{Output, wrong_names, wrong_output};
pub use versions::Host;
