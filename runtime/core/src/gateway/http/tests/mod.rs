mod bench;
mod ends;
mod faults;
mod pace;
mod questions;
mod streams;
mod unread;
