//! Who asks for a version that nobody carries yet, and waits for that: a request, and who has to know its contract.

use crate::base::{
    clock,
    contract::Contract,
    fault::{Fault, Kind},
    named::Named,
    units::{Tick, Version},
};
use crate::decide::facts::Facts;
use crate::gateway::{Gateway, demand::Unrouted, queue::pending::expired};
use std::sync::Arc;

impl Gateway {
    /// What `find` finds, as soon as it does.
    ///
    /// Who asks for a version that is loaded on demand waits for that. And a gateway that has just begun is still
    /// dialling: who `awaits` a version that nobody has carried yet waits, as after the loss of a host. (It has no
    /// contract, and so no queue, before its first carrier.)
    pub(super) async fn later<T>(
        &self,
        mut find: impl FnMut() -> Result<T, Unrouted>,
        awaits: impl Fn() -> bool,
        (arrived, deadline): (Tick, Tick),
    ) -> Result<T, Fault> {
        let mut called = None;
        loop {
            let arrival = self.arrivals.notified();
            let unrouted = match find() {
                Ok(found) => return Ok(found),
                Err(again) => again,
            };
            let until = match &unrouted {
                Unrouted::OnDemand(service) => {
                    self.call_for(service, &mut called)?;
                    arrived.plus(self.limits().load_wait())
                }
                Unrouted::Fault(fault) => {
                    if fault.kind != Kind::Unavailable || !awaits() {
                        return Err(fault.clone());
                    }
                    self.since.get().map_or(Tick::default(), |since| since.plus(self.limits().park()))
                }
            };
            if tokio::time::timeout_at(clock::instant(until.min(deadline)), arrival).await.is_err() {
                let is_late = deadline <= clock::now();
                return Err(if is_late { expired(arrived, deadline) } else { unrouted.into_fault() });
            }
        }
    }

    /// As [`Gateway::describe`]; of a version that nobody carries yet, once somebody does.
    pub(in crate::gateway) async fn describe_later(
        &self,
        model: &str,
        named: Option<&Named>,
        times: (Tick, Tick),
    ) -> Result<(Arc<Contract>, Vec<Version>), Fault> {
        let find = || self.look_up(model, named);
        match find() {
            Ok(found) => Ok(found),
            // Boxed: rare, and large enough to make every request's future larger.
            Err(_) => {
                let awaits = || self.state.load().awaits(model, named, &Facts::default());
                Box::pin(self.later(find, awaits, times)).await
            }
        }
    }
}
