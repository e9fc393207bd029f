//! Who waits for the answer to a call that a model made: versions, whose models wait within each other.

use super::units::Version;
use std::sync::Arc;

/// Versions that one call may keep waiting, be it one within the other or side by side in a batch.
pub const MOST_CALLERS: usize = 64;
/// Of all their names; a model's has at most 128.
const MOST_BYTES: usize = MOST_CALLERS * 160;

/// Such as `front/2 middle/1`; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callers(Arc<str>);

impl Callers {
    /// Refused with what is wrong.
    pub fn parse(text: &str) -> Result<Callers, String> {
        let is_one = |one: &str| {
            let named = one.rsplit_once('/');
            named.is_some_and(|(model, version)| !model.is_empty() && version.parse::<u64>().is_ok())
        };
        if text.len() > MOST_BYTES || text.split(' ').count() > MOST_CALLERS {
            return Err(format!(
                "more than {MOST_CALLERS} versions wait for this call, one within the other"
            ));
        }
        match text.split(' ').all(is_one) {
            true => Ok(Callers(text.into())),
            false => Err(format!("expected callers such as 'front/2 middle/1', got '{text}'")),
        }
    }

    /// Of names that were parsed.
    pub fn of(names: &[&str]) -> Callers {
        Callers(names.join(" ").into())
    }

    /// A version, behind whom others wait. Refused with what is wrong.
    pub fn behind(waiting: Option<&Callers>, model: &str, version: Version) -> Result<Callers, String> {
        match waiting {
            None => Callers::parse(&format!("{model}/{version}")),
            Some(waiting) => Callers::parse(&format!("{} {model}/{version}", waiting.text())),
        }
    }

    pub fn has(&self, model: &str, version: Version) -> bool {
        let is_it = |(name, number): (&str, &str)| name == model && number.parse() == Ok(version.told().0);
        self.each().filter_map(|one| one.rsplit_once('/')).any(is_it)
    }

    pub fn each(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ')
    }

    pub fn text(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_among_them_by_its_whole_name() {
        let callers = Callers::parse("front/2 a.b-c/11").unwrap();
        assert_eq!(callers.each().collect::<Vec<_>>(), ["front/2", "a.b-c/11"]);
        for (model, version, there) in [
            ("front", 2, true),
            ("a.b-c", 11, true),
            ("front", 1, false),
            ("ront", 2, false),
            ("a.b-c", 1, false),
        ] {
            assert_eq!(callers.has(model, Version(version)), there, "{model}/{version}");
        }
    }

    #[test]
    fn what_names_no_versions_is_refused() {
        for text in ["", "front", "front/", "/1", "front/x", "front/1  back/1", "front/1 "] {
            assert!(Callers::parse(text).is_err(), "{text:?}");
        }
        let many = |count| vec!["m/1"; count].join(" ");
        assert!(Callers::parse(&many(MOST_CALLERS)).is_ok());
        assert!(Callers::parse(&many(MOST_CALLERS + 1)).unwrap_err().contains("more than 64"));
        assert!(Callers::parse(&format!("{}/1", "m".repeat(MOST_BYTES))).is_err());
    }
}
