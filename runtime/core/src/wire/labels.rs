//! Labels over gRPC: a message becomes the JSON that the console takes, and its JSON the message that answers. Nothing
//! is kept between: a few bytes of a message are a hundred of one that is read as a whole.

use super::json::text::Append;
use super::oip_proto::field::{Fields, Value, fixed};
use crate::base::fault::{Fault, Kind};
use prost::Message;

/// Generated from `proto/feedback.proto`.
#[allow(missing_debug_implementations, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated")]
pub mod messages {
    include!(concat!(env!("OUT_DIR"), "/headrace.v1.rs"));
}

/// Of a request. As the console has it (`headrace/console/labelling.py`), like the words beside it.
pub const MOST_BYTES: usize = 2 << 20;

#[cold]
pub fn too_long() -> Fault {
    let note =
        format!("expected 1000 labels and {MOST_BYTES} bytes at most in a request: send the rest in others");
    Fault::new(Kind::TooLarge, note)
}

/// `{"feedback": […]}` of a SendRequest.
pub fn to_json(message: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(message.len().min(MOST_BYTES));
    out.text("{\"feedback\":[");
    let mut labels = 0_usize;
    each(&Fields(message), |number, value| {
        if number == 1 {
            out.text(if labels > 0 { "," } else { "" });
            labels += 1;
            label(&Fields(value.bytes()?), &mut out)?;
        }
        Ok(())
    })?;
    out.text("]}");
    Ok(out)
}

fn label(message: &Fields<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    fits(out)?;
    let (mut id, mut segment) = ("", "");
    let (mut rows, mut scores) = (0_usize, 0_usize);
    each(message, |number, value| {
        match number {
            1 => id = value.name("a prediction_id")?,
            3 => segment = value.name("a segment")?,
            _ => {}
        }
        Ok(())
    })?;
    out.text("{\"prediction_id\":");
    out.string(id);
    each(message, |number, value| {
        let run = if number == 2 { fixed::<8>(&value)? } else { &[] };
        for row in run.as_chunks().0 {
            out.text(if rows > 0 { "," } else { ",\"label\":[" });
            rows += 1;
            fits(out)?;
            out.float(f64::from_le_bytes(*row));
        }
        Ok(())
    })?;
    out.text(if rows > 0 { "],\"segment\":" } else { ",\"segment\":" });
    out.string(segment);
    each(message, |number, value| {
        if number == 4 {
            out.text(if scores > 0 { "," } else { ",\"scores\":{" });
            scores += 1;
            score(&Fields(value.bytes()?), out)?;
        }
        Ok(())
    })?;
    out.text(if scores > 0 { "}}" } else { "}" });
    Ok(())
}

fn score(message: &Fields<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    fits(out)?;
    let (mut name, mut score) = ("", 0.0);
    each(message, |number, value| {
        match number {
            1 => name = value.name("the name of a score")?,
            2 => score = value.double()?,
            _ => {}
        }
        Ok(())
    })?;
    out.string(name);
    out.push(b':');
    out.float(score);
    Ok(())
}

fn each<'a>(
    message: &Fields<'a>,
    mut take: impl FnMut(u32, Value<'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut fields = message.clone();
    while let Some((number, value)) = fields.next()? {
        take(number, value)?;
    }
    Ok(())
}

/// Asked before each label, row and score: two bytes of a message are up to thirty of JSON.
fn fits(out: &[u8]) -> Result<(), Fault> {
    if out.len() > MOST_BYTES { Err(too_long()) } else { Ok(()) }
}

/// A SendResponse of what the console said.
pub fn from_json(text: &[u8]) -> Result<Vec<u8>, Fault> {
    let joined: messages::SendResponse = serde_json::from_slice(text)
        .map_err(|error| Fault::internal(format!("the console's answer does not parse: {error}")))?;
    Ok(joined.encode_to_vec())
}

#[cfg(test)]
#[path = "labels_tests.rs"]
mod tests;
