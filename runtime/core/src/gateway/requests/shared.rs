//! Tensors in their callers' memory: inputs are copied from there before anybody looks at them, and outputs written
//! there before the caller is told.

use crate::base::{
    fault::{Fault, Kind},
    inference::{Answer, Inference, Input, Wanted},
    tensor::{Tensor, byte_len},
};
use crate::gateway::{
    Client,
    memory::{
        admission::Reserved,
        regions::{Found, Slot},
    },
};
use crate::mem::body::BodyBuffer;
use bytes::Bytes;
use compact_str::CompactString;

/// Copies beyond this are made on a thread of their own: 100 microseconds and more, in which one of few threads would
/// serve nobody else.
const LONG: usize = 1 << 20;

/// Where outputs go, by their names.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Destinations(Vec<(CompactString, Slot)>);

/// Whether [`Client::fetch`] has something to do: rare, and its future and this answer's are boxed where they are
/// awaited, for they would make every request's larger.
pub(in crate::gateway) fn is_shared(inference: &Inference) -> bool {
    let Inference { inputs, outputs, .. } = inference;
    inputs.iter().any(|one| one.region.is_some()) || outputs.iter().any(|one| one.region.is_some())
}

impl Client {
    /// Copies inputs that stayed with their caller, whose memory counts as if they had been sent, and finds the places
    /// of outputs. What is on a device is found, and not touched.
    pub(in crate::gateway) async fn fetch(
        &self,
        inference: &mut Inference,
        reserved: &mut Reserved,
    ) -> Result<Destinations, Fault> {
        let gateway = &self.gateway;
        // What is refused anyhow is not worth a copy of what may be 64 MiB, for some 200 bytes of a request.
        if let Err(fault) = gateway.describe(&inference.model, inference.version.as_ref())
            && fault.kind == Kind::NotFound
        {
            return Err(fault);
        }
        let mut destinations = Vec::new();
        for Wanted { name, region, .. } in &mut inference.outputs {
            let Some(named) = region else { continue };
            match gateway.regions.find(named)? {
                Found::System(slot) => destinations.push((name.clone(), slot)),
                Found::Device(region) => named.device = Some(region),
            }
        }
        let (mut slots, mut total) = (Vec::new(), 0_usize);
        for input in &mut inference.inputs {
            let Input { name, tensor, region: Some(named) } = input else { continue };
            match gateway.regions.find(named)? {
                Found::System(slot) => {
                    fits(&inference.model, name, tensor, slot.len())?;
                    total = total.saturating_add(slot.len());
                    slots.push(slot);
                }
                Found::Device(region) => {
                    let len = usize::try_from(named.len).unwrap_or(usize::MAX);
                    fits(&inference.model, name, tensor, len)?;
                    named.device = Some(region);
                }
            }
        }
        let most = gateway.limits().body_bytes;
        if total > most {
            let note = format!(
                "inputs of {total} bytes in shared memory exceed the maximum allowed value of {most} bytes (limit \
                 body_bytes)"
            );
            return Err(Fault::new(Kind::TooLarge, note));
        }
        self.extend(reserved, total)?;
        let arena = gateway.arena.clone();
        let copies = aside(total, move || {
            let copy = |slot: &Slot| BodyBuffer::filled(arena.as_ref(), slot.len(), |room| slot.read(room));
            slots.iter().map(copy).collect::<Result<Vec<_>, Fault>>()
        });
        let mut copies = copies.await??.into_iter();
        let is_read = |input: &&mut Input| input.region.as_ref().is_some_and(|named| named.device.is_none());
        for input in inference.inputs.iter_mut().filter(is_read) {
            input.tensor.data = copies.next().unwrap_or_default();
        }
        Ok(Destinations(destinations))
    }
}

impl Destinations {
    pub(in crate::gateway) fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes outputs to where they go, and leaves their shapes in the answer.
    pub(in crate::gateway) async fn fill(self, answer: &mut Answer) -> Result<(), Fault> {
        let (mut writes, mut total) = (Vec::new(), 0_usize);
        for (name, slot) in self.0 {
            let place = answer.contract.outputs.iter().position(|spec| spec.name == name);
            let output = answer.outputs.iter_mut().find(|(at, _)| Some(*at) == place);
            let Some((_, Tensor { data, .. })) = output else { continue };
            if data.len() > slot.len() {
                return Err(Fault::invalid(format!(
                    "shared memory size specified with the request for output '{name}' ({} bytes) should be at least \
                     {} bytes to hold the results",
                    slot.len(),
                    data.len()
                )));
            }
            total = total.saturating_add(data.len());
            writes.push((slot, std::mem::take::<Bytes>(data)));
        }
        let written = aside(total, move || writes.iter().try_for_each(|(slot, data)| slot.write(data)));
        written.await?
    }
}

/// Whether a tensor has so many bytes; how many strings have, nobody knows before they are read.
fn fits(model: &str, name: &str, tensor: &Tensor, len: usize) -> Result<(), Fault> {
    let Tensor { datatype, shape, .. } = tensor;
    let want = byte_len(*datatype, shape);
    if datatype.size().is_none() || want == Some(len) {
        return Ok(());
    }
    let want = want.map_or_else(|| "more than can be addressed".to_owned(), |want| want.to_string());
    Err(Fault::invalid(format!(
        "input byte size mismatch for input '{name}' for model '{model}'. Expected {want}, got {len} \
         (shared_memory_byte_size)"
    )))
}

/// Copies `len` bytes here, or where it may take long.
async fn aside<T: Send + 'static>(len: usize, copy: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
    if len <= LONG {
        return Ok(copy());
    }
    let copied = tokio::task::spawn_blocking(copy).await;
    copied.map_err(|error| Fault::internal(format!("a copy was given up: {error}")))
}
