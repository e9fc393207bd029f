//! The Open Inference Protocol over gRPC, on HTTP/2 frames without a framework between.

mod body;
mod call;
mod connection;
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
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Serves connections until `stop` turns true (or its sender is dropped), then until the last accepted call is
/// answered. Dropping it ends every connection at once.
pub async fn serve(listener: TcpListener, gateway: Arc<Gateway>, mut stop: watch::Receiver<bool>) {
    let most = gateway.limits().connections;
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
                Ok((io, _)) if connections.len() < most => {
                    listen::prepare(&io, Duration::from_millis(gateway.limits().body_timeout_ms));
                    connections.spawn(connection::serve(io, Arc::clone(&gateway), stopped.clone()));
                }
                Ok(_) => {} // over the limit: closed at once, before it costs more than a socket
                // Out of descriptors, or a client that left while it waited: let others go on.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}
