//! Where another server listens.

use crate::base::fault::{Fault, Kind};
use socket2::{SockRef, TcpKeepalive};
use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;
use tokio::net::TcpStream;

pub(super) const CONNECT: Duration = Duration::from_secs(5);
/// A server whose machine is gone is noticed by the kernel, which asks it when a connection has been silent for so long
/// and gives it up when what was sent is not acknowledged for [`UNHEARD`].
const SILENT: Duration = Duration::from_secs(10);
const UNHEARD: Duration = Duration::from_secs(20);

/// What is spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Grpc,
    Http,
}

impl Protocol {
    /// What it is called in TLS.
    pub(super) fn alpn(self) -> &'static [u8] {
        match self {
            Protocol::Grpc => b"h2",
            Protocol::Http => b"http/1.1",
        }
    }
}

/// `grpc://HOST:PORT` or `http://HOST:PORT`, or with TLS `grpcs://` or `https://`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub(super) protocol: Protocol,
    pub(super) tls: bool,
    /// As in the URL: a name, an IPv4 address, or an IPv6 address in brackets.
    host: String,
    port: u16,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(url: &str) -> Result<Address, String> {
        let wrong = |why: &str| {
            format!("'{url}' {why}: expected grpc://HOST:PORT or http://HOST:PORT, as in grpc://triton:8001")
        };
        let (protocol, tls, place) = match url.split_once("://") {
            Some(("grpc", place)) => (Protocol::Grpc, false, place),
            Some(("grpcs", place)) => (Protocol::Grpc, true, place),
            Some(("http", place)) => (Protocol::Http, false, place),
            Some(("https", place)) => (Protocol::Http, true, place),
            Some(_) | None => return Err(wrong("is no address of a server")),
        };
        let place = place.strip_suffix('/').unwrap_or(place);
        let (host, port) = place.rsplit_once(':').ok_or_else(|| wrong("has no port"))?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(|| wrong("has no port"))?;
        let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let bare = bracketed.unwrap_or(host);
        let is_host =
            !bare.is_empty() && bare.bytes().all(|c| c.is_ascii_graphic() && !b"/@?#[]".contains(&c));
        if !is_host || (bracketed.is_none() && bare.contains(':')) {
            return Err(wrong("has no host that could be looked up"));
        }
        Ok(Address { protocol, tls, host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.host, self.port)
    }
}

impl Address {
    pub(super) async fn connect(&self) -> Result<TcpStream, Fault> {
        self.dial().await.map_err(|error| self.unreached(&error))
    }

    pub(super) fn unreached(&self, error: &dyn fmt::Display) -> Fault {
        Fault::new(Kind::Unavailable, error.to_string())
    }

    /// As it is looked up, and as a certificate has it.
    pub(super) fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    async fn dial(&self) -> io::Result<TcpStream> {
        let stream = tokio::time::timeout(CONNECT, TcpStream::connect((self.host(), self.port)))
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, format!("no answer in {CONNECT:?}")))??;
        stream.set_nodelay(true)?;
        let socket = SockRef::from(&stream);
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(SILENT).with_interval(SILENT / 2))?;
        socket.set_tcp_user_timeout(Some(UNHEARD))?;
        Ok(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let cases = [
            ("grpc://triton:8001", Ok("triton:8001")),
            ("grpc://127.0.0.1:8001/", Ok("127.0.0.1:8001")),
            ("grpc://[::1]:8001", Ok("[::1]:8001")),
            ("grpc://triton", Err("has no port")),
            ("grpc://triton:0", Err("has no port")),
            ("grpc://triton:80010", Err("has no port")),
            ("grpc://:8001", Err("has no host")),
            ("grpc://::1:8001", Err("has no host")),
            ("grpc://user@triton:8001", Err("has no host")),
            ("http://triton:8000", Ok("triton:8000")),
            ("http://triton:8000/v2", Err("has no port")),
            ("grpcs://triton:8001", Ok("triton:8001")),
            ("ftp://triton:8001", Err("is no address")),
            ("triton:8001", Err("is no address")),
        ];
        for (url, want) in cases {
            let got = url.parse::<Address>().map(|address| address.to_string());
            match want {
                Ok(want) => assert_eq!(got.as_deref(), Ok(want)),
                Err(why) => assert!(got.as_ref().is_err_and(|got| got.contains(why)), "{url}: {got:?}"),
            }
        }
    }
}
