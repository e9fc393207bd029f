mod bench;
mod ends;
mod questions;
