//! Sockets to listen on, and who has them if we cannot.

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

/// Connections that the system may hold for us while all threads are busy.
const BACKLOG: i32 = 4096;

/// A peer that is gone without a word is found by the kernel: probes while idle, a bound while writing.
const PROBE_AFTER: Duration = Duration::from_secs(60);

/// What one connection too many is told.
pub(in crate::gateway) fn full(connections: usize) -> String {
    format!("{connections} connections are open and no more may be (limit connections): try again later")
}

/// The error names the address, and the process that has it if the system shows that.
pub(in crate::gateway) fn bind(what: &str, address: &str) -> io::Result<TcpListener> {
    let told = |e: io::Error, owner: &str| {
        io::Error::new(e.kind(), format!("cannot listen for {what} on {address}: {e}{owner}"))
    };
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "it names no address");
    for at in address.to_socket_addrs().map_err(|e| told(e, ""))? {
        match listen(at) {
            Ok(listener) => return Ok(listener),
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => {
                let owner = owner_of(at.port()).map_or_else(String::new, |owner| format!("; {owner} has it"));
                return Err(told(e, &owner));
            }
            Err(e) => last = e,
        }
    }
    Err(told(last, ""))
}

fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    // A predecessor's connections in TIME_WAIT do not keep us out; a living listener still does.
    socket.set_reuse_address(true)?;
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// An accepted socket. What the kernel refuses to set only makes the connection slower or its end later.
pub(super) fn prepare<'a>(io: impl Into<SockRef<'a>>, patience: Duration) {
    let socket = io.into();
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(PROBE_AFTER));
    let _ = socket.set_tcp_user_timeout(Some(patience));
}

/// `process 4711 (python3 serve.py)`. Only our own user's processes can be seen into, unless we are root.
fn owner_of(port: u16) -> Option<String> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().find_map(|table| {
        fs::read_to_string(table).ok()?.lines().find_map(|line| listener_inode(line, port).map(str::to_owned))
    })?;
    let link = format!("socket:[{inode}]");
    let pid = fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.file_name()).find(|pid| {
        let digits = pid.to_str().is_some_and(|pid| pid.bytes().all(|b| b.is_ascii_digit()));
        digits && has_open(&Path::new("/proc").join(pid).join("fd"), &link)
    })?;
    let pid = pid.to_string_lossy().into_owned();
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    Some(format!("process {pid} ({})", command.trim().chars().take(200).collect::<String>()))
}

fn has_open(folder: &Path, link: &str) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|to| to.to_string_lossy() == link))
}

/// The inode in a line of `/proc/net/tcp`, if the line is a listener on `port`.
fn listener_inode(line: &str, port: u16) -> Option<&str> {
    let mut fields = line.split_ascii_whitespace();
    let (_, at) = fields.nth(1)?.rsplit_once(':')?;
    let listens = fields.nth(1)? == "0A";
    let inode = fields.nth(5)?;
    (listens && u16::from_str_radix(at, 16) == Ok(port)).then_some(inode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_names_its_owner() {
        let first = bind("HTTP", "127.0.0.1:0").unwrap();
        let address = first.local_addr().unwrap().to_string();
        let error = bind("HTTP", &address).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let (text, us) = (error.to_string(), format!("process {} (", std::process::id()));
        assert!(text.contains(&format!("HTTP on {address}")) && text.contains(&us), "{text}");
        drop(first);
        bind("HTTP", &address).unwrap();
    }

    #[test]
    fn a_peer_that_reads_nothing_is_given_up_by_the_kernel() {
        let listener = bind("HTTP", "127.0.0.1:0").unwrap();
        let socket = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        prepare(&socket, Duration::from_secs(30));
        let socket = SockRef::from(&socket);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(30)));
        assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap());
    }

    #[test]
    fn an_address_that_is_none_is_named() {
        for address in ["", "127.0.0.1", "127.0.0.1:99999", "256.0.0.1:80"] {
            let text = bind("gRPC", address).unwrap_err().to_string();
            assert!(text.contains(&format!("gRPC on {address}:")), "{text}");
        }
    }

    #[test]
    fn only_listeners_are_read() {
        let line = |state| format!("  0: 0100007F:1F40 00000000:0000 {state} 0:0 00:0 0 1000 0 4711 1 x");
        assert_eq!(listener_inode(&line("0A"), 8000), Some("4711"));
        assert_eq!(listener_inode(&line("01"), 8000), None);
        assert_eq!(listener_inode(&line("0A"), 8001), None);
        assert_eq!(listener_inode("  sl  local_address rem_address", 8000), None);
        assert_eq!(listener_inode("", 8000), None);
    }
}
