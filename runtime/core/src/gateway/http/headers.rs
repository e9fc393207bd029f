//! What a request's headers say about its body and its answer.

use crate::base::{
    fault::{Fault, Kind},
    units::Tick,
};
use crate::gateway::requests::stages;
use crate::wire::compress::Coding;
use http::{HeaderMap, HeaderName, header};
use std::time::Duration;

pub(super) const JSON_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");
/// Milliseconds from arrival after which nobody waits for the answer.
pub(super) const TIMEOUT: HeaderName = HeaderName::from_static("x-request-timeout-ms");

/// How to read a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// JSON, and bytes behind it if the length is told.
    Json { len: Option<usize> },
    /// The one input as it is. With `binary` the outputs go as bytes, by default.
    Raw { binary: bool },
}

/// What is asked about the body and the answer, apart from the body itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wishes {
    pub(super) shape: Shape,
    pub(super) coding: Option<Coding>,
    pub(super) accepts: Option<Coding>,
    pub(super) timeout: Option<Duration>,
    /// The answer tells of its stages.
    pub(super) timing: bool,
}

impl Wishes {
    /// By when the answer is wanted; the body may have `told` a time, too.
    pub(super) fn deadline(&self, arrived: Tick, told: Option<Duration>) -> Tick {
        let timeout = self.timeout.into_iter().chain(told).min();
        timeout.map_or(Tick::NEVER, |timeout| arrived.plus(timeout))
    }
}

/// In one pass: a request has few headers, and to look each of ours up would cost a hash. Of several values of one name
/// the first counts, but of timeouts the smallest, as of all that say when nobody waits any more.
pub(super) fn read(headers: &HeaderMap) -> Result<Wishes, Fault> {
    let (mut json_length, mut content_type) = (None, None);
    let (mut encoding, mut accepts, mut least, mut timing) = (None, None, None::<Duration>, false);
    for (name, value) in headers {
        let text = || value.to_str().unwrap_or_default();
        if name == header::CONTENT_TYPE {
            content_type.get_or_insert_with(text);
        } else if name == header::ACCEPT_ENCODING {
            accepts.get_or_insert_with(text);
        } else if name == header::CONTENT_ENCODING {
            encoding.get_or_insert_with(text);
        } else if name == JSON_LENGTH {
            json_length.get_or_insert_with(text);
        } else if name == TIMEOUT {
            let told = timeout(text())?;
            least = Some(least.map_or(told, |least| least.min(told)));
        } else if name == stages::ASKED {
            timing = true;
        }
    }
    Ok(Wishes {
        shape: shape(json_length, content_type)?,
        coding: encoding.map_or(Ok(None), Coding::of_request)?,
        accepts: accepts.and_then(Coding::accepted),
        timeout: least,
        timing,
    })
}

fn timeout(value: &str) -> Result<Duration, Fault> {
    value.trim().parse().map(Duration::from_millis).map_err(|_| {
        Fault::invalid(format!("{TIMEOUT} must be a whole number of milliseconds, but it is '{value}'"))
    })
}

/// The length of the JSON wins over the type: Triton looks at nothing else.
fn shape(len: Option<&str>, content_type: Option<&str>) -> Result<Shape, Fault> {
    if let Some(len) = len {
        let len = len.trim();
        return match len.parse() {
            Ok(0) => Ok(Shape::Raw { binary: true }),
            Ok(len) => Ok(Shape::Json { len: Some(len) }),
            Err(_) => Err(Fault::invalid(format!(
                "Unable to parse {JSON_LENGTH}, got: '{len}'; it is the number of bytes of the JSON"
            ))),
        };
    }
    let content_type = content_type.unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    // curl -d says "form" and sends JSON.
    let is = |name: &str| essence.eq_ignore_ascii_case(name);
    let suffix = essence.len().checked_sub(5).and_then(|at| essence.get(at..));
    if essence.is_empty()
        || is("application/json")
        || is("application/x-www-form-urlencoded")
        || suffix.is_some_and(|end| end.eq_ignore_ascii_case("+json"))
    {
        return Ok(Shape::Json { len: None });
    }
    if essence.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/")) {
        return Err(Fault::new(
            Kind::Invalid,
            "multipart bodies are not read: send the file itself as the body, \
             for example curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg'",
        ));
    }
    Ok(Shape::Raw { binary: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_body_is_what_its_headers_say() {
        let json = Ok(Shape::Json { len: None });
        let table = [
            (None, None, json.clone()),
            (None, Some("application/json"), json.clone()),
            (None, Some("Application/JSON; charset=utf-8"), json.clone()),
            (None, Some("application/x-www-form-urlencoded"), json.clone()),
            (None, Some("application/vnd.kserve+json"), json),
            (None, Some("image/jpeg"), Ok(Shape::Raw { binary: false })),
            (None, Some("application/octet-stream"), Ok(Shape::Raw { binary: false })),
            (Some("12"), Some("application/octet-stream"), Ok(Shape::Json { len: Some(12) })),
            (Some("12"), Some("image/jpeg"), Ok(Shape::Json { len: Some(12) })),
            (Some("0"), None, Ok(Shape::Raw { binary: true })),
        ];
        for (len, content_type, want) in table {
            assert_eq!(shape(len, content_type), want, "{len:?} {content_type:?}");
        }
        assert!(
            shape(None, Some("multipart/form-data; boundary=x")).unwrap_err().note.contains("--data-binary")
        );
        assert!(shape(Some("-1"), None).is_err() && shape(Some("x"), None).is_err());
        assert_eq!(timeout("250"), Ok(Duration::from_millis(250)));
        assert!(timeout("0.5").is_err());
    }

    #[test]
    fn the_first_of_a_name_counts_and_of_timeouts_the_smallest() {
        let told = |list: &[(HeaderName, &'static str)]| {
            let list = list.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            let mut headers = HeaderMap::new();
            for (name, value) in list {
                headers.append(name, value);
            }
            read(&headers)
        };
        let timeout = |values: &[&'static str]| {
            let list: Vec<_> = values.iter().map(|value| (TIMEOUT, *value)).collect();
            told(&list).map(|wishes| wishes.timeout)
        };
        let ms = Duration::from_millis;
        assert_eq!(timeout(&[]), Ok(None));
        assert_eq!(timeout(&["250"]), Ok(Some(ms(250))));
        assert_eq!(timeout(&["250", "20", "9000"]), Ok(Some(ms(20))));
        assert!(timeout(&["250", "soon"]).is_err());
        let all = told(&[
            (header::CONTENT_TYPE, "image/jpeg"),
            (header::CONTENT_TYPE, "application/json"),
            (header::ACCEPT_ENCODING, "gzip"),
            (header::CONTENT_ENCODING, "deflate"),
            (JSON_LENGTH, "7"),
            (stages::ASKED, ""),
        ]);
        let all = all.unwrap();
        assert_eq!((all.shape, all.timing), (Shape::Json { len: Some(7) }, true));
        assert!(all.coding.is_some() && all.accepts.is_some());
        assert!(!told(&[]).unwrap().timing);
    }
}
