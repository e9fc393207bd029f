//! Numbers that models count themselves, as hosts tell them: families of series, as Prometheus has them.

use super::units::Version;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// Series of one process.
pub const MOST_SERIES: usize = 1024;
const MOST_LABELS: usize = 16;
const NAME_BYTES: usize = 128;
const TEXT_BYTES: usize = 256;
/// Of names that are the server's own, or every process's.
const OURS: [&str; 4] = ["nv_", "headrace_", "process_", "python_"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Only grows.
    Counter,
    Gauge,
}

/// Names and values, sorted by name.
pub type Labels = Vec<(String, String)>;

/// One number of a version.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    pub model: CompactString,
    pub version: Version,
    pub name: String,
    pub help: String,
    pub kind: Kind,
    pub labels: Labels,
    pub value: f64,
}

/// All that one process has; it replaces what that one told before.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Telling {
    /// Of a process: no other has the same.
    pub life: String,
    pub series: Vec<Series>,
}

/// Why a series cannot be shown on a page of others.
pub fn check(name: &str, help: &str, labels: &Labels) -> Result<(), String> {
    if !is_name(name, true) {
        let most = NAME_BYTES;
        return Err(format!(
            "'{name}' is no name of a metric: letters, digits, _ and : make one, {most} at most"
        ));
    }
    if let Some(ours) = OURS.iter().find(|ours| name.starts_with(**ours)) {
        return Err(format!("'{name}' begins as the server's own metrics do ({ours})"));
    }
    if help.len() > TEXT_BYTES {
        return Err(format!("the description of '{name}' has more than {TEXT_BYTES} bytes"));
    }
    if labels.len() > MOST_LABELS || !labels.is_sorted_by(|(a, _), (b, _)| a < b) {
        return Err(format!("'{name}' should have {MOST_LABELS} labels at most, each once"));
    }
    for (label, value) in labels {
        if !is_name(label, false) || label.starts_with("__") {
            return Err(format!("'{label}' is no name of a label: letters, digits and _ make one"));
        }
        if value.len() > TEXT_BYTES {
            return Err(format!("label '{label}' of '{name}' has more than {TEXT_BYTES} bytes"));
        }
    }
    Ok(())
}

impl Telling {
    /// What another process has told, as far as it can be shown.
    pub fn parse(text: &[u8]) -> Result<Telling, String> {
        let told: Telling =
            serde_json::from_slice(text).map_err(|e| format!("the series do not parse: {e}"))?;
        if told.series.len() > MOST_SERIES || told.life.len() > NAME_BYTES {
            return Err(format!("{} series were told, at most {MOST_SERIES} are shown", told.series.len()));
        }
        told.series.iter().try_for_each(|one| check(&one.name, &one.help, &one.labels))?;
        Ok(told)
    }
}

fn is_name(text: &str, colons: bool) -> bool {
    let begins = |c: u8| c.is_ascii_alphabetic() || c == b'_' || (colons && c == b':');
    let bytes = text.as_bytes();
    bytes.len() <= NAME_BYTES
        && bytes.first().is_some_and(|c| begins(*c))
        && bytes.iter().all(|c| begins(*c) || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(names: &[&str]) -> Labels {
        names.iter().map(|name| ((*name).to_owned(), "v".to_owned())).collect()
    }

    #[test]
    fn what_would_spoil_the_page_is_refused() {
        let long = "x".repeat(NAME_BYTES + 1);
        let cases = [
            ("hits", &["kind"][..], true),
            ("app:hits_total", &[], true),
            ("nv_inference_count", &[], false),
            ("headrace_streams", &[], false),
            ("9hits", &[], false),
            ("hits\n# TYPE", &[], false),
            ("", &[], false),
            (&long, &[], false),
            ("hits", &["a", "a"], false),
            ("hits", &["b", "a"], false),
            ("hits", &["__name__"], false),
            ("hits", &["le\"} 1"], false),
        ];
        for (name, named, fits) in cases {
            assert_eq!(check(name, "", &labels(named)).is_ok(), fits, "{name} {named:?}");
        }
        assert!(check("hits", &"x".repeat(TEXT_BYTES + 1), &Labels::new()).is_err());
        assert!(check("hits", "", &vec![("a".into(), "x".repeat(TEXT_BYTES + 1))]).is_err());
    }

    #[test]
    fn what_is_told_is_read_again() {
        let one = Series {
            model: "m".into(),
            version: Version(1),
            name: "hits".into(),
            help: "Hits".into(),
            kind: Kind::Counter,
            labels: labels(&["a"]),
            value: 1.5,
        };
        let told = Telling { life: "1-2".into(), series: vec![one.clone()] };
        assert_eq!(Telling::parse(&serde_json::to_vec(&told).unwrap()), Ok(told));
        let ours = Series { name: "nv_x".into(), ..one.clone() };
        for series in [vec![ours], vec![one; MOST_SERIES + 1]] {
            let told = Telling { life: "1".into(), series };
            assert!(Telling::parse(&serde_json::to_vec(&told).unwrap()).is_err());
        }
    }
}
