//! Inference over HTTP: requests and replies as the Open Inference Protocol writes them in JSON.

mod elements;
mod input;
mod limits;
mod number;
pub mod reply;
pub mod request;
mod scan;
pub mod text;
mod typed;

#[cfg(test)]
mod limits_tests;
#[cfg(test)]
mod tests;
