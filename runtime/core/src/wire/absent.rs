//! What the protocol has and this server has not, refused with the same words in every encoding.

use crate::base::fault::{Fault, Kind};

/// To register a region, or to name one for a tensor, while they are switched off.
pub fn shared_memory() -> Fault {
    let note = "shared memory regions of clients are not switched on: send tensors in the request, or start the server \
                with --limit client_regions=64, so that 64 may be registered";
    Fault::new(Kind::Unsupported, note)
}

/// To load or unload a model while that is not switched on: Triton's words, and what to do here.
pub fn model_control() -> Fault {
    let note = "explicit model load / unload is not allowed if polling is enabled: start the server with \
                --model-control, or use `headrace load` there";
    Fault::new(Kind::Unavailable, note)
}
