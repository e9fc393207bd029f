//! The HTTP front: HTTP/1.1 and HTTP/2 (prior knowledge) on one port.

mod body;
mod chunks;
pub(crate) mod connection;
mod control;
mod describe;
mod events;
mod generate;
mod guard;
mod headers;
mod infer;
mod labels;
mod linger;
mod memory;
mod path;
mod respond;
mod service;
pub mod status;
mod streams;
pub(crate) mod watch;

#[cfg(test)]
mod tests;

use crate::gateway::{
    Gateway,
    sockets::{crowd, listen},
};
use crate::wire::json::text::Append;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch::Receiver};
use watch::Watch;

/// Serves until `stop` turns true (or its sender is gone); then closes idle connections, answers what was taken,
/// and returns. Dropping the future ends every connection at once.
///
/// `places`: one for each connection, shared by all who accept from the same socket.
pub async fn serve(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    places: Arc<Semaphore>,
    mut stop: Receiver<bool>,
) {
    let limits = gateway.limits();
    let full = full(limits.connections);
    let begin = |socket, watch: Arc<Watch>| connection::serve(socket, Arc::clone(&gateway), watch);
    crowd::serve(listener, (places, limits, &full), told(&mut stop), begin).await;
}

/// A sender that is gone says the same.
async fn told(stop: &mut Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The response to a connection too many.
fn full(connections: usize) -> Vec<u8> {
    let mut body = Vec::new();
    body.text("{\"error\":");
    body.string(&listen::full(connections));
    body.push(b'}');
    let mut response = Vec::new();
    response.text("HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: ");
    response.integer(body.len());
    response.text("\r\nconnection: close\r\nretry-after: 1\r\n\r\n");
    response.extend_from_slice(&body);
    response
}
