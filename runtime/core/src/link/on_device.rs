//! Callers' memory on a device, as frames name it. Neither side touches it here: the host's models do.

use crate::{
    base::{
        call::Tensors,
        contract::Contract,
        device::{DeviceRegion, End, HANDLE_BYTES, Handle, OnDevice, Span},
        primitive::Mutex,
        tensor::Tensor,
    },
    wire::{frame::Malformed, frame_meta::proto},
};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// More regions of one gateway than it can have registered: each client keeps a gigabyte and more in one.
const MOST: usize = 1 << 16;

/// Those that a gateway told of, by its numbers.
#[derive(Debug, Default)]
pub(super) struct Regions {
    known: Mutex<FxHashMap<u64, Arc<DeviceRegion>>>,
}

pub(super) fn spans_out(spans: &[Span]) -> Vec<proto::Span> {
    let one = |span: &Span| {
        let Span { tensor, region, offset, byte_size } = span;
        let told = proto::Region {
            number: region.number,
            handle: bytes::Bytes::copy_from_slice(&region.handle),
            device: region.device,
            byte_size: region.byte_size,
        };
        let tensor = u32::try_from(*tensor).unwrap_or(u32::MAX);
        proto::Span { tensor, region: Some(told), offset: *offset, byte_size: *byte_size }
    };
    spans.iter().map(one).collect()
}

impl Regions {
    /// What a call's frame says of it. `end`: what is held until nobody looks at a region, of its number.
    pub(super) fn named(
        &self,
        infer: &proto::Infer,
        inputs: &Tensors,
        contract: &Contract,
        end: impl Fn(u64) -> End,
    ) -> Result<Option<Arc<OnDevice>>, Malformed> {
        // Almost always, and told at a glance.
        let names_none = infer.on_device_inputs.is_empty() && infer.on_device_outputs.is_empty();
        if names_none && !inputs.iter().any(Tensor::is_on_device) {
            return Ok(None);
        }
        let read = |spans: &[proto::Span], tensors: usize| {
            let read = |span| self.span(span, tensors, &end);
            spans.iter().map(read).collect::<Result<Vec<_>, _>>()
        };
        let on_device = OnDevice {
            inputs: read(&infer.on_device_inputs, contract.inputs.len())?,
            outputs: read(&infer.on_device_outputs, contract.outputs.len())?,
        };
        let here = inputs.iter().enumerate().filter(|(_, input)| input.is_on_device());
        let mut missing = here.clone().filter(|(at, input)| {
            let len = u64::try_from(input.byte_len()).ok();
            on_device.input(*at).is_none_or(|span| Some(span.byte_size) != len)
        });
        if missing.next().is_some() || here.count() != on_device.inputs.len() {
            return Err(Malformed::conduct("tensors on a device that are not those that the call names"));
        }
        Ok((!on_device.is_empty()).then(|| Arc::new(on_device)))
    }

    fn span(&self, span: &proto::Span, tensors: usize, end: impl Fn(u64) -> End) -> Result<Span, Malformed> {
        let proto::Span { tensor, region: Some(told), offset, byte_size } = span else {
            return Err(Malformed::Meta("a part of no region".to_owned()));
        };
        let region = self.region(told, end)?;
        let place = usize::try_from(*tensor).ok().filter(|tensor| *tensor < tensors);
        match place.filter(|_| region.has(*offset, *byte_size)) {
            Some(tensor) => Ok(Span { tensor, region, offset: *offset, byte_size: *byte_size }),
            None => Err(Malformed::conduct(format!(
                "{byte_size} bytes from {offset} on for tensor {tensor}, in a region of {} bytes on a device",
                told.byte_size
            ))),
        }
    }

    /// The one that is known, or a new one.
    fn region(&self, told: &proto::Region, end: impl Fn(u64) -> End) -> Result<Arc<DeviceRegion>, Malformed> {
        let proto::Region { number, handle, device, byte_size } = told;
        let len = handle.len();
        let handle = Handle::try_from(handle.as_ref()).map_err(|_| {
            Malformed::Meta(format!("the handle of a region has {HANDLE_BYTES} bytes, not {len}"))
        })?;
        let mut known = self.known.lock();
        if let Some(region) = known.get(number) {
            let same = region.handle == handle && region.device == *device && region.byte_size == *byte_size;
            let other = || Malformed::conduct(format!("region {number} is another one than before"));
            return same.then(|| Arc::clone(region)).ok_or_else(other);
        }
        if known.len() >= MOST {
            return Err(Malformed::conduct(format!("more than {MOST} regions on devices")));
        }
        let region = Arc::new(DeviceRegion::new(*number, handle, *device, *byte_size, end(*number)));
        known.insert(*number, Arc::clone(&region));
        Ok(region)
    }

    /// No call will name it again. `None`: none ever did.
    pub(super) fn forget(&self, number: u64) -> Option<Arc<DeviceRegion>> {
        self.known.lock().remove(&number)
    }

    /// The gateway is gone.
    pub(super) fn forget_all(&self) {
        let known = std::mem::take(&mut *self.known.lock());
        drop(known);
    }
}
