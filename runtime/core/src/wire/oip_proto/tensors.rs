//! Tensors of a message that is written: their heads (`InferInputTensor`, `InferOutputTensor`), and their contents
//! behind all of these. Large ones are chained, not copied.

use super::answer::Pieces;
use super::field::{delimited_len, put_head, put_text, put_varint, text_len, varint_len};
use crate::base::datatype::Datatype;
use bytes::{BufMut, Bytes, BytesMut};

/// Smaller contents are copied behind the head: a copy of 4 KiB costs less than a frame of its own.
pub(super) const CHAIN_FROM: usize = 4 << 10;

/// Of so many bytes of contents those that are chained.
pub(super) fn chained(len: usize) -> usize {
    if len < CHAIN_FROM { 0 } else { len }
}

pub(super) fn tensor_len(name: &str, datatype: Datatype, shape: &[i64]) -> usize {
    let sizes = if shape.is_empty() { 0 } else { delimited_len(shape_len(shape)) };
    text_len(name) + text_len(datatype.name()) + sizes
}

pub(super) fn put_tensor(out: &mut BytesMut, field: u8, name: &str, datatype: Datatype, shape: &[i64]) {
    put_head(out, field, tensor_len(name, datatype, shape));
    put_text(out, 1, name);
    put_text(out, 2, datatype.name());
    if !shape.is_empty() {
        put_head(out, 3, shape_len(shape));
        for size in shape {
            put_varint(out, size.cast_unsigned());
        }
    }
}

/// The message: what is written of it, and `contents` as its last field.
pub(super) fn with_contents<'a>(
    mut out: BytesMut,
    field: u8,
    contents: impl Iterator<Item = &'a Bytes>,
) -> Pieces {
    let mut pieces = Pieces::new();
    for data in contents {
        put_head(&mut out, field, data.len());
        if data.len() < CHAIN_FROM {
            out.put_slice(data);
        } else {
            pieces.push(out.split().freeze());
            pieces.push(data.clone());
        }
    }
    if !out.is_empty() {
        pieces.push(out.freeze());
    }
    pieces
}

fn shape_len(shape: &[i64]) -> usize {
    shape.iter().map(|size| varint_len(size.cast_unsigned())).sum()
}
