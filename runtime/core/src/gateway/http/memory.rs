//! Questions about the memory that clients register.

use super::{
    body,
    path::{Asked, Memory},
};
use crate::base::fault::Fault;
use crate::gateway::{
    Client,
    memory::regions::{DeviceStatus, Status},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::body::Incoming;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

/// The JSON that answers, where there is something to say.
pub(super) async fn answer(
    client: &Client,
    memory: Memory,
    region: Option<&str>,
    asked: Asked,
    body: Incoming,
) -> Result<Vec<u8>, Fault> {
    let regions = &client.gateway.regions;
    match (memory, asked) {
        (Memory::System, Asked::Status) => Ok(told(&regions.status(region)?)),
        (Memory::System, Asked::Register) => {
            let Register { key, offset, byte_size } = parse(&body::read(client, body).await?.1, FOR_SYSTEM)?;
            regions.register(region.unwrap_or_default(), &key, offset, byte_size)?;
            Ok(Vec::new())
        }
        (Memory::System, Asked::Unregister) => {
            regions.unregister(region);
            Ok(Vec::new())
        }
        (Memory::Cuda, Asked::Status) => Ok(told_of_devices(&regions.device_status(region)?)),
        (Memory::Cuda, Asked::Register) => {
            let body = body::read(client, body).await?.1;
            let RegisterDevice { raw_handle, device_id, byte_size } = parse(&body, FOR_DEVICES)?;
            let handle = STANDARD.decode(&raw_handle.b64).map_err(|error| {
                Fault::invalid(format!("'raw_handle' is not in base64: {error}; expected {FOR_DEVICES}"))
            })?;
            regions.register_device(region.unwrap_or_default(), &handle, device_id, byte_size)?;
            Ok(Vec::new())
        }
        (Memory::Cuda, Asked::Unregister) => {
            regions.unregister_device(region).await;
            Ok(Vec::new())
        }
    }
}

const FOR_SYSTEM: &str = r#"{"key": "/input", "offset": 0, "byte_size": 64}"#;
const FOR_DEVICES: &str =
    r#"{"raw_handle": {"b64": "the handle's 64 bytes"}, "device_id": 0, "byte_size": 64}"#;

#[derive(Deserialize)]
struct RegisterDevice {
    raw_handle: InBase64,
    device_id: i64,
    byte_size: u64,
}

#[derive(Deserialize)]
struct InBase64 {
    b64: String,
}

#[derive(Deserialize)]
struct Register {
    key: String,
    #[serde(default)]
    offset: u64,
    byte_size: u64,
}

fn parse<T: DeserializeOwned>(body: &[u8], expected: &str) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|error| {
        Fault::invalid(format!("failed to parse the request JSON buffer: {error}; expected {expected}"))
    })
}

fn told_of_devices(all: &[DeviceStatus]) -> Vec<u8> {
    let one = |DeviceStatus { name, device, byte_size }: &DeviceStatus| json!({"name": name.as_str(), "device_id": device, "byte_size": byte_size});
    serde_json::to_vec(&all.iter().map(one).collect::<Vec<_>>()).unwrap_or_default()
}

fn told(all: &[Status]) -> Vec<u8> {
    let one = |Status { name, key, offset, byte_size }: &Status| json!({"name": name.as_str(), "key": key.as_str(), "offset": offset, "byte_size": byte_size});
    serde_json::to_vec(&all.iter().map(one).collect::<Vec<_>>()).unwrap_or_default()
}
