//! The server on one end of a pipe, a bare HTTP/2 client on the other.

mod bench;
mod calls;
mod faults;
mod hostile;
mod leaving;
mod parts;
mod plain;
mod refusals;
mod regions;
mod resets;
mod streams;
mod unread;
