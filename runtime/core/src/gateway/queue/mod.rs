//! Calls from the moment they are admitted until they are settled: who waits, who carries, who is next.

pub(super) mod affinity;
pub(super) mod carriers;
pub(super) mod cut;
mod dispatch;
pub(super) mod flights;
pub(super) mod floor;
mod levels;
pub(super) mod mailbox;
pub(super) mod parts;
pub(super) mod pending;
mod prospects;
pub(super) mod recent;
mod seat;
pub(super) mod service;
mod settle;
pub(super) mod submit;
pub(super) mod success;
pub(super) mod suspects;
pub(super) mod tenants;
pub(super) mod waiting;
