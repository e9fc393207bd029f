mod bench;
mod ends;
mod faults;
mod questions;
mod unread;
