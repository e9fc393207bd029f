//! Where carriers report: the gateway of this process, as the link and the intakes see it.

use super::{
    call::{Carrier, Outlet, Window},
    contract::Contract,
    fault::Fault,
};
use std::sync::Arc;

/// One carrier of one version; never reused within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CarrierId(pub u64);

/// Keeps who runs what. A link that carries three versions reports three carriers.
pub trait Roster: Outlet {
    /// From now on `carrier` gets calls. Refused (Invalid) when its tensors differ from those of the
    /// version's other carriers. May call `carrier.send` before it returns.
    fn carrier_up(
        &self,
        contract: Arc<Contract>,
        carrier: Arc<dyn Carrier>,
        window: Window,
    ) -> Result<CarrierId, Fault>;

    /// A new window; also takes a carrier back into service that refused a call.
    fn carrier_window(&self, id: CarrierId, window: Window);

    /// As it wants to be asked from now on: its batching changed, and nothing else of its contract.
    fn carrier_changed(&self, id: CarrierId, contract: Arc<Contract>, window: Window);

    /// Gets no more calls. Those it has are still its to settle: with [`super::fault::Kind::HostLost`] if it died.
    /// To do so after this call spares a retry the way back to the same carrier.
    fn carrier_down(&self, id: CarrierId);
}
