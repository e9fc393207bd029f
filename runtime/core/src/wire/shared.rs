//! The parameters that say where in a client's shared memory a tensor lies.

use crate::base::{fault::Fault, inference::InRegion};
use compact_str::CompactString;

pub(super) const REGION: &str = "shared_memory_region";
pub(super) const LEN: &str = "shared_memory_byte_size";
pub(super) const OFFSET: &str = "shared_memory_offset";

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) region: Option<CompactString>,
    pub(super) len: Option<u64>,
    pub(super) offset: Option<u64>,
}

impl Told {
    /// `of`: whose parameters they are, for messages.
    pub(super) fn whole(self, of: &dyn std::fmt::Display) -> Result<Option<Box<InRegion>>, Fault> {
        match self {
            Told { region: Some(region), len: Some(len), offset } => {
                Ok(Some(Box::new(InRegion { region, offset: offset.unwrap_or(0), len, device: None })))
            }
            Told { region: Some(_), len: None, .. } => Err(Fault::invalid(format!(
                "'{LEN}' must be specified along with '{REGION}' parameter for {of}"
            ))),
            Told { region: None, len: None, offset: None } => Ok(None),
            Told { region: None, len, .. } => {
                let said = if len.is_some() { LEN } else { OFFSET };
                Err(Fault::invalid(format!(
                    "'{said}' can not be specified without '{REGION}' parameter for {of}"
                )))
            }
        }
    }
}
