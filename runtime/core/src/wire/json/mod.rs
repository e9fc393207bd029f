//! Inference over HTTP: requests and replies as the Open Inference Protocol writes them in JSON.

pub mod answered;
mod asking;
mod elements;
pub mod flat;
pub mod generate;
mod input;
mod number;
pub mod replay;
pub mod reply;
pub mod request;
mod scan;
pub mod text;
mod typed;

#[cfg(test)]
mod elements_tests;
#[cfg(test)]
mod limits_tests;
#[cfg(test)]
mod regions_tests;
#[cfg(test)]
mod tests;
