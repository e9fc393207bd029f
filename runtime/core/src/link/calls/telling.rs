//! Tells the gateway what models count themselves: when that has changed, and whenever another gateway has its place.

use super::Calls;
use crate::base::{clock, fault::Fault, series::Telling};
use crate::link::failure::Failure;
use crate::wire::oip_proto::answer::{Pieces, put_prefix};
use bytes::{BufMut, BytesMut};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// The method of a gateway that takes it.
pub const TELL_SERIES: &str = "/headrace.Node/TellSeries";
/// Between two tellings: what changes meanwhile goes together.
const PAUSE: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(5);

/// What there is to tell.
pub trait Tells: Send + Sync + fmt::Debug {
    fn changed(&self) -> &Notify;

    fn telling(&self) -> Telling;
}

impl Calls {
    /// From now on, for as long as `what` is there.
    pub fn tell(self: &Arc<Calls>, what: &Arc<dyn Tells>) {
        let (calls, what) = (Arc::downgrade(self), Arc::downgrade(what));
        self.on.spawn(async move {
            while let (Some(calls), Some(what)) = (calls.upgrade(), what.upgrade()) {
                tokio::select! {
                    () = what.changed().notified() => {}
                    () = calls.lost.notified() => {}
                }
                match calls.tell_once(&what.telling()).await {
                    // Whoever comes after it would refuse it as well.
                    Ok(()) | Err(Failure::Told(_)) => {}
                    Err(Failure::Unsent(_) | Failure::Lost(_)) => what.changed().notify_one(),
                }
                drop((calls, what));
                tokio::time::sleep(PAUSE).await;
            }
        });
    }

    async fn tell_once(&self, telling: &Telling) -> Result<(), Failure> {
        let broken = |error| Failure::Told(Fault::internal(format!("series that are no message: {error}")));
        let text = serde_json::to_vec(telling).map_err(broken)?;
        let mut message = BytesMut::new();
        put_prefix(&mut message, text.len()).map_err(Failure::Told)?;
        message.put_slice(&text);
        let deadline = clock::now().plus(PATIENCE);
        let told = async {
            let caller = self.line().await?;
            caller.ask(TELL_SERIES, Pieces::from_iter([message.freeze()]), deadline, &[]).await
        };
        let late = |_| Err(Failure::Lost("the gateway does not answer".to_owned()));
        let told = tokio::time::timeout_at(clock::instant(deadline), told).await.unwrap_or_else(late);
        told.map(|_| ())
    }
}
