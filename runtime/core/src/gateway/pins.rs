//! Who may have a version answer by naming it: anyone, or those who bring a key.

use super::Gateway;
use crate::base::fault::{Fault, Kind};
use http::{HeaderMap, HeaderName};
use serde::Deserialize;
use std::fmt;
use std::hint::black_box;

/// Requests that name a version have this header, or metadata, with this key.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Told")]
pub struct Pins {
    header: HeaderName,
    key: Box<[u8]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    header: String,
    key: String,
}

impl TryFrom<Told> for Pins {
    type Error = &'static str;

    fn try_from(told: Told) -> Result<Pins, &'static str> {
        let header = told.header.try_into().map_err(|_| "pins: expected the name of a header")?;
        if told.key.is_empty() {
            return Err("pins: expected a key");
        }
        Ok(Pins { header, key: told.key.into_bytes().into() })
    }
}

impl fmt::Debug for Pins {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Pins({}: ***)", self.header)
    }
}

impl Pins {
    /// Looks at every byte, so that its time tells nobody how much of a key is right.
    fn fit(&self, headers: &HeaderMap) -> bool {
        let Some(brought) = headers.get(&self.header).map(|value| value.as_bytes()) else { return false };
        let differ = self.key.iter().zip(brought).fold(0, |differ, (one, other)| differ | (one ^ other));
        brought.len() == self.key.len() && black_box(differ) == 0
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

    #[test]
    fn a_key_fits_as_a_whole() {
        let pins: Pins = serde_json::from_str(r#"{"header": "X-Pin", "key": "secret"}"#).unwrap();
        let fits = |name: &'static str, value: &str| {
            pins.fit(&HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())]))
        };
        assert!(fits("x-pin", "secret"));
        for value in ["", "s", "secre", "secret1", "Secret", "tecret"] {
            assert!(!fits("x-pin", value), "{value}");
        }
        assert!(!fits("x-pins", "secret") && !pins.fit(&HeaderMap::new()));
        assert_eq!(format!("{pins:?}"), "Pins(x-pin: ***)");
    }

    #[test]
    fn what_would_let_in_anybody_or_nobody_is_refused() {
        for told in
            [r#"{"header": "x y", "key": "k"}"#, r#"{"header": "x", "key": ""}"#, r#"{"header": "x"}"#]
        {
            assert!(serde_json::from_str::<Pins>(told).is_err(), "{told}");
        }
    }
}
