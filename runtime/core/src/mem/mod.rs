//! Memory that tensors live in: the shared arena and the buffers that bodies are read into.

pub mod body;
