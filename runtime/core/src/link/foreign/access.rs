//! Who another server is believed to be, and who we are to it: TLS, and a token.
//!
//! Files are read whenever it is connected to, so that what was renewed is used from then on.

use super::address::{Address, CONNECT};
use crate::base::fault::{Fault, Kind};
use http::HeaderValue;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use serde::Deserialize;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

/// Of a file with certificates, a key or a token.
const MOST_BYTES: u64 = 1 << 20;

/// What an operator says of it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Certificates of who may vouch for the server, in PEM; the system's if there is none.
    ca: Option<PathBuf>,
    /// Ours, and its key, in PEM.
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    /// The variable of the environment, or the file, with the token that each call shows.
    token_env: Option<String>,
    token_file: Option<PathBuf>,
}

/// A connection, with or without TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + fmt::Debug {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + fmt::Debug> Stream for S {}

pub(super) type Socket = Box<dyn Stream>;

/// What was read of it.
#[derive(Clone)]
pub(super) struct Keys {
    address: Address,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// `authorization`, marked so that nothing shows it.
    pub(super) token: Option<HeaderValue>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Keys").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Access {
    pub(super) async fn keys(&self, address: &Address) -> Result<Keys, Fault> {
        let (access, address) = (self.clone(), address.clone());
        let read = tokio::task::spawn_blocking(move || access.read(address)).await;
        read.unwrap_or_else(|error| Err(unfit(error.to_string())))
    }

    fn read(&self, address: Address) -> Result<Keys, Fault> {
        let token = self.token()?;
        let tls = if address.tls { Some((self.connector(&address)?, name(&address)?)) } else { None };
        Ok(Keys { address, tls, token })
    }

    fn token(&self) -> Result<Option<HeaderValue>, Fault> {
        let (place, text) = match (&self.token_env, &self.token_file) {
            (None, None) => return Ok(None),
            (Some(name), _) => (name.clone(), std::env::var(name).ok()),
            (None, Some(file)) => (file.display().to_string(), String::from_utf8(bytes(file)?).ok()),
        };
        // Its text is in no message.
        let text = text.filter(|text| !text.trim().is_empty());
        let text = text.ok_or_else(|| unfit(format!("{place} has no token")))?;
        let value = HeaderValue::try_from(format!("Bearer {}", text.trim()));
        let mut value = value.map_err(|_| unfit(format!("{place} has no token that a header could hold")))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    fn connector(&self, address: &Address) -> Result<TlsConnector, Fault> {
        let mut roots = RootCertStore::empty();
        match &self.ca {
            Some(file) => {
                for one in certificates(file)? {
                    roots.add(one).map_err(|error| unfit(format!("{}: {error}", file.display())))?;
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        if roots.is_empty() {
            return Err(unfit(
                "this system has no certificates by which a server could be known: name some as `ca`",
            ));
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| unfit(error.to_string()))?
            .with_root_certificates(roots);
        let mut config = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                let ours = PrivateKeyDer::from_pem_slice(&bytes(key)?);
                let ours = ours.map_err(|error| unfit(format!("{}: {error}", key.display())))?;
                let all = builder.with_client_auth_cert(certificates(certificate)?, ours);
                all.map_err(|error| unfit(format!("{}: {error}", certificate.display())))?
            }
            _ => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![address.protocol.alpn().to_vec()];
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

fn name(address: &Address) -> Result<ServerName<'static>, Fault> {
    let name = ServerName::try_from(address.host().to_owned());
    name.map_err(|_| unfit(format!("{} is no name that a certificate could have", address.host())))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let wrong = |why: &dyn fmt::Display| unfit(format!("{}: {why}", file.display()));
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes(file)?).collect();
    let found = read.map_err(|error| wrong(&error))?;
    if found.is_empty() { Err(wrong(&"it has no certificate in PEM")) } else { Ok(found) }
}

fn bytes(file: &Path) -> Result<Vec<u8>, Fault> {
    let mut read = Vec::new();
    let opened = File::open(file).and_then(|opened| opened.take(MOST_BYTES).read_to_end(&mut read));
    opened.map_err(|error| unfit(format!("{} cannot be read: {error}", file.display())))?;
    Ok(read)
}

fn unfit(why: impl Into<String>) -> Fault {
    Fault::new(Kind::Unavailable, why.into())
}

impl Keys {
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    pub(super) async fn connect(&self) -> Result<Socket, Fault> {
        let stream = self.address.connect().await?;
        let Some((connector, name)) = &self.tls else { return Ok(Box::new(stream)) };
        let shaken = tokio::time::timeout(CONNECT, connector.connect(name.clone(), stream)).await;
        let shaken = shaken.map_err(|_| unfit(format!("no TLS within {CONNECT:?}")))?;
        Ok(Box::new(shaken.map_err(|error| unfit(format!("TLS: {error}")))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> PathBuf {
        let file = std::env::temp_dir().join(format!("headrace-{}-{name}", std::process::id()));
        std::fs::write(&file, text).unwrap();
        file
    }

    fn keys(url: &str, access: &Access) -> Result<Keys, Fault> {
        access.read(url.parse().unwrap())
    }

    #[test]
    fn a_token_is_shown_to_the_server_and_to_nobody_else() {
        let shows = |text: &str| Access { token_file: Some(file("token", text)), ..Access::default() };
        let keys_of = |text: &str| keys("grpc://t:1", &shows(text));
        let found = keys_of("s3cret\n").unwrap();
        assert_eq!(found.token.as_ref().unwrap(), "Bearer s3cret");
        assert!(!format!("{found:?} {:?}", found.token).contains("s3cret"));
        for text in ["", " \n", "s3\ncret"] {
            let fault = keys_of(text).unwrap_err();
            assert!(fault.note.contains("has no token") && !fault.note.contains("cret"), "{fault}");
        }
        let nowhere = Access { token_env: Some("HEADRACE_NO_SUCH".into()), ..Access::default() };
        assert!(keys("grpc://t:1", &nowhere).unwrap_err().note.contains("HEADRACE_NO_SUCH has no token"));
        std::fs::remove_file(file("token", "")).unwrap();
    }

    #[test]
    fn what_is_no_certificate_is_told_by_its_file() {
        let ca = Access { ca: Some(file("ca", "none")), ..Access::default() };
        let fault = keys("grpcs://t:1", &ca).unwrap_err();
        assert!(fault.note.contains("-ca: it has no certificate in PEM"), "{fault}");
        assert!(keys("grpc://t:1", &ca).is_ok(), "it is not read where there is no TLS");
        let away = Access { ca: Some("/none/ca.pem".into()), ..Access::default() };
        assert!(keys("https://t:1", &away).unwrap_err().note.contains("/none/ca.pem cannot be read"));
        std::fs::remove_file(file("ca", "")).unwrap();
    }
}
