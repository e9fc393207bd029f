//! Shared memory that clients registered, by the names that they gave it.

use crate::base::{
    fault::{Fault, Kind},
    inference::InRegion,
};
use crate::mem::region::{Region, Unfit};
use crate::wire::absent;
use compact_str::CompactString;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// Of a region's name.
const NAME_BYTES: usize = 4 << 10;

/// What a client is told of one of its regions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gateway) struct Status {
    pub(in crate::gateway) name: CompactString,
    pub(in crate::gateway) key: CompactString,
    pub(in crate::gateway) offset: u64,
    pub(in crate::gateway) byte_size: u64,
}

#[derive(Debug)]
struct Known {
    key: CompactString,
    region: Arc<Region>,
}

/// Each costs an open file, so they are counted.
#[derive(Debug)]
pub(in crate::gateway) struct Regions {
    /// So many may be registered; with 0 they are switched off.
    most: usize,
    known: Mutex<BTreeMap<CompactString, Known>>,
}

/// A part of a region, in the hands of one request: it stays what it is if the name is taken back or given anew.
#[derive(Clone, Debug)]
pub(in crate::gateway) struct Slot {
    name: CompactString,
    region: Arc<Region>,
    at: u64,
    len: usize,
}

impl Regions {
    pub(in crate::gateway) fn new(most: usize) -> Regions {
        Regions { most, known: Mutex::default() }
    }

    pub(in crate::gateway) fn are_on(&self) -> bool {
        self.most > 0
    }

    pub(in crate::gateway) fn register(
        &self,
        name: &str,
        key: &str,
        offset: u64,
        byte_size: u64,
    ) -> Result<(), Fault> {
        if !self.are_on() {
            return Err(absent::shared_memory());
        }
        if !(1..=NAME_BYTES).contains(&name.len()) {
            return Err(Fault::invalid(format!(
                "a shared memory region has a name of 1 to {NAME_BYTES} bytes"
            )));
        }
        let mut known = self.known.lock();
        if known.contains_key(name) {
            return Err(Fault::invalid(format!("shared memory region '{name}' already in manager")));
        }
        if known.len() >= self.most {
            let note = format!(
                "{} shared memory regions are registered, and no more may be (limit client_regions): unregister some",
                self.most
            );
            return Err(Fault::new(Kind::Overloaded, note));
        }
        let region = Region::open(key, offset, byte_size).map_err(|unfit| refused(name, key, &unfit))?;
        known.insert(name.into(), Known { key: key.into(), region: Arc::new(region) });
        Ok(())
    }

    /// `None`: all. One that is not there is none the less gone.
    pub(in crate::gateway) fn unregister(&self, name: Option<&str>) {
        let mut known = self.known.lock();
        match name {
            Some(name) => drop(known.remove(name)),
            None => known.clear(),
        }
    }

    pub(in crate::gateway) fn status(&self, name: Option<&str>) -> Result<Vec<Status>, Fault> {
        let known = self.known.lock();
        let tell = |(name, Known { key, region }): (&CompactString, &Known)| {
            let (offset, byte_size) = (region.offset(), region.size());
            Status { name: name.clone(), key: key.clone(), offset, byte_size }
        };
        let Some(name) = name else { return Ok(known.iter().map(tell).collect()) };
        let found = known.get_key_value(name).map(tell).ok_or_else(|| unknown("system shared memory", name));
        Ok(vec![found?])
    }

    /// The part that a request's tensor names.
    pub(in crate::gateway) fn slot(&self, named: &InRegion) -> Result<Slot, Fault> {
        if !self.are_on() {
            return Err(absent::shared_memory());
        }
        let InRegion { region: name, offset, len } = named;
        let region = self.known.lock().get(name).map(|known| Arc::clone(&known.region));
        let region = region.ok_or_else(|| unknown("shared memory", name))?;
        let len = usize::try_from(*len).ok().filter(|_| region.has(*offset, *len)).ok_or_else(|| {
            let has = region.size();
            Fault::invalid(format!(
                "Invalid offset + byte size for shared memory region: '{name}': {len} bytes from {offset} on, and it \
                 has {has}"
            ))
        })?;
        Ok(Slot { name: name.clone(), region, at: *offset, len })
    }
}

impl Slot {
    pub(in crate::gateway) fn len(&self) -> usize {
        self.len
    }

    /// All of it.
    pub(in crate::gateway) fn read(&self, into: &mut [u8]) -> Result<(), Fault> {
        self.region.read(self.at, into).map_err(|error| self.broken("read", &error))
    }

    /// No more than it has.
    pub(in crate::gateway) fn write(&self, from: &[u8]) -> Result<(), Fault> {
        self.region.write(self.at, from).map_err(|error| self.broken("written", &error))
    }

