//! Memory that was held for clients, and is free, goes back to the system.

use super::admission::Ledger;
use crate::mem::heap;
use std::sync::Arc;
use std::time::Duration;

/// What ends together is given back together, and who comes again soon finds it still there.
const PAUSE: Duration = Duration::from_secs(1);

/// One of `ledgers` has fallen: all that is free a moment later is given back. Ordinary requests take it nowhere near.
pub(in crate::gateway) async fn give_back(ledgers: [Arc<Ledger>; 2]) {
    let [one, other] = ledgers;
    loop {
        tokio::select! {
            () = one.ebbed() => {}
            () = other.ebbed() => {}
        }
        tokio::time::sleep(PAUSE).await;
        // Aside: 0.1 s for a gigabyte.
        if tokio::task::spawn_blocking(heap::give_back).await.is_err() {
            return; // the end
        }
    }
}
