//! Who may have a version answer by naming it: anyone, or those who bring a key.

use super::{Gateway, digest::Digest};
use crate::base::fault::{Fault, Kind};
use http::{HeaderMap, HeaderName};
use serde::Deserialize;

/// Requests that name a version have this header, or metadata, with a key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Told")]
pub struct Pins {
    header: HeaderName,
    key: Digest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    header: String,
    key_sha256: Digest,
}

impl TryFrom<Told> for Pins {
    type Error = &'static str;

    fn try_from(told: Told) -> Result<Pins, &'static str> {
        let header = told.header.try_into().map_err(|_| "pins: expected the name of a header")?;
        Ok(Pins { header, key: told.key_sha256 })
    }
}

impl Pins {
    fn fit(&self, headers: &HeaderMap) -> bool {
        headers.get(&self.header).is_some_and(|brought| self.key.fits(brought.as_bytes()))
    }
}

impl Gateway {
    /// By the headers, or the metadata, of its caller.
    pub(super) fn may_name_versions(&self, headers: &HeaderMap) -> bool {
        self.settings.pins.as_ref().is_none_or(|pins| pins.fit(headers))
    }

    /// To be asked once the request is read: who is refused before he has sent his body may not hear why.
    pub(super) fn check_name(&self, is_named: bool, may: bool) -> Result<(), Fault> {
        if may || !is_named {
            return Ok(());
        }
        let header = self.settings.pins.as_ref().map_or("", |pins| pins.header.as_str());
        let note = format!(
            "this server has a version answer by its name only for those who send its key as '{header}': send that, or \
             name no version"
        );
        Err(Fault::new(Kind::Forbidden, note))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of "secret".
    const DIGEST: &str = "K7gNU3sdo-OL0wNhqoVWhr3g6s1xYv72ol_pe_Unols";

    fn read(header: &str, digest: &str) -> Option<Pins> {
        let told = serde_json::json!({"header": header, "key_sha256": digest});
        serde_json::from_value(told).ok()
    }

    #[test]
    fn a_key_fits_as_a_whole() {
        let pins = read("X-Pin", DIGEST).unwrap();
        let fits = |name: &'static str, value: &str| {
            pins.fit(&HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())]))
        };
        assert!(fits("x-pin", "secret"));
        for value in ["", "s", "secre", "secret1", "Secret", "tecret"] {
            assert!(!fits("x-pin", value), "{value}");
        }
        assert!(!fits("x-pins", "secret") && !pins.fit(&HeaderMap::new()));
    }

    #[test]
    fn what_would_let_in_anybody_or_nobody_is_refused() {
        for (header, digest) in
            [("x y", DIGEST), ("", DIGEST), ("x", ""), ("x", &DIGEST[4..]), ("x", "secret")]
        {
            assert_eq!(read(header, digest), None, "{header}: {digest}");
        }
    }
}