    fn broken(&self, done: &str, error: &io::Error) -> Fault {
        let name = &self.name;
        let is_short = error.kind() == io::ErrorKind::UnexpectedEof;
        let short = || "it is shorter than it was when it was registered".to_owned();
        let why = if is_short { short() } else { error.to_string() };
        Fault::invalid(format!("shared memory region '{name}' cannot be {done}: {why}"))
    }
}

fn unknown(what: &str, name: &str) -> Fault {
    Fault::new(Kind::NotFound, format!("Unable to find {what} region: '{name}'"))
}

fn refused(name: &str, key: &str, unfit: &Unfit) -> Fault {
    let note = match unfit {
        Unfit::Key => format!(
            "failed to register shared memory region '{name}': '{key}' is no key of shared memory, '/input' is one"
        ),
        Unfit::Closed(error) => format!("Unable to open shared memory region: '{key}': {error}"),
        Unfit::Kind => {
            format!("failed to register shared memory region '{name}': '{key}' is no shared memory")
        }
        Unfit::Short(has) => {
            format!("failed to register shared memory region '{name}': invalid args: '{key}' has {has} bytes")
        }
    };
    Fault::invalid(note)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::region::testing::Memory;

    fn part(region: &str, offset: u64, len: u64) -> InRegion {
        InRegion { region: region.into(), offset, len }
    }

    #[test]
    fn regions_are_registered_once_and_told() {
        let (memory, regions) = (Memory::of(b"0123456789"), Regions::new(2));
        let key = memory.key.as_str();
        regions.register("b", key, 4, 6).unwrap();
        for name in ["", &"n".repeat(NAME_BYTES + 1)] {
            assert!(regions.register(name, key, 0, 1).unwrap_err().note.contains("1 to 4096 bytes"));
        }
        let again = regions.register("b", key, 0, 1).unwrap_err();
        assert_eq!(again.note, "shared memory region 'b' already in manager");
        regions.register("a", key, 0, 10).unwrap();
        let full = regions.register("c", key, 0, 1).unwrap_err();
        assert!(full.kind == Kind::Overloaded && full.note.contains("limit client_regions"), "{full}");
        let told = |one: &Status| (one.name.clone(), one.offset, one.byte_size);
        let all: Vec<_> = regions.status(None).unwrap().iter().map(told).collect();
        assert_eq!(all, [("a".into(), 0, 10), ("b".into(), 4, 6)]);
        assert_eq!(regions.status(Some("b")).unwrap().len(), 1);
        let none = regions.status(Some("c")).unwrap_err();
        assert_eq!(none.note, "Unable to find system shared memory region: 'c'");
        regions.unregister(Some("c"));
        regions.unregister(Some("a"));
        assert_eq!(regions.status(None).unwrap().len(), 1);
        regions.unregister(None);
        assert_eq!(regions.status(None), Ok(vec![]));
    }

    #[test]
    fn a_request_keeps_the_part_that_it_named() {
        let (memory, other, regions) =
            (Memory::of(b"0123456789"), Memory::of(b"abcdefghij"), Regions::new(2));
        regions.register("r", &memory.key, 4, 6).unwrap();
        let slot = regions.slot(&part("r", 1, 3)).unwrap();
        regions.unregister(None);
        regions.register("r", &other.key, 0, 10).unwrap();
        let mut read = vec![0; slot.len()];
        slot.read(&mut read).unwrap();
        assert_eq!(read, b"567");
        for (offset, len) in [(0, 11), (11, 0), (9, 2), (u64::MAX, 1)] {
            let fault = regions.slot(&part("r", offset, len)).unwrap_err();
            assert!(
                fault.note.starts_with("Invalid offset + byte size for shared memory region: 'r'"),
                "{fault}"
            );
        }
        let none = regions.slot(&part("s", 0, 1)).unwrap_err();
        assert_eq!((none.kind, &*none.note), (Kind::NotFound, "Unable to find shared memory region: 's'"));
        std::fs::write(other.path(), b"ab").unwrap();
        let short = regions.slot(&part("r", 0, 10)).unwrap().read(&mut [0; 10]).unwrap_err();
        assert!(short.note.contains("shorter than it was when it was registered"), "{short}");
    }

    #[test]
    fn switched_off_there_are_none() {
        let (memory, regions) = (Memory::of(b"0123456789"), Regions::new(0));
        assert_eq!(regions.register("r", &memory.key, 0, 1).unwrap_err().kind, Kind::Unsupported);
        assert_eq!(regions.slot(&part("r", 0, 1)).unwrap_err().kind, Kind::Unsupported);
        assert_eq!(regions.status(None), Ok(vec![]));
    }
}
