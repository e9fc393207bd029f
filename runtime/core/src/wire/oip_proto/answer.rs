//! [`Answer`] → `ModelInferResponse`, ready to be sent. Tensors of any size are chained, not copied.

use super::field::{delimited_len, put_head, put_text, text_len};
use super::parameters::{FINAL_RESPONSE, entry_len, put_entry};
use super::tensors::{chained, put_tensor, tensor_len, with_contents};
use crate::base::{
    contract::TensorSpec,
    fault::Fault,
    inference::{Answer, Value},
    tensor::Tensor,
};
use bytes::{BufMut, Bytes, BytesMut};
use smallvec::SmallVec;

/// A gRPC message with its prefix, in pieces that follow each other.
pub type Pieces = SmallVec<[Bytes; 3]>;

/// The prefix of a gRPC message: a flag for compression and the length.
pub const PREFIX: usize = 5;

/// protobuf's readers refuse more.
const MOST: usize = i32::MAX as usize;

/// The answer of a unary call.
pub fn unary(answer: &Answer) -> Result<Pieces, Fault> {
    Writer::new(answer, None)?.write(None)
}

/// One message of a stream, the last that its request gets.
pub fn streamed(answer: &Answer) -> Result<Pieces, Fault> {
    wrapped(Writer::new(answer, Some(true))?)
}

/// One message of a stream, after which its request gets more.
pub fn part(answer: &Answer) -> Result<Pieces, Fault> {
    wrapped(Writer::new(answer, Some(false))?)
}

fn wrapped(writer: Writer<'_>) -> Result<Pieces, Fault> {
    let len = writer.len;
    writer.write(Some(len))
}

/// A message of a stream that says what went wrong with one request; the stream goes on.
pub fn streamed_fault(id: &str, note: &str) -> Result<Pieces, Fault> {
    let flag = Value::Bool(true);
    let response = text_len(id) + delimited_len(entry_len(FINAL_RESPONSE, &flag));
    let len = text_len(note) + delimited_len(response);
    let mut out = BytesMut::with_capacity(PREFIX + len);
    put_prefix(&mut out, len)?;
    put_text(&mut out, 1, note);
    put_head(&mut out, 2, response);
    put_text(&mut out, 3, id);
    put_entry(&mut out, 4, FINAL_RESPONSE, &flag);
    Ok(Pieces::from_iter([out.freeze()]))
}

/// Writes the prefix of a message of `len` bytes that is not compressed.
pub fn put_prefix(out: &mut BytesMut, len: usize) -> Result<(), Fault> {
    let len = u32::try_from(len).ok().filter(|_| len <= MOST).ok_or_else(|| {
        Fault::internal(format!(
            "the answer has {len} bytes, a gRPC message can have {MOST}: ask for fewer rows"
        ))
    })?;
    out.put_u8(0);
    out.put_u32(len);
    Ok(())
}

struct Writer<'a> {
    answer: &'a Answer,
    version: itoa::Buffer,
    /// Of a stream's message.
    is_final: Option<bool>,
    len: usize,
    /// Bytes that are copied, not chained.
    inline: usize,
}

impl<'a> Writer<'a> {
    fn new(answer: &'a Answer, is_final: Option<bool>) -> Result<Writer<'a>, Fault> {
        let mut writer = Writer { answer, version: itoa::Buffer::new(), is_final, len: 0, inline: 0 };
        let contract = &answer.contract;
        let version = writer.version.format(contract.version.told().0).len();
        let mut len = text_len(&contract.model) + delimited_len(version) + text_len(&answer.id);
        for (key, value) in &answer.parameters {
            len += delimited_len(entry_len(key, value));
        }
        if let Some(flag) = is_final {
            len += delimited_len(entry_len(FINAL_RESPONSE, &Value::Bool(flag)));
        }
        let mut apart = 0;
        for (spec, tensor) in writer.outputs() {
            let data = tensor.data.len();
            let head = tensor_len(&spec?.name, tensor.datatype, &tensor.shape);
            len += delimited_len(head) + delimited_len(data);
            apart += chained(data);
        }
        writer.len = len;
        writer.inline = len - apart;
        Ok(writer)
    }

    fn outputs(&self) -> impl Iterator<Item = (Result<&'a TensorSpec, Fault>, &'a Tensor)> + use<'a> {
        let contract = &self.answer.contract;
        self.answer.outputs.iter().map(move |(at, tensor)| {
            let spec = contract.outputs.get(*at);
            (spec.ok_or_else(|| Fault::internal("an answer names an output that its contract lacks")), tensor)
        })
    }

    /// `wrapped`: as field 2 of a stream's message.
    fn write(mut self, wrapped: Option<usize>) -> Result<Pieces, Fault> {
        let answer = self.answer;
        // As long as it will be: with room to spare, an owner of its own would be allocated for it.
        let wrapper = wrapped.map_or(0, |len| delimited_len(len) - len);
        let mut out = BytesMut::with_capacity(PREFIX + wrapper + self.inline);
        put_prefix(&mut out, wrapped.map_or(self.len, delimited_len))?;
        if wrapped.is_some() {
            put_head(&mut out, 2, self.len);
        }
        put_text(&mut out, 1, &answer.contract.model);
        put_text(&mut out, 2, self.version.format(answer.contract.version.told().0));
        put_text(&mut out, 3, &answer.id);
        for (key, value) in &answer.parameters {
            put_entry(&mut out, 4, key, value);
        }
        if let Some(flag) = self.is_final {
            put_entry(&mut out, 4, FINAL_RESPONSE, &Value::Bool(flag));
        }
        for (spec, tensor) in self.outputs() {
            let name = &spec?.name;
            put_tensor(&mut out, 5, name, tensor.datatype, &tensor.shape);
        }
        Ok(with_contents(out, 6, answer.outputs.iter().map(|(_, tensor)| &tensor.data)))
    }
}
