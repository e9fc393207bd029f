//! A call → `ModelInferRequest` to another server of the protocol. Tensors of any size are chained, not copied.

use super::answer::{Pieces, put_prefix};
use super::field::{delimited_len, put_head, put_text, text_len};
use super::parameters::{EMPTY_FINAL, entry_len, put_entry};
use super::tensors::{chained, put_tensor, tensor_len, with_contents};
use crate::base::{fault::Fault, inference::Value};
use crate::wire::asking::Asking;
use bytes::BytesMut;

impl Asking<'_> {
    /// The message with its prefix. Refused (Internal) if it has more bytes than a message may have.
    pub fn write(&self) -> Result<Pieces, Fault> {
        let flag = Value::Bool(true);
        let parameters = || {
            let own = self.in_parts.then_some((EMPTY_FINAL, &flag));
            self.parameters.iter().map(|(key, value)| (key.as_str(), value)).chain(own)
        };
        let mut len = text_len(self.model) + text_len(self.version) + text_len(self.id);
        len += self.outputs.iter().map(|name| delimited_len(text_len(name))).sum::<usize>();
        len += parameters().map(|(key, value)| delimited_len(entry_len(key, value))).sum::<usize>();
        let mut apart = 0;
        for (spec, tensor) in self.tensors() {
            let data = tensor.data.len();
            let head = tensor_len(&spec.name, tensor.datatype, self.shape(tensor));
            len += delimited_len(head) + delimited_len(data);
            apart += chained(data);
        }
        let mut out = BytesMut::with_capacity(len - apart + super::answer::PREFIX);
        put_prefix(&mut out, len)?;
        put_text(&mut out, 1, self.model);
        put_text(&mut out, 2, self.version);
        put_text(&mut out, 3, self.id);
        for (key, value) in parameters() {
            put_entry(&mut out, 4, key, value);
        }
        for (spec, tensor) in self.tensors() {
            put_tensor(&mut out, 5, &spec.name, tensor.datatype, self.shape(tensor));
        }
        for name in self.outputs {
            put_head(&mut out, 6, text_len(name));
            put_text(&mut out, 1, name);
        }
        Ok(with_contents(out, 7, self.tensors.iter().map(|tensor| &tensor.data)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{contract::TensorSpec, datatype::Datatype, tensor::Tensor};
    use crate::wire::oip_proto::{messages as m, tensors::CHAIN_FROM};
    use bytes::Bytes;
    use prost::Message;

    fn spec(name: &str) -> TensorSpec {
        TensorSpec::new(name, Datatype::Uint8, [-1])
    }

    fn tensor(rows: i64, len: usize) -> Tensor {
        let size = i64::try_from(len).unwrap() / rows;
        Tensor { datatype: Datatype::Uint8, shape: [rows, size].as_slice().into(), data: vec![7; len].into() }
    }

    #[test]
    fn generated_code_reads_what_is_written() {
        for (unbatched, in_parts, large) in [(false, false, 6), (true, true, 10_000)] {
            let parameters = vec![("user".into(), Value::Text("ada".into())), ("n".into(), Value::Int(-3))];
            let (inputs, tensors) = ([spec("a"), spec("b")], [tensor(2, 4), tensor(2, large)]);
            let asking = Asking {
                model: "photos",
                version: "3",
                id: "n",
                outputs: &["y".into()],
                inputs: &inputs,
                tensors: &tensors,
                unbatched,
                parameters: &parameters,
                in_parts,
            };
            let pieces = asking.write().unwrap();
            // A large tensor is the caller's own bytes.
            assert_eq!(
                pieces.iter().any(|piece| piece.as_ptr() == tensors[1].data.as_ptr()),
                large >= CHAIN_FROM
            );
            let message: Bytes = pieces.concat().into();
            assert_eq!(
                message[..5],
                [&[0][..], &u32::try_from(message.len() - 5).unwrap().to_be_bytes()].concat()
            );
            let read = m::ModelInferRequest::decode(message.slice(5..)).unwrap();
            assert_eq!((read.model_name.as_str(), read.model_version.as_str()), ("photos", "3"));
            let outputs: Vec<_> = read.outputs.iter().map(|one| one.name.as_str()).collect();
            assert_eq!((read.id.as_str(), &outputs[..]), ("n", &["y"][..]));
            let size = i64::try_from(large).unwrap() / 2;
            let shapes: Vec<_> = read.inputs.iter().map(|one| one.shape.clone()).collect();
            let want = if unbatched { vec![vec![2], vec![size]] } else { vec![vec![2, 2], vec![2, size]] };
            assert_eq!(shapes, want);
            assert_eq!(read.raw_input_contents, [tensors[0].data.clone(), tensors[1].data.clone()]);
            assert_eq!(read.parameters.contains_key(EMPTY_FINAL), in_parts);
            assert_eq!(read.parameters.len(), 2 + usize::from(in_parts));
        }
    }
}
