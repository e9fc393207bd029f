//! gRPC: one connection of HTTP/2 for a version, which says by its end that the server is gone.

pub(super) mod questions;
#[cfg(test)]
pub(super) mod scripted;

use super::access::{Keys, Socket};
use crate::base::fault::Fault;
use crate::link::grpc::exchange::Caller;
use bytes::Bytes;

/// Of an answer that may come before it is read, for each call and for all of a connection.
const CALL_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Of the head and the trailers of an answer.
const HEAD_BYTES: u32 = 64 << 10;

pub(super) type Connection = h2::client::Connection<Socket, Bytes>;

/// A connection, and what calls go over it with, of which an answer has `most` bytes.
pub(super) async fn open(keys: &Keys, most: usize) -> Result<(Caller, Connection), Fault> {
    let socket = keys.connect().await?;
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size(CALL_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEAD_BYTES)
        .enable_push(false);
    let (send, connection) =
        builder.handshake(socket).await.map_err(|error| keys.address().unreached(&error))?;
    let (address, is_encrypted) = (keys.address().to_string(), keys.address().tls);
    Ok((Caller { send, address, is_encrypted, token: keys.token.clone(), most }, connection))
}
