//! What the protocol has and this server has not, refused with the same words in every encoding.

use crate::base::fault::{Fault, Kind};

/// To register a region, or to name one for a tensor, while they are switched off.
pub fn shared_memory() -> Fault {
    let note = "shared memory regions of clients are not switched on: send tensors in the request, or start the server \
                with --limit client_regions=64, so that 64 may be registered";
    Fault::new(Kind::Unsupported, note)
}

/// To register memory of a device.
pub fn cuda_memory() -> Fault {
    let note = "failed to register CUDA shared memory region: this server maps no memory of devices; register system \
                shared memory, or send tensors in the request";
    Fault::new(Kind::Unsupported, note)
}

/// Models are loaded from the folder that is watched, not over these ports.
pub fn model_control() -> Fault {
    Fault::new(Kind::Unavailable, "explicit model load / unload is not allowed if polling is enabled")
}
