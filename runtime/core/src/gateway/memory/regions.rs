//! Shared memory that clients registered, by the names that they gave it.

use crate::base::{
    device::{DeviceRegion, End, Handle},
    fault::{Fault, Kind},
    inference::InRegion,
    primitive::oneshot,
};
use crate::mem::region::{Region, Unfit};
use crate::wire::absent;
use compact_str::CompactString;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Of a region's name.
const NAME_BYTES: usize = 4 << 10;

/// What a client is told of one of its regions on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gateway) struct DeviceStatus {
    pub(in crate::gateway) name: CompactString,
    pub(in crate::gateway) device: u32,
    pub(in crate::gateway) byte_size: u64,
}

/// Of one in the system's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gateway) struct Status {
    pub(in crate::gateway) name: CompactString,
    pub(in crate::gateway) key: CompactString,
    pub(in crate::gateway) offset: u64,
    pub(in crate::gateway) byte_size: u64,
}

#[derive(Debug)]
enum Known {
    System {
        key: CompactString,
        region: Arc<Region>,
    },
    /// `ended` when no call and no host looks at it.
    Device {
        region: Arc<DeviceRegion>,
        ended: oneshot::Receiver<()>,
    },
}

/// Each costs an open file, here or in hosts, so they are counted.
#[derive(Debug)]
pub(in crate::gateway) struct Regions {
    /// So many may be registered; with 0 they are switched off.
    most: usize,
    known: Mutex<BTreeMap<CompactString, Known>>,
    last: AtomicU64,
}

/// What a tensor names.
#[derive(Clone, Debug)]
pub(in crate::gateway) enum Found {
    System(Slot),
    Device(Arc<DeviceRegion>),
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
        Regions { most, known: Mutex::default(), last: AtomicU64::new(0) }
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
        self.add(name, || {
            let region = Region::open(key, offset, byte_size).map_err(|unfit| refused(name, key, &unfit))?;
            Ok(Known::System { key: key.into(), region: Arc::new(region) })
        })
    }

    /// Whether the handle opens, its host finds out: there is no device here.
    pub(in crate::gateway) fn register_device(
        &self,
        name: &str,
        raw_handle: &[u8],
        device: i64,
        byte_size: u64,
    ) -> Result<(), Fault> {
        self.add(name, || {
            let wrong = |why: String| {
                Fault::invalid(format!("failed to register CUDA shared memory region '{name}': {why}"))
            };
            let len = raw_handle.len();
            let handle = Handle::try_from(raw_handle).map_err(|_| {
                wrong(format!(
                    "its handle has {len} bytes, and a cudaIpcMemHandle_t has {}",
                    size_of::<Handle>()
                ))
            })?;
            let device = u32::try_from(device).map_err(|_| {
                wrong(format!(
                    "there is no device {device}: they are numbered from 0, as nvidia-smi shows them"
                ))
            })?;
            let (tell, ended) = oneshot::channel();
            let end = End::new(move || {
                let _ = tell.send(()); // nobody may wait for it
            });
            let number = self.last.fetch_add(1, Relaxed) + 1;
            let region = Arc::new(DeviceRegion::new(number, handle, device, byte_size, end));
            Ok(Known::Device { region, ended })
        })
    }

    fn add(&self, name: &str, made: impl FnOnce() -> Result<Known, Fault>) -> Result<(), Fault> {
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
        known.insert(name.into(), made()?);
        Ok(())
    }

    /// `None`: all. One that is not there is none the less gone.
    pub(in crate::gateway) fn unregister(&self, name: Option<&str>) {
        drop(self.take(name, |known| matches!(known, Known::System { .. })));
    }

    /// The same of devices' memory. Returns when no request and no host looks at it any more: its owner may free it then.
    pub(in crate::gateway) async fn unregister_device(&self, name: Option<&str>) {
        let taken = self.take(name, |known| matches!(known, Known::Device { .. }));
        let mut ends = Vec::with_capacity(taken.len());
        for known in taken {
            if let Known::Device { region, ended } = known {
                drop(region);
                ends.push(ended);
            }
        }
        for ended in ends {
            let _ = ended.await; // an error: the gateway is ending
        }
    }

    fn take(&self, name: Option<&str>, is_one: impl Fn(&Known) -> bool) -> Vec<Known> {
        let mut known = self.known.lock();
        let is_meant = |known: &CompactString| name.is_none_or(|name| known == name);
        let names = known.iter().filter(|(key, one)| is_meant(key) && is_one(one));
        let names: Vec<_> = names.map(|(name, _)| name.clone()).collect();
        names.iter().filter_map(|name| known.remove(name)).collect()
    }

    pub(in crate::gateway) fn status(&self, name: Option<&str>) -> Result<Vec<Status>, Fault> {
        self.told(name, "system shared memory", |name, known| match known {
            Known::System { key, region } => {
                let (offset, byte_size) = (region.offset(), region.size());
                Some(Status { name: name.clone(), key: key.clone(), offset, byte_size })
            }
            Known::Device { .. } => None,
        })
    }

    pub(in crate::gateway) fn device_status(&self, name: Option<&str>) -> Result<Vec<DeviceStatus>, Fault> {
        self.told(name, "cuda shared memory", |name, known| match known {
            Known::Device { region, .. } => {
                let (device, byte_size) = (region.device, region.byte_size);
                Some(DeviceStatus { name: name.clone(), device, byte_size })
            }
            Known::System { .. } => None,
        })
    }

    fn told<T>(
        &self,
        name: Option<&str>,
        what: &str,
        tell: impl Fn(&CompactString, &Known) -> Option<T>,
    ) -> Result<Vec<T>, Fault> {
        let known = self.known.lock();
        let Some(name) = name else {
            return Ok(known.iter().filter_map(|(name, known)| tell(name, known)).collect());
        };
        let found = known.get_key_value(name).and_then(|(name, known)| tell(name, known));
        found.map(|one| vec![one]).ok_or_else(|| unknown(what, name))
    }

    /// The part that a request's tensor names.
    pub(in crate::gateway) fn find(&self, named: &InRegion) -> Result<Found, Fault> {
        if !self.are_on() {
            return Err(absent::shared_memory());
        }
        let InRegion { region: name, offset, len, .. } = named;
        let known = self.known.lock();
        let beyond = |has: u64| {
            Fault::invalid(format!(
                "Invalid offset + byte size for shared memory region: '{name}': {len} bytes from {offset} on, and it \
                 has {has}"
            ))
        };
        match known.get(name).ok_or_else(|| unknown("shared memory", name))? {
            Known::System { region, .. } => {
                let len = usize::try_from(*len).ok().filter(|_| region.has(*offset, *len));
                let len = len.ok_or_else(|| beyond(region.size()))?;
                Ok(Found::System(Slot { name: name.clone(), region: Arc::clone(region), at: *offset, len }))
            }
            Known::Device { region, .. } if region.has(*offset, *len) => {
                Ok(Found::Device(Arc::clone(region)))
            }
            Known::Device { region, .. } => Err(beyond(region.byte_size)),
        }
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
#[path = "regions_tests.rs"]
mod tests;
