//! How much of everything a request may hold. A few bytes on the wire become a hundred in memory, so what is beyond a
//! limit is refused where it is read.

use crate::base::{
    fault::{Fault, Kind},
    sequence::MOST_ID_BYTES,
};

/// Parameters, inputs or outputs.
const MOST: usize = 4096;
/// Axes of a shape; NumPy has 64.
const MOST_AXES: usize = 64;
/// Fields of a message, those that nobody knows and those of its parts too: but for tensors' contents, which have their
/// own, one that is more keeps a thread busy for nothing.
const MOST_FIELDS: usize = 64 << 10;
/// Bytes of an id, a name or a key.
pub(super) const NAME_BYTES: usize = 4 << 10;
/// Bytes of a parameter that is a text.
pub(super) const TEXT_BYTES: usize = 64 << 10;

/// Room for entries of one kind.
#[derive(Debug)]
pub(super) struct Room {
    most: usize,
    left: usize,
    what: &'static str,
}

impl Room {
    pub(super) const fn entries(what: &'static str) -> Room {
        Room { most: MOST, left: MOST, what }
    }

    pub(super) const fn axes() -> Room {
        Room { most: MOST_AXES, left: MOST_AXES, what: "axes in a shape" }
    }

    pub(super) const fn fields() -> Room {
        Room { most: MOST_FIELDS, left: MOST_FIELDS, what: "fields" }
    }

    /// Room for one entry, taken before it is read.
    pub(super) fn take(&mut self) -> Result<(), Fault> {
        let (most, what) = (self.most, self.what);
        self.left = self.left.checked_sub(1).ok_or_else(|| {
            Fault::new(Kind::TooLarge, format!("a request may hold {most} {what}, this one holds more"))
        })?;
        Ok(())
    }
}

#[cold]
pub(super) fn too_long(what: &str, most: usize) -> Fault {
    Fault::new(Kind::TooLarge, format!("{what} may have {most} bytes, this one has more"))
}

/// The id of a sequence, where it is a text.
pub(super) fn short_enough(id: &str) -> Result<(), Fault> {
    if id.len() <= MOST_ID_BYTES { Ok(()) } else { Err(too_long("a sequence_id", MOST_ID_BYTES)) }
}
