//! gRPC as a client: of another server, or of the gateway of one's own node.

pub(super) mod exchange;
pub(super) mod status;
