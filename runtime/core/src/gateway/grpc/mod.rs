//! The Open Inference Protocol over gRPC, on HTTP/2 frames without a framework between.

mod body;
mod call;
pub(crate) mod connection;
mod control;
mod describe;
mod head;
pub(in crate::gateway) mod hosts;
mod idle;
mod infer;
mod labels;
mod memory;
mod method;
mod order;
mod parts;
mod presence;
mod send;
mod series;
mod socket;
mod status;
mod stop;
mod stream;
#[cfg(test)]
mod tests;

use super::{
    Client, Gateway,
    sockets::{crowd, listen},
};
use presence::Presence;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// Serves connections until `stop` turns true (or its sender is dropped), then until the last accepted call is
/// answered. Dropping it ends every connection at once.
///
/// `places`: one for each connection, shared by all who accept from the same socket.
pub async fn serve(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    places: Arc<Semaphore>,
    mut stop: watch::Receiver<bool>,
) {
    let limits = gateway.limits();
    let full = full(limits.connections);
    let stopped = stop.clone();
    let stopping = async move { while !*stop.borrow_and_update() && stop.changed().await.is_ok() {} };
    let begin = |io, presence| begin(io, Arc::clone(&gateway), presence, stopped.clone());
    crowd::serve(listener, (places, limits, &full), stopping, begin).await;
}

/// A connection that says nothing has the time of a head, and no room for what it might do.
async fn begin(io: TcpStream, gateway: Arc<Gateway>, presence: Arc<Presence>, stop: watch::Receiver<bool>) {
    let patience = Duration::from_millis(gateway.limits().header_timeout_ms);
    let mut one = [0];
    let spoke = tokio::select! {
        spoke = tokio::time::timeout(patience, io.peek(&mut one)) => matches!(spoke, Ok(Ok(1..))),
        () = presence.unwanted() => false,
    };
    if spoke {
        Box::pin(connection::serve(io, Client::new(gateway), presence, stop)).await;
    }
}

/// HTTP/2's words to a connection too many: settings, which come first, and that it shall go, with the reason.
fn full(connections: usize) -> Vec<u8> {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let told = listen::full(connections);
    let [.., high, middle, low] = (8 + told.len()).to_be_bytes();
    let mut frames = SETTINGS.to_vec();
    frames.extend([high, middle, low, 7, 0, 0, 0, 0, 0]);
    frames.extend([0; 4]); // no call was looked at
    frames.extend(u32::from(h2::Reason::ENHANCE_YOUR_CALM).to_be_bytes());
    frames.extend(told.as_bytes());
    frames
}
