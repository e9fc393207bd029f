//! A server, in the language that is spoken with it.

use super::{
    access::Access,
    address::{Address, Protocol},
    contract::{Listed, Place, Told},
    grpc, http,
};
use crate::base::fault::Fault;
use crate::link::{failure::Failure, grpc::exchange};
use futures_util::{FutureExt, future::BoxFuture};
use std::future;
use std::sync::Arc;
use tokio::runtime::Handle;

/// What calls of one version share.
#[derive(Clone, Debug)]
pub(super) enum Peer {
    Grpc(exchange::Caller),
    Http(Arc<http::Caller>),
}

/// Resolves once the server is known to be gone, with why; never where connections do not tell.
pub(super) type Ended = BoxFuture<'static, String>;

/// Answers have at most so many bytes.
pub(super) async fn open(
    on: &Handle,
    (address, access): (&Address, &Access),
    most: usize,
) -> Result<(Peer, Ended), Fault> {
    let keys = access.keys(address).await?;
    match address.protocol {
        Protocol::Grpc => {
            let (caller, connection) = grpc::open(&keys, most).await?;
            let connection = on.spawn(connection);
            let ended = connection.map(|ended| match ended {
                Ok(Err(error)) => error.to_string(),
                Ok(Ok(())) | Err(_) => "it closed the connection".to_owned(),
            });
            Ok((Peer::Grpc(caller), ended.boxed()))
        }
        Protocol::Http => {
            let caller = http::Caller::new(keys, on.clone(), most)?;
            Ok((Peer::Http(Arc::new(caller)), future::pending().boxed()))
        }
    }
}

impl Peer {
    pub(super) fn address(&self) -> &dyn std::fmt::Display {
        match self {
            Peer::Grpc(caller) => &caller.address,
            Peer::Http(caller) => caller.address(),
        }
    }

    /// What the server says of a version.
    pub(super) async fn learn(&self, place: &Place) -> Result<Told, Failure> {
        match self {
            Peer::Grpc(caller) => grpc::questions::learn(caller, place).await,
            Peer::Http(caller) => http::questions::learn(caller, place).await,
        }
    }

    /// What the server has.
    pub(super) async fn list(&self) -> Result<Vec<Listed>, Failure> {
        match self {
            Peer::Grpc(caller) => grpc::questions::list(caller).await,
            Peer::Http(caller) => http::questions::list(caller).await,
        }
    }
}
