//! The Open Inference Protocol over gRPC, on HTTP/2 frames without a framework between.

mod body;
mod call;
pub(crate) mod connection;
mod describe;
mod head;
mod idle;
mod infer;
mod method;
mod send;
mod socket;
mod status;
mod stop;
mod stream;
#[cfg(test)]
mod tests;

use super::{Gateway, listen};
use socket2::SockRef;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

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
    let full = full(gateway.limits().connections);
    let mut connections = JoinSet::new();
    let stopped = stop.clone();
    let mut stopping =
        std::pin::pin!(async move { while !*stop.borrow_and_update() && stop.changed().await.is_ok() {} });
    loop {
        tokio::select! {
            biased;
            () = &mut stopping => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((io, _)) => {
                    if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                        listen::prepare(&io, Duration::from_millis(gateway.limits().body_timeout_ms));
                        let connection = begin(io, Arc::clone(&gateway), stopped.clone());
                        connections.spawn(async move {
                            connection.await;
                            drop(place);
                        });
                    } else {
                        // Best effort, and before it costs more than a socket.
                        let _ = SockRef::from(&io).send(&full);
                    }
                }
                // Out of descriptors, or a client that left while it waited: let others go on.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// A connection that says nothing has the time of a head, and no room for what it might do.
async fn begin(io: TcpStream, gateway: Arc<Gateway>, stop: watch::Receiver<bool>) {
    let patience = Duration::from_millis(gateway.limits().header_timeout_ms);
    if let Ok(Ok(1..)) = tokio::time::timeout(patience, io.peek(&mut [0])).await {
        Box::pin(connection::serve(io, gateway, stop)).await;
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
