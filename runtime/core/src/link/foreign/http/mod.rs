//! HTTP/1.1: connections that are kept for the next call, and made when one is needed. What they end with says nothing of
//! the server, for servers close what they have not heard on: that it is gone is known when none can be made.

mod body;
mod exchange;
mod pool;
pub(super) mod questions;
#[cfg(test)]
pub(super) mod scripted;
mod status;
#[cfg(test)]
mod tests;

pub(super) use exchange::Caller;
