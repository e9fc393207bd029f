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
mod status;
mod stop;
mod stream;
#[cfg(test)]
mod tests;

use super::{Gateway, listen};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
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
                    // Over the limit it is closed at once, before it costs more than a socket.
                    if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                        listen::prepare(&io, Duration::from_millis(gateway.limits().body_timeout_ms));
                        let connection = connection::serve(io, Arc::clone(&gateway), stopped.clone());
                        connections.spawn(async move {
                            connection.await;
                            drop(place);
                        });
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
