//! The socket for hosts, whose models make calls.

use super::connection;
use crate::gateway::{Client, Gateway};
use crate::link::calls::is_ours;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Each host makes one, and one more while that ends.
const MOST_CONNECTIONS: usize = 1024;

/// As [`super::serve`], for processes of our own user; nobody else is told why not.
pub(in crate::gateway) async fn serve(
    listener: UnixListener,
    gateway: Arc<Gateway>,
    stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let mut told = stop.clone();
    let mut stopped = pin!(async move {
        let _ = told.wait_for(|stop| *stop).await; // an error is the end as well
    });
    loop {
        tokio::select! {
            biased;
            () = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) if connections.len() < MOST_CONNECTIONS && is_ours(&socket) => {
                    let client = Client::of(Arc::clone(&gateway), true);
                    connections.spawn(connection::serve(socket, client, Arc::default(), stop.clone()));
                }
                Ok(_) => {}
                // Out of descriptors: let others go on.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}
