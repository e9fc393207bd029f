//! From a shadow's line to hosts: a task for each shadow, which looks when a copy comes and when nobody is served.

use super::{
    judge::Finding,
    line::{Copy, MOST_IN_FLIGHT, Shadow},
};
use crate::base::{
    call::{Produced, Timing},
    clock,
    contract::Contract,
    fault::{Fault, Kind, Phase},
    panics,
    units::Rows,
};
use crate::decide::{
    mirror::Cause,
    validate::{Bound, miscounted},
};
use crate::gateway::{
    Gateway,
    queue::{
        service::Running,
        submit::{Held, One, bind},
        waiting::Waiting,
    },
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout_at;

/// How long an answer of a shadow is waited for. Its seat is taken until its host has let go of it.
const ANSWER: Duration = Duration::from_secs(10);

/// Bytes of an answer that is compared.
const MOST_BYTES: usize = 16 << 20;

impl Gateway {
    /// A task for it, if there is none.
    pub(super) fn attend(self: &Arc<Gateway>, shadow: &Arc<Shadow>) {
        if let Some(timers) = self.timers.get() {
            shadow.begin(|| timers.spawn(attend(Arc::downgrade(self), Arc::clone(shadow))).abort_handle());
        }
    }
}

async fn attend(gateway: Weak<Gateway>, shadow: Arc<Shadow>) {
    // After an answer that is too large one is asked for at a time.
    let mut most = MOST_IN_FLIGHT;
    loop {
        shadow.came.notified().await;
        while let Some(patience) = shadow.patience() {
            // Held for no longer than a look: who waits keeps no gateway.
            let about = gateway.upgrade();
            let Some((quiet, gate)) = about.map(|one| (Arc::clone(&one.shadows.quiet), one.gate.clone()))
            else {
                return;
            };
            let seat = Arc::clone(&shadow.seats).acquire_owned();
            let is_apart = shadow.wish.load().shadow.apart;
            let ready = async {
                let seat = seat.await.ok()?;
                if !is_apart {
                    quiet.until(&gate).await;
                }
                Some(seat)
            };
            let seat = timeout_at(clock::instant(patience), ready).await;
            // Also of those that became too old while others were waited for.
            shadow.expire(clock::now());
            let Ok(Some(seat)) = seat else { continue };
            most = burst(&gateway, &shadow, seat, most).await;
        }
    }
}

/// Sends what may go together, and waits for all of it. Returns how many may go next time.
async fn burst(
    gateway: &Weak<Gateway>,
    shadow: &Arc<Shadow>,
    first: OwnedSemaphorePermit,
    most: usize,
) -> usize {
    let Some(gateway) = gateway.upgrade() else { return most };
    // A batch of the shadow at most: what runs cannot be called back when a caller comes.
    let rows = shadow.service.running().map_or(1, |running| running.contract.batching.max_rows);
    let most_copies = most.min(usize::try_from(rows).unwrap_or(usize::MAX)).max(1);
    let mut under_way = FuturesUnordered::new();
    let mut seat = Some(first);
    while under_way.len() < most_copies
        && let Some(taken) = seat.take().or_else(|| Arc::clone(&shadow.seats).try_acquire_owned().ok())
        && let Some(copy) = shadow.next()
    {
        let (gateway, shadow) = (Arc::clone(&gateway), Arc::clone(shadow));
        under_way.push(async move { panics::survive_all(pin!(send(&gateway, &shadow, copy, taken))).await });
    }
    let mut next = MOST_IN_FLIGHT;
    while let Some(finding) = under_way.next().await {
        if let Ok(Some(finding)) = finding {
            if finding.is_too_large() {
                next = 1;
            }
            gateway.shadows.judge.hear(finding);
        }
    }
    next
}

/// What came of it; `None` if it was not sent, which was counted.
async fn send(
    gateway: &Gateway,
    shadow: &Arc<Shadow>,
    copy: Copy,
    seat: OwnedSemaphorePermit,
) -> Option<Finding> {
    let Some(running) = copy.to.running() else {
        shadow.lose(&copy, Cause::NotReady);
        return None;
    };
    if !shadow.wish.load().may_repeat(&running.contract) {
        shadow.lose(&copy, Cause::NotRepeatable);
        return None;
    }
    match ask(gateway, &running, &copy).await {
        Err(cause) => {
            shadow.lose(&copy, cause);
            None
        }
        Ok(delivered) => {
            let (shadow, contract) = (Arc::clone(shadow), Arc::clone(&running.contract));
            Some(Finding { shadow, copy, contract, delivered, _seat: seat })
        }
    }
}

type Delivered = Result<(Produced, Timing), Fault>;

async fn ask(gateway: &Gateway, running: &Arc<Running>, copy: &Copy) -> Result<Delivered, Cause> {
    let contract = &running.contract;
    let mut inference = copy.inference.clone();
    let now = clock::now();
    (inference.arrived, inference.deadline) = (now, now.plus(ANSWER));
    let Bound { inputs, rows, cost, .. } = bind(contract, &mut inference).await.map_err(|_| Cause::Unfit)?;
    if cannot_take(contract, rows) {
        return Err(Cause::Unfit);
    }
    let parameters = std::mem::take(&mut inference.parameters);
    let one =
        One { inputs, on_device: None, rows, cost, parameters, parts: None, is_part: false, is_copy: true };
    let held = Held::Shared { _reserved: Arc::clone(&copy.hold) };
    let ticket = gateway.enqueue(&inference, one, held, (&copy.to, running)).map_err(|fault| why(&fault))?;
    let delivery = Waiting::new(&copy.to, ticket).until(now, inference.deadline).await;
    let delivered = delivery.and_then(|(produced, success)| {
        miscounted(contract, &produced).map_or_else(|| Ok((produced, success.timing)), Err)
    });
    match delivered {
        Err(fault) if is_of_the_queue(&fault) => Err(why(&fault)),
        Ok((produced, _)) if produced.bytes() > MOST_BYTES => {
            let note =
                format!("an answer of {} bytes is not compared, only up to {MOST_BYTES}", produced.bytes());
            Ok(Err(Fault::new(Kind::TooLarge, note)))
        }
        delivered => Ok(delivered),
    }
}

fn cannot_take(contract: &Contract, rows: Rows) -> bool {
    contract.streams || contract.sequences.is_some() || rows.get() > contract.batching.max_rows.max(1)
}

/// No host has seen it.
fn is_of_the_queue(fault: &Fault) -> bool {
    matches!(fault.phase, Phase::NotAdmitted | Phase::NotStarted)
        || matches!(fault.kind, Kind::Unavailable | Kind::Overloaded)
}

fn why(fault: &Fault) -> Cause {
    match fault.kind {
        Kind::Unavailable | Kind::HostLost => Cause::NotReady,
        Kind::Invalid | Kind::TooLarge | Kind::Unsupported => Cause::Unfit,
        Kind::NotFound
        | Kind::Forbidden
        | Kind::Overloaded
        | Kind::Expired
        | Kind::Cancelled
        | Kind::ModelFailed
        | Kind::Internal
        | Kind::ModelHung
        | Kind::Slow => Cause::Busy,
    }
}
