//! How many entries one message may have.

use crate::wire::limits::Room;

/// Room for the entries of a message, and parameters wherever they stand. An empty one takes 2 bytes on the wire and up
/// to 100 here.
pub(super) struct Rooms {
    pub(super) parameters: Room,
    pub(super) inputs: Room,
    pub(super) outputs: Room,
    pub(super) raw: Room,
    pub(super) fields: Room,
}

impl Default for Rooms {
    fn default() -> Rooms {
        Rooms {
            parameters: Room::entries("parameters"),
            inputs: Room::entries("inputs"),
            outputs: Room::entries("outputs"),
            raw: Room::entries("raw contents"),
            fields: Room::fields(),
        }
    }
}
