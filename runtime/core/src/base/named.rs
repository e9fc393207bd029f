//! How a request names the version that is to answer it.

use super::units::Version;
use compact_str::CompactString;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    Number(Version),
    /// An alias of its model, which leads where the table in force says.
    Alias(CompactString),
}

impl Named {
    /// `None` for what no version can be called.
    pub fn alias(name: &str) -> Option<Named> {
        is_alias(name).then(|| Named::Alias(name.into()))
    }

    pub fn number(&self) -> Option<Version> {
        match self {
            Named::Number(version) => Some(*version),
            Named::Alias(_) => None,
        }
    }
}

impl From<Version> for Named {
    fn from(version: Version) -> Named {
        Named::Number(version)
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // As it was named: no control is its version to who made its number up.
            Named::Number(Version(number)) => number.fmt(out),
            Named::Alias(name) => write!(out, "'{name}'"),
        }
    }
}

/// Never a number, and the same in a path as in a message.
pub fn is_alias(name: &str) -> bool {
    const MOST: usize = 128;
    let more = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    name.len() <= MOST && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_no_number_and_needs_no_escape() {
        let long = "a".repeat(128);
        for name in ["champion", "a", "v2", "next-one.b_1", &long] {
            assert_eq!(Named::alias(name), Some(Named::Alias(name.into())), "{name}");
        }
        let longer = "a".repeat(129);
        for name in ["", "2", "2nd", "-a", "Champion", "chAmp", "a b", "a/b", "a%", "über", "aü", &longer] {
            assert_eq!(Named::alias(name), None, "{name}");
        }
    }
}
