//! What is told of the memory that clients registered.

use crate::gateway::memory::regions::{DeviceStatus, Status};
use crate::wire::oip_proto::messages as m;

pub(super) fn memory(all: &[Status]) -> m::SystemSharedMemoryStatusResponse {
    let one = |Status { name, key, offset, byte_size }: &Status| {
        let (name, key) = (name.to_string(), key.to_string());
        let told = m::system_shared_memory_status_response::RegionStatus {
            name: name.clone(),
            key,
            offset: *offset,
            byte_size: *byte_size,
        };
        (name, told)
    };
    m::SystemSharedMemoryStatusResponse { regions: all.iter().map(one).collect() }
}

pub(super) fn device_memory(all: &[DeviceStatus]) -> m::CudaSharedMemoryStatusResponse {
    let one = |DeviceStatus { name, device, byte_size }: &DeviceStatus| {
        let name = name.to_string();
        let told = m::cuda_shared_memory_status_response::RegionStatus {
            name: name.clone(),
            device_id: u64::from(*device),
            byte_size: *byte_size,
        };
        (name, told)
    };
    m::CudaSharedMemoryStatusResponse { regions: all.iter().map(one).collect() }
}
