//! Which question an address asks.

use crate::base::{named::Named, units::Version};
use crate::gateway::wishes::Operation;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// Asked about one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Metadata,
    Ready,
    Config,
    Statistics,
    Infer,
    Generate,
    GenerateStream,
}

impl Verb {
    /// It asks a model to run.
    pub(super) fn infers(self) -> bool {
        matches!(self, Verb::Infer | Verb::Generate | Verb::GenerateStream)
    }
}

/// Memory that clients register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    System,
    /// Of a device, of which none is mapped.
    Cuda,
}

/// What is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Status,
    Register,
    Unregister,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    Live,
    Ready,
    Server,
    Models,
    Statistics,
    Model {
        model: Cow<'a, str>,
        version: Option<Named>,
        verb: Verb,
    },
    Index,
    Control {
        model: Cow<'a, str>,
        operation: Operation,
    },
    /// In a repository that is named, which no server has.
    LoadFrom,
    /// About all regions, or about one.
    Memory {
        memory: Memory,
        region: Option<Cow<'a, str>>,
        asked: Asked,
    },
    /// What the protocol has and this server has not.
    Absent(&'static str),
}

impl<'a> Route<'a> {
    /// `path` without the query. `None` for an address that the protocol does not have.
    pub(super) fn of(path: &'a str) -> Option<Route<'a>> {
        let mut parts = path.strip_prefix('/')?.split('/');
        if parts.next() != Some("v2") {
            return None;
        }
        // The longest address has six parts behind the first; the array ends in `None`s.
        let parts: [Option<&str>; 7] = std::array::from_fn(|_| parts.next());
        match parts {
            [None, ..] => Some(Route::Server),
            [Some("models"), Some(model), rest @ ..] => Route::of_model(model, rest),
            [Some("models"), None, ..] => Some(Route::Models),
            [Some("health"), Some("live"), None, ..] => Some(Route::Live),
            [Some("health"), Some("ready"), None, ..] => Some(Route::Ready),
            [Some("repository"), Some("index"), None, ..] => Some(Route::Index),
            [Some("repository"), Some(_), Some("index"), None, ..] => Some(Route::Index),
            [Some("repository"), Some("models"), Some(model), Some("load"), None, ..] => {
                Some(Route::Control { model: name(model)?, operation: Operation::Load })
            }
            [Some("repository"), Some("models"), Some(model), Some("unload"), None, ..] => {
                Some(Route::Control { model: name(model)?, operation: Operation::Unload })
            }
            [Some("repository"), Some(_), Some("models"), Some(_), Some("load" | "unload"), None, ..] => {
                Some(Route::LoadFrom)
            }
            [Some("systemsharedmemory"), rest @ ..] => Route::of_memory(Memory::System, rest),
            [Some("cudasharedmemory"), rest @ ..] => Route::of_memory(Memory::Cuda, rest),
            [Some("trace"), Some("setting"), None, ..] => Some(Route::Absent("trace settings")),
            [Some("logging"), None, ..] => Some(Route::Absent("log settings")),
            _ => None,
        }
    }

    pub(super) fn asks_readiness(&self) -> bool {
        matches!(self, Route::Ready | Route::Model { verb: Verb::Ready, .. })
    }

    /// Whom it asks about; nobody is "".
    pub(super) fn subject(&self) -> (&str, Option<Version>) {
        let Route::Model { model, version, .. } = self else { return ("", None) };
        (model, version.as_ref().and_then(Named::number))
    }

    fn of_model(model: &'a str, rest: [Option<&str>; 5]) -> Option<Route<'a>> {
        if (model, rest) == ("stats", [None; 5]) {
            return Some(Route::Statistics); // wins over a model of that name, as in Triton
        }
        let (version, rest) = match rest {
            [Some("versions"), Some(version), rest @ ..] => (Some(named(version)?), rest),
            [a, b, c, ..] => (None, [a, b, c]),
        };
        let verb = match rest {
            [None, ..] => Verb::Metadata,
            [Some("ready"), None, ..] => Verb::Ready,
            [Some("config"), None, ..] => Verb::Config,
            [Some("stats"), None, ..] => Verb::Statistics,
            [Some("infer"), None, ..] => Verb::Infer,
            [Some("generate"), None, ..] => Verb::Generate,
            [Some("generate_stream"), None, ..] => Verb::GenerateStream,
            [Some("trace"), Some("setting"), None] if version.is_none() => {
                return Some(Route::Absent("trace settings"));
            }
            _ => return None,
        };
        Some(Route::Model { model: name(model)?, version, verb })
    }

    fn of_memory(memory: Memory, rest: [Option<&'a str>; 6]) -> Option<Route<'a>> {
        let (region, verb) = match rest {
            [Some("region"), Some(region), Some(verb), None, ..] => (Some(region), verb),
            [Some(verb), None, ..] => (None, verb),
            _ => return None,
        };
        let region = match region {
            Some(region) => Some(percent_decode_str(region).decode_utf8().ok()?),
            None => None,
        };
        let asked = match verb {
            "status" => Asked::Status,
            "register" if region.is_some() => Asked::Register,
            "unregister" => Asked::Unregister,
            _ => return None,
        };
        Some(Route::Memory { memory, region, asked })
    }

    /// Whether it is asked by GET or by POST; `None`: both, or whatever.
    pub(super) fn posts(&self) -> Option<bool> {
        match self {
            Route::Live | Route::Ready | Route::Server | Route::Models | Route::Statistics => Some(false),
            Route::Model { verb, .. } => Some(verb.infers()),
            Route::Index | Route::Control { .. } | Route::LoadFrom => Some(true),
            Route::Memory { asked, .. } => Some(*asked != Asked::Status),
            Route::Absent(_) => None,
        }
    }
}

fn name(model: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(model).decode_utf8().ok().filter(|model| !model.is_empty())
}

/// Digits, or an alias: a sign is no version's address.
fn named(version: &str) -> Option<Named> {
    let decoded = percent_decode_str(version).decode_utf8().ok()?;
    match decoded.bytes().all(|byte| byte.is_ascii_digit()) {
        true => decoded.parse().ok().map(|number| Version(number).into()),
        false => Named::alias(&decoded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(memory: Memory, region: Option<&str>, asked: Asked) -> Option<Route<'_>> {
        Some(Route::Memory { memory, region: region.map(Cow::Borrowed), asked })
    }

    #[test]
    fn addresses_are_those_of_the_protocol() {
        let model = |model: &'static str, version: Option<u64>, verb| {
            Some(Route::Model {
                model: model.into(),
                version: version.map(|number| Version(number).into()),
                verb,
            })
        };
        let alias = |model: &'static str, name, verb| {
            Some(Route::Model { model: model.into(), version: Named::alias(name), verb })
        };
        let control =
            |model: &'static str, operation| Some(Route::Control { model: model.into(), operation });
        let table = [
            ("/v2", Some(Route::Server)),
            ("/v2/", None),
            ("/", None),
            ("", None),
            ("/v1/models", None),
            ("/v2/health/live", Some(Route::Live)),
            ("/v2/health/ready", Some(Route::Ready)),
            ("/v2/health/ready/", None),
            ("/v2/models", Some(Route::Models)),
            ("/v2/models/stats", Some(Route::Statistics)),
            ("/v2/models/stats/ready", model("stats", None, Verb::Ready)),
            ("/v2/models/m", model("m", None, Verb::Metadata)),
            ("/v2/models//infer", None),
            ("/v2/models/a%20b%2Fc/infer", model("a b/c", None, Verb::Infer)),
            ("/v2/models/%ff/infer", None),
            ("/v2/models/m/versions/12/infer", model("m", Some(12), Verb::Infer)),
            ("/v2/models/m/versions/12", model("m", Some(12), Verb::Metadata)),
            ("/v2/models/m/versions/1x", None),
            ("/v2/models/m/versions/champion/ready", alias("m", "champion", Verb::Ready)),
            ("/v2/models/m/versions/next%2Dbest/infer", alias("m", "next-best", Verb::Infer)),
            ("/v2/models/m/versions/Champion/infer", None),
            ("/v2/models/m/versions//infer", None),
            ("/v2/models/m/versions/+1", None),
            ("/v2/models/m/versions/99999999999999999999", None),
            ("/v2/models/m/versions", None),
            ("/v2/models/m/config", model("m", None, Verb::Config)),
            ("/v2/models/m/stats", model("m", None, Verb::Statistics)),
            ("/v2/models/m/infer/x", None),
            ("/v2/models/m/versions/1/infer/x", None),
            ("/v2/models/m/generate", model("m", None, Verb::Generate)),
            ("/v2/models/m/versions/3/generate_stream", model("m", Some(3), Verb::GenerateStream)),
            ("/v2/models/m/generate/x", None),
            ("/v2/models/m/trace/setting", Some(Route::Absent("trace settings"))),
            ("/v2/models/m/versions/1/trace/setting", None),
            ("/v2/repository/index", Some(Route::Index)),
            ("/v2/repository/r/index", Some(Route::Index)),
            ("/v2/repository/models/a%20b/load", control("a b", Operation::Load)),
            ("/v2/repository/models/m/unload", control("m", Operation::Unload)),
            ("/v2/repository/models//load", None),
            ("/v2/repository/r/models/m/load", Some(Route::LoadFrom)),
            ("/v2/systemsharedmemory/status", memory(Memory::System, None, Asked::Status)),
            ("/v2/cudasharedmemory/region/r/status", memory(Memory::Cuda, Some("r"), Asked::Status)),
            ("/v2/cudasharedmemory/unregister", memory(Memory::Cuda, None, Asked::Unregister)),
            (
                "/v2/systemsharedmemory/region/a%20b/register",
                memory(Memory::System, Some("a b"), Asked::Register),
            ),
            ("/v2/systemsharedmemory/register", None),
            ("/v2/systemsharedmemory/region/%ff/status", None),
            ("/v2/systemsharedmemory/region/r/register/x", None),
            ("/v2/logging", Some(Route::Absent("log settings"))),
        ];
        for (path, want) in table {
            assert_eq!(Route::of(path), want, "{path}");
        }
    }
}
