//! Questions about the memory that clients register.

use super::{
    body,
    path::{Asked, Memory},
};
use crate::base::fault::{Fault, Kind};
use crate::gateway::{Client, memory::regions::Status};
use crate::wire::absent;
use hyper::body::Incoming;
use serde::Deserialize;
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
            let Register { key, offset, byte_size } = read(&body::read(client, body).await?.1)?;
            regions.register(region.unwrap_or_default(), &key, offset, byte_size)?;
            Ok(Vec::new())
        }
        (Memory::System, Asked::Unregister) => {
            regions.unregister(region);
            Ok(Vec::new())
        }
        (Memory::Cuda, Asked::Status) => match region {
            None => Ok(b"[]".to_vec()),
            Some(region) => {
                let note = format!("Unable to find cuda shared memory region: '{region}'");
                Err(Fault::new(Kind::NotFound, note))
            }
        },
        (Memory::Cuda, Asked::Register) => Err(absent::cuda_memory()),
        (Memory::Cuda, Asked::Unregister) => Ok(Vec::new()),
    }
}

#[derive(Deserialize)]
struct Register {
    key: String,
    #[serde(default)]
    offset: u64,
    byte_size: u64,
}

fn read(body: &[u8]) -> Result<Register, Fault> {
    serde_json::from_slice(body).map_err(|error| {
        Fault::invalid(format!(
            "failed to parse the request JSON buffer: {error}; expected {{\"key\": \"/input\", \"offset\": 0, \
             \"byte_size\": 64}}"
        ))
    })
}

fn told(all: &[Status]) -> Vec<u8> {
    let one = |Status { name, key, offset, byte_size }: &Status| json!({"name": name.as_str(), "key": key.as_str(), "offset": offset, "byte_size": byte_size});
    serde_json::to_vec(&all.iter().map(one).collect::<Vec<_>>()).unwrap_or_default()
}
