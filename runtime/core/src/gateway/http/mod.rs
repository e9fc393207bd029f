//! The HTTP front: HTTP/1.1 and HTTP/2 (prior knowledge) on one port.

mod body;
mod chunks;
pub(crate) mod connection;
mod describe;
mod guard;
mod headers;
mod infer;
mod path;
mod respond;
mod service;
pub mod status;
mod streams;
pub(crate) mod watch;

#[cfg(test)]
mod tests;

use crate::gateway::{Gateway, listen};
use crate::wire::json::text::Append;
use socket2::SockRef;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch::Receiver};
use tokio::task::{Id, JoinSet};
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
    let full = full(gateway.limits().connections);
    let mut tasks = JoinSet::new();
    let mut open: HashMap<Id, Arc<Watch>> = HashMap::new();
    loop {
        tokio::select! {
            biased;
            () = told(&mut stop) => break,
            Some(ended) = tasks.join_next_with_id() => {
                let id = match ended {
                    Ok((id, ())) => id,
                    Err(error) => error.id(),
                };
                open.remove(&id);
            }
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => match Arc::clone(&places).try_acquire_owned() {
                    Ok(place) => {
                        let watch = Arc::new(Watch::default());
                        listen::prepare(&socket, Duration::from_millis(gateway.limits().body_timeout_ms));
                        let connection = connection::serve(socket, Arc::clone(&gateway), Arc::clone(&watch));
                        let task = async move {
                            connection.await;
                            drop(place);
                        };
                        open.insert(tasks.spawn(task).id(), watch);
                    }
                    Err(_) => refuse(&socket, &full),
                },
                // Out of descriptors, most likely; trying again at once would only burn the core.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
        }
    }
    drop(listener);
    for watch in open.values() {
        watch.close();
    }
    while tasks.join_next().await.is_some() {}
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

/// Best effort: a client that reads before it writes learns why.
fn refuse(socket: &TcpStream, full: &[u8]) {
    let _ = SockRef::from(socket).send(full);
}
