//! All wires between gateways and hosts, and where they are dialled.

use super::wire::{Side, Wire};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// The address under which one gateway finds one host.
#[derive(Debug)]
struct Address {
    gateway: u64,
    host: u64,
    listener: UnixListener,
    path: PathBuf,
    /// Where the host itself listens.
    host_path: PathBuf,
}

impl Drop for Address {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path); // gone already is as good
    }
}

#[derive(Debug, Default)]
pub(super) struct Net {
    addresses: Vec<Address>,
    pub(super) wires: Vec<Wire>,
}

impl Net {
    /// Where this gateway dials this host.
    pub(super) fn address(&mut self, gateway: u64, host: u64, host_path: &Path) -> PathBuf {
        let known = self.addresses.iter().find(|one| (one.gateway, one.host) == (gateway, host));
        if let Some(known) = known {
            return known.path.clone();
        }
        let path = host_path.with_file_name(format!("g{gateway}-h{host}"));
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let host_path = host_path.to_owned();
        self.addresses.push(Address { gateway, host, listener, path: path.clone(), host_path });
        path
    }

    /// Connects who has dialled. A host that is gone hangs up at once.
    pub(super) fn connect(&mut self) {
        for address in &self.addresses {
            while let Ok((near, _)) = address.listener.accept() {
                if let Ok(far) = UnixStream::connect(&address.host_path) {
                    self.wires.push(Wire::new(address.gateway, address.host, near, far));
                }
            }
        }
        self.wires.retain(|wire| !wire.is_over());
    }

    pub(super) fn died(&mut self, side: Side, process: u64) {
        for wire in &mut self.wires {
            let dead = match side {
                Side::Gateway => wire.gateway == process,
                Side::Host => wire.host == process,
            };
            if dead {
                wire.died(side);
            }
        }
        self.addresses.retain(|address| match side {
            Side::Gateway => address.gateway != process,
            Side::Host => address.host != process,
        });
    }
}
